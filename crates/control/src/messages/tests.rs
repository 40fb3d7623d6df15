//! Messages as clients read them: over the routes, on a real store.

use jiff::Timestamp;
use serde_json::{Value, json};
use weir_identity::{AccountId, ChannelId, MessageId};

use super::{Message, Note, Role, first_of, ms};
use crate::testing::Server;

struct Room {
    server: Server,
    channel: ChannelId,
    speakers: [AccountId; 2],
}

const NAMES: [&str; 2] = ["anna", "berta"];

impl Room {
    /// Anna's room, in which she and Berta say every second line.
    async fn with(lines: &[&str]) -> (Self, Vec<Message>) {
        let server = Server::start().await;
        let mut speakers = Vec::new();
        for name in NAMES {
            server.register(name).await;
            speakers.push(server.store.account_named(&name.parse().unwrap()).await.unwrap().unwrap().id);
        }
        let channel = server.store.channel_named(&"anna".parse().unwrap()).await.unwrap().unwrap().id;
        let room = Self { server, channel, speakers: [speakers[0], speakers[1]] };
        let messages: Vec<Message> = lines.iter().enumerate().map(|(n, line)| room.said(n % 2, line)).collect();
        room.note(messages.iter().cloned().map(Note::Said).collect()).await;
        (room, messages)
    }

    fn said(&self, by: usize, text: &str) -> Message {
        let id = MessageId::new();
        Message {
            id,
            account: self.speakers[by],
            name: NAMES[by].parse().unwrap(),
            display_name: String::new(),
            role: Role::Viewer,
            text: text.into(),
            at: Timestamp::from_millisecond(ms(id)).unwrap(),
            reply_to: None,
            called: None,
            deleted: false,
            flight: None,
        }
    }

    async fn note(&self, notes: Vec<Note>) {
        let notes = notes.into_iter().map(|note| (self.channel, note)).collect();
        self.server.store.keep_messages(notes).await.unwrap();
    }

    async fn texts(&self, query: &str) -> Vec<String> {
        let page = self.server.get(&format!("/api/v1/channels/anna/messages?{query}")).await;
        assert_eq!(page.status, 200, "{query}: {}", page.body);
        let items = page.body["items"].as_array().unwrap();
        items.iter().map(|item| item["text"].as_str().unwrap().to_owned()).collect()
    }
}

#[tokio::test]
async fn anybody_reads_back_and_searches_what_was_said() {
    let (room, messages) = Room::with(&["one", "two 天气", "three", "four"]).await;
    assert_eq!(room.texts("").await, ["four", "three", "two 天气", "one"]);
    let page = room.server.get("/api/v1/channels/anna/messages?limit=3").await.body;
    assert_eq!(page["next"], json!(messages[1].id.to_string()));
    let cursor = page["next"].as_str().unwrap();
    assert_eq!(room.texts(&format!("limit=3&cursor={cursor}")).await, ["one"]);
    assert_eq!(room.texts("user=berta").await, ["four", "two 天气"]);
    assert_eq!(room.texts("user=nobody").await, [""; 0]);
    assert_eq!(room.texts("q=%E5%A4%A9").await, ["two 天气"]);
    assert_eq!(room.texts("q=TWO&user=anna").await, [""; 0]);
    assert_eq!(room.texts("before=2020-01-01T00:00:00Z").await, [""; 0]);
    assert_eq!(room.texts("before=2100-01-01T00:00:00%2B09:00").await.len(), 4);
}

#[tokio::test]
async fn a_message_reads_as_the_agreement_says() {
    let (room, messages) = Room::with(&["one", "two"]).await;
    let reply = Message {
        reply_to: Some((messages[0].id, "anna".parse().unwrap())),
        display_name: "베르타".into(),
        ..room.said(1, "to you")
    };
    room.note(vec![Note::Said(reply.clone()), Note::TakenBack(messages[0].id)]).await;
    let page = room.server.get("/api/v1/channels/anna/messages").await.body;
    let wanted = json!({
        "id": reply.id.to_string(),
        "user": {"id": reply.account.to_string(), "name": "berta", "display_name": "베르타", "role": "viewer"},
        "text": "to you",
        "at": reply.at.to_string(),
        "reply_to": {"id": messages[0].id.to_string(), "name": "anna"},
    });
    assert_eq!(page["items"][0], wanted);
    let gone = &page["items"][2];
    assert_eq!((&gone["text"], &gone["deleted"], &gone["user"]["name"]), (&json!(""), &json!(true), &json!("anna")));
    assert_eq!(page["next"], Value::Null);
}

#[tokio::test]
async fn a_closed_room_is_read_by_who_may_watch() {
    let (room, _) = Room::with(&["one"]).await;
    let (path, channel) = ("/api/v1/channels/anna/messages", "/api/v1/channels/anna");
    let login = json!({"username": "anna", "password": "correct horse"});
    let anna = room.server.post("/api/v1/auth/login", login).await.text("access_token").to_owned();
    for (visibility, status) in [("members", 403), ("private", 404), ("unlisted", 200)] {
        let changed = room.server.with(&anna, "PATCH", channel, json!({"visibility": visibility})).await;
        assert_eq!(changed.status, 200, "{}", changed.body);
        assert_eq!(room.server.get(path).await.status, status, "{visibility}");
        assert_eq!(room.server.with(&anna, "GET", path, Value::Null).await.status, 200, "{visibility}");
    }
}

#[tokio::test]
async fn nonsense_is_refused() {
    let (room, _) = Room::with(&[]).await;
    let long = format!("q={}", "a".repeat(201));
    for query in
        ["limit=0", "limit=201", "limit=x", "cursor=x", "q=", "q=!", &long, "user=x", "user=a%20b", "before=now"]
    {
        let refused = room.server.get(&format!("/api/v1/channels/anna/messages?{query}")).await;
        assert_eq!((refused.status, refused.text("type")), (400, "urn:weir:problem:bad-request"), "{query}");
    }
    assert_eq!(room.server.get("/api/v1/channels/nobody/messages").await.status, 404);
}

#[test]
fn a_millisecond_begins_with_its_first_id() {
    for at in [0, 1, 1_790_000_000_000] {
        assert_eq!(ms(first_of(at)), at);
    }
    let now = MessageId::new();
    assert!(first_of(ms(now)) <= now && now < first_of(ms(now) + 1));
    assert_eq!(ms(first_of(-5)), 0);
}
