//! What moderators do that the store has to know: it is kept first, then rooms are told.

use std::{sync::Arc, time::Duration};

use ractor::ActorRef;
use weir_identity::{AccountId, ChannelId};

use super::{
    Shared,
    desk::{Asked, Desk},
};
use crate::{
    fabric::Signal,
    gate::{Deed, Denied, Queues, Verdict},
    room::{
        actor::Msg,
        rules::{Refusal, Speaker},
    },
    wire::{
        Request,
        outbound::{Said, refusal},
    },
};

/// Longest timeout, in seconds: two weeks.
const TIMEOUT_SECONDS_MAX: u32 = 14 * 86_400;
/// Most characters of a reason; what is longer is cut.
const REASON_CHARS_MAX: usize = 500;

/// Does what a moderator asked for.
pub(super) async fn act(
    shared: Arc<Shared>,
    channel: ChannelId,
    speaker: Arc<Speaker>,
    room: ActorRef<Msg>,
    asked: Asked,
    request: Request,
) {
    if let Err((code, text)) = decide(&shared, channel, &speaker, &room, request).await {
        asked.answer(&refusal(&Refusal::new(code, &text), None));
    }
}

async fn decide(
    shared: &Shared,
    channel: ChannelId,
    speaker: &Speaker,
    room: &ActorRef<Msg>,
    request: Request,
) -> Result<(), (&'static str, String)> {
    let by = speaker.person.id;
    let ban = |account, lasts, address, reason: String| Verdict {
        channel,
        account,
        by,
        lasts,
        address,
        reason: reason.chars().filter(|c| !c.is_control()).take(REASON_CHARS_MAX).collect(),
    };
    let verdict = match request {
        Request::Clear { user: Some(user) } => {
            below(shared, channel, speaker, user).await?;
            note(shared, channel, by, "chat.clear", user.to_string());
            return tell(room, Msg::Clear { asked: None, by, user: Some(user), sentence: None });
        }
        Request::Unban { user } => {
            shared.gate.unban(channel, user, by).await.map_err(why)?;
            // Others who were held back with them may write again.
            shared.fabric.signal(channel, Signal::Anew { account: None, at_once: false });
            return tell(room, Msg::Sentence { account: user, sentence: None });
        }
        Request::Timeout { seconds, .. } if seconds == 0 || seconds > TIMEOUT_SECONDS_MAX => {
            return Err(("bad_frame", format!("a timeout lasts 1 to {TIMEOUT_SECONDS_MAX} seconds")));
        }
        Request::Timeout { user, seconds, reason } => {
            ban(user, Some(Duration::from_secs(seconds.into())), false, reason)
        }
        Request::Ban { user, reason, address } => ban(user, None, address, reason),
        _ => return Err(("bad_frame", "this is done elsewhere".into())),
    };
    let (account, address) = (verdict.account, verdict.address);
    below(shared, channel, speaker, account).await?;
    let sentence = shared.gate.ban(verdict).await.map_err(why)?;
    if address {
        shared.fabric.signal(channel, Signal::Anew { account: None, at_once: false });
    }
    tell(room, Msg::Clear { asked: None, by, user: Some(account), sentence: Some(sentence) })
}

/// Tells a moderator who comes what waits for them.
pub(super) async fn show_queues(shared: Arc<Shared>, channel: ChannelId, desk: Arc<Desk>) {
    // Whoever is not told now is told of the next change.
    if let Ok(Some(Queues { held, reported })) = shared.gate.queues(channel).await {
        desk.send(&Said::Held { count: held }.json());
        desk.send(&Said::Reported { count: reported }.json());
    }
}

/// Goes on if `account` is one whom `speaker` may hold back.
async fn below(
    shared: &Shared,
    channel: ChannelId,
    speaker: &Speaker,
    account: AccountId,
) -> Result<(), (&'static str, String)> {
    let role = shared.gate.role(channel, account).await.map_err(why)?;
    if role < speaker.person.role {
        return Ok(());
    }
    Err(("forbidden", "This is beyond what you may do to somebody of that role.".into()))
}

fn why(denied: Denied) -> (&'static str, String) {
    (denied.code(), denied.to_string())
}

fn tell(room: &ActorRef<Msg>, msg: Msg) -> Result<(), (&'static str, String)> {
    // The store has it: a room that is over needs not be told.
    let _ = room.cast(msg);
    Ok(())
}

/// Notes what was done.
pub(super) fn note(shared: &Shared, channel: ChannelId, by: AccountId, action: &'static str, subject: String) {
    shared.gate.note(Deed { channel, by, action, subject });
}
