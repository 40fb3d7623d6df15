//! Chat's words for what was said, and the store's.

use jiff::Timestamp;
use weir_chat::{
    archive::Happened,
    room::{
        ClientId, Event, Person, Role,
        event::{Message as Said, Reply},
    },
    wire::{inbound::Way, outbound::Danmaku},
};
use weir_control::messages::{self, Flight, Message, Note};

/// What happened just now.
pub(super) fn note(happened: Happened) -> Note {
    match happened {
        Happened::Event(Event::Message(message), once) => Note::Said(to_store(message, once.as_ref())),
        Happened::Event(Event::Deleted { id, .. }, _) => Note::TakenBack(id),
        Happened::Event(Event::Cleared { user, .. }, _) => Note::Cleared { account: user, until: Timestamp::now() },
        Happened::Event(Event::Pinned { message, .. }, _) => Note::Pinned(message.map(|message| message.id)),
        Happened::Comment(comment) => Note::Said(flown(comment)),
        Happened::Set(settings) => {
            Note::Set(serde_json::to_string(&settings).expect("settings are numbers and switches"))
        }
    }
}

/// As the store keeps it.
pub(super) fn to_store(message: Said, once: Option<&ClientId>) -> Message {
    Message {
        id: message.id,
        account: message.user.id,
        name: message.user.name,
        display_name: message.user.display_name,
        role: role(message.user.role),
        text: message.text,
        at: message.at,
        reply_to: message.reply_to.map(|reply| (reply.id, reply.name)),
        called: once.map(|once| once.as_str().to_owned()),
        deleted: message.deleted,
        flight: None,
    }
}

/// A comment over the picture, as the store keeps it.
fn flown(comment: Danmaku) -> Message {
    let way = match comment.mode {
        Way::Scroll => messages::Way::Scroll,
        Way::Top => messages::Way::Top,
        Way::Bottom => messages::Way::Bottom,
    };
    Message {
        id: comment.id,
        account: comment.user.id,
        name: comment.user.name,
        display_name: comment.user.display_name,
        role: role(comment.user.role),
        text: comment.text,
        at: comment.at,
        reply_to: None,
        called: None,
        deleted: false,
        flight: Some(Flight { way, color: comment.color }),
    }
}

fn role(role: Role) -> messages::Role {
    match role {
        Role::Viewer => messages::Role::Viewer,
        Role::Vip => messages::Role::Vip,
        Role::Moderator => messages::Role::Moderator,
        Role::Owner => messages::Role::Owner,
    }
}

/// As rooms have it.
pub(super) fn to_chat(message: Message) -> Said {
    Said {
        id: message.id,
        user: Person {
            id: message.account,
            name: message.name,
            display_name: message.display_name,
            role: match message.role {
                messages::Role::Viewer => Role::Viewer,
                messages::Role::Vip => Role::Vip,
                messages::Role::Moderator => Role::Moderator,
                messages::Role::Owner => Role::Owner,
            },
        },
        text: message.text,
        at: message.at,
        reply_to: message.reply_to.map(|(id, name)| Reply { id, name }),
        deleted: message.deleted,
    }
}

/// What a client called a message, out of the store.
pub(super) fn client_id(called: &str) -> Option<ClientId> {
    ClientId::parse(called)
}
