//! What was said in rooms.

use jiff::{Timestamp, ToSpan};
use weir_identity::{AccountId, ChannelId, MessageId};

use super::{accounts::account, channel, name, now};
use crate::{
    accounts::Account,
    messages::{Flight, Message, Note, Role, RoomKept, Wanted, Way, Words, first_of, ms},
    store::Store,
};

pub(super) async fn all(store: &dyn Store) {
    let (anna, berta) = (account(store, "msg_anna").await, account(store, "msg_berta").await);
    pages_go_back_without_hole_or_double(store, &anna, &berta).await;
    what_was_kept_is_kept_once(store, &anna).await;
    what_was_taken_back_stays_so_whichever_comes_first(store, &anna).await;
    what_was_cleared_is_gone_and_nothing_else(store, &anna, &berta).await;
    words_are_found_in_every_script(store, &anna, &berta).await;
    a_search_goes_on_where_it_stopped(store, &anna, &berta).await;
    comments_over_the_picture_are_there_for_who_asks(store, &anna).await;
    rooms_are_as_they_were_set(store, &anna).await;
    who_is_gone_has_said_nothing(store).await;
}

/// A message of somebody, said so many milliseconds after the first moment of these tests.
fn said(by: &Account, after: i64, text: &str) -> Message {
    let at = first_moment() + after.milliseconds();
    let mut id = *MessageId::new().as_bytes();
    id[..6].copy_from_slice(&at.as_millisecond().to_be_bytes()[2..]);
    Message {
        id: MessageId::from_bytes(id),
        account: by.id,
        name: by.name.clone(),
        display_name: "안나".into(),
        role: Role::Moderator,
        text: text.into(),
        at,
        reply_to: None,
        called: None,
        flight: None,
        deleted: false,
    }
}

/// A month ago: long silences fit in.
fn first_moment() -> Timestamp {
    now() - (30 * 24).hours()
}

async fn keep(store: &dyn Store, channel: ChannelId, messages: &[Message]) {
    let notes = messages.iter().map(|message| (channel, Note::Said(message.clone()))).collect();
    store.keep_messages(notes).await.unwrap();
}

/// Every message that is found, asked for `limit` at a time.
async fn find(store: &dyn Store, channel: ChannelId, wanted: Wanted) -> Vec<Message> {
    let (mut all, mut wanted) = (Vec::new(), wanted);
    for _ in 0..1_000 {
        let found = store.messages(channel, wanted.clone()).await.unwrap();
        assert!(found.messages.len() <= wanted.limit);
        all.extend(found.messages);
        if found.next.is_none() {
            return all;
        }
        assert!(wanted.before.is_none_or(|before| found.next < Some(before)), "it gets on");
        wanted.before = found.next;
    }
    panic!("a list without end");
}

fn wanted(limit: usize) -> Wanted {
    Wanted { limit, ..Wanted::default() }
}

fn with(words: &str) -> Wanted {
    Wanted { words: Words::parse(words), ..wanted(3) }
}

fn texts(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.text.as_str()).collect()
}

async fn pages_go_back_without_hole_or_double(store: &dyn Store, anna: &Account, berta: &Account) {
    let room = channel(store, "msg_pages").await.id;
    assert_eq!(find(store, room, wanted(5)).await, []);
    // Some at once, some minutes and days apart.
    let times = (0..40).map(|n| n / 4).chain((0..40).map(|n| 1_000 + n * 90_000)).chain([2_000_000_000]);
    let mut messages: Vec<Message> =
        times.enumerate().map(|(n, at)| said(if n % 3 == 0 { anna } else { berta }, at, &n.to_string())).collect();
    messages[7].reply_to = Some((messages[6].id, berta.name.clone()));
    messages[8].display_name = String::new();
    messages[9].called = Some("c-9".into());
    for some in messages.chunks(7) {
        keep(store, room, some).await;
    }
    messages.reverse();
    for limit in [1, 7, 81, 200] {
        let found = find(store, room, wanted(limit)).await;
        let (ids, wanted): (Vec<_>, Vec<_>) =
            (found.iter().map(|message| ms(message.id)).collect(), messages.iter().map(|m| ms(m.id)).collect());
        assert_eq!(ids, wanted, "{limit}");
        let mut sorted = (found, messages.clone());
        sorted.0.sort_by_key(|message| message.id);
        sorted.1.sort_by_key(|message| message.id);
        assert_eq!(sorted.0, sorted.1, "{limit}");
    }
    let before = messages[20].at;
    let older = Wanted { before: Some(first_of(before.as_millisecond())), ..wanted(9) };
    let older = find(store, room, older).await;
    assert_eq!(texts(&older), texts(&messages[21..]));
    let of_anna = Wanted { account: Some(anna.id), ..wanted(4) };
    let of_anna = find(store, room, of_anna).await;
    assert_eq!(of_anna.len(), 27);
    assert!(of_anna.iter().all(|message| message.account == anna.id));
    assert_eq!(store.message(room, messages[3].id).await.unwrap().as_ref(), Some(&messages[3]));
    assert_eq!(store.message(room, MessageId::new()).await.unwrap(), None);
    let elsewhere = channel(store, "msg_elsewhere").await.id;
    assert_eq!(store.message(elsewhere, messages[3].id).await.unwrap(), None);
    assert_eq!(find(store, elsewhere, with("1")).await, []);
}

async fn what_was_kept_is_kept_once(store: &dyn Store, anna: &Account) {
    let room = channel(store, "msg_once").await.id;
    let messages: Vec<Message> = (0..5).map(|n| said(anna, n, &format!("again {n}"))).collect();
    keep(store, room, &messages[..3]).await;
    keep(store, room, &messages).await;
    keep(store, room, &messages[1..]).await;
    assert_eq!(find(store, room, wanted(9)).await.len(), 5);
    assert_eq!(find(store, room, with("again")).await.len(), 5);
    store.keep_messages(Vec::new()).await.unwrap();
    let nowhere = ChannelId::new();
    keep(store, nowhere, &messages).await;
    assert_eq!(find(store, nowhere, wanted(9)).await, [], "there is no such channel");
    let nobody = Message { account: AccountId::new(), ..said(anna, 9, "nobody") };
    keep(store, room, &[nobody]).await;
    assert_eq!(find(store, room, wanted(9)).await.len(), 5, "there is no such account");
}

async fn what_was_taken_back_stays_so_whichever_comes_first(store: &dyn Store, anna: &Account) {
    let room = channel(store, "msg_back").await.id;
    let messages: Vec<Message> = (0..4).map(|n| said(anna, n, &format!("word {n}"))).collect();
    keep(store, room, &messages[..2]).await;
    let gone = |id| (room, Note::TakenBack(id));
    store.keep_messages(vec![gone(messages[1].id), gone(messages[2].id), gone(messages[2].id)]).await.unwrap();
    assert_eq!(texts(&find(store, room, wanted(9)).await), ["", "word 0"], "the third did not come yet");
    keep(store, room, &messages).await;
    let kept = find(store, room, wanted(2)).await;
    assert_eq!(texts(&kept), ["word 3", "", "", "word 0"]);
    assert_eq!(kept.iter().map(|message| message.deleted).collect::<Vec<_>>(), [false, true, true, false]);
    assert_eq!(kept[1].account, anna.id);
    assert_eq!(texts(&find(store, room, with("word")).await), ["word 3", "word 0"]);
    let tombstone = messages[3].clone().taken_back();
    keep(store, room, std::slice::from_ref(&tombstone)).await;
    assert_eq!(store.message(room, tombstone.id).await.unwrap(), Some(tombstone));
    assert_eq!(texts(&find(store, room, with("3")).await), [""; 0]);
}

async fn what_was_cleared_is_gone_and_nothing_else(store: &dyn Store, anna: &Account, berta: &Account) {
    let room = channel(store, "msg_clear").await.id;
    let messages: Vec<Message> =
        (0..6).map(|n| said(if n % 2 == 0 { anna } else { berta }, n * 400_000, &format!("clear {n}"))).collect();
    keep(store, room, &messages).await;
    let clear = |account, until| vec![(room, Note::Cleared { account, until })];
    store.keep_messages(clear(Some(anna.id), messages[2].at)).await.unwrap();
    assert_eq!(texts(&find(store, room, wanted(2)).await), ["clear 5", "clear 4", "clear 3", "", "clear 1", ""]);
    assert_eq!(texts(&find(store, room, with("clear")).await), ["clear 5", "clear 4", "clear 3", "clear 1"]);
    let of_anna = Wanted { account: Some(anna.id), ..wanted(9) };
    assert_eq!(texts(&find(store, room, of_anna).await), ["clear 4"]);
    // An older clear that comes again takes nothing of a newer one back.
    store.keep_messages(clear(Some(anna.id), messages[0].at)).await.unwrap();
    assert!(store.message(room, messages[2].id).await.unwrap().unwrap().deleted);
    store.keep_messages(clear(None, messages[4].at)).await.unwrap();
    assert_eq!(texts(&find(store, room, with("clear")).await), ["clear 5"]);
    let all = find(store, room, wanted(9)).await;
    assert_eq!((all.len(), all.iter().filter(|message| message.deleted).count()), (6, 5));
}

async fn words_are_found_in_every_script(store: &dyn Store, anna: &Account, berta: &Account) {
    let room = channel(store, "msg_words").await.id;
    let lines = [
        "Hello World, how are you?",
        "今天天气很好，我们开始吧",
        "안녕하세요 여러분, 반갑습니다",
        "これはテストです",
        "HELLO again",
        "Ｈｅｌｌｏ 天",
    ];
    let messages: Vec<Message> = lines
        .iter()
        .enumerate()
        .map(|(n, line)| said(if n == 4 { berta } else { anna }, i64::try_from(n).unwrap() * 1_000, line))
        .collect();
    keep(store, room, &messages).await;
    for (query, found) in [
        ("hello", &[5, 4, 0][..]),
        ("hello world", &[0]),
        ("hell", &[]),
        ("天气", &[1]),
        ("天", &[5, 1]),
        ("气天", &[]),
        ("天 hello", &[5]),
        ("여러분", &[2]),
        ("하세", &[2]),
        ("반", &[2]),
        ("テスト", &[3]),
        ("ﾃｽﾄ", &[3]),
        ("\"hello\" OR *", &[]),
        ("msg_anna", &[]),
    ] {
        let wanted: Vec<&str> = found.iter().map(|n| lines[*n]).collect();
        assert_eq!(texts(&find(store, room, with(query)).await), wanted, "{query}");
    }
    let of_anna = Wanted { account: Some(anna.id), ..with("hello") };
    assert_eq!(texts(&find(store, room, of_anna).await), [lines[5], lines[0]]);
}

async fn a_search_goes_on_where_it_stopped(store: &dyn Store, anna: &Account, berta: &Account) {
    let room = channel(store, "msg_deep").await.id;
    // What is looked for lies below more than one answer reads.
    let mut messages = vec![said(anna, 0, "needle at the bottom")];
    messages.extend((0..200).map(|n| said(berta, 1_000 + n * 300_000, "straw")));
    messages.extend((0..2_500).map(|n| said(berta, 80_000_000 + n, "needless straw, needle needle")));
    for some in messages.chunks(500) {
        keep(store, room, some).await;
    }
    let clear = Note::Cleared { account: Some(berta.id), until: messages.last().unwrap().at };
    store.keep_messages(vec![(room, clear)]).await.unwrap();
    assert_eq!(texts(&find(store, room, with("needle")).await), ["needle at the bottom"]);
    let first = store.messages(room, with("needle")).await.unwrap();
    assert!(first.messages.is_empty() && first.next.is_some(), "one answer reads so much and no more");
}

async fn comments_over_the_picture_are_there_for_who_asks(store: &dyn Store, anna: &Account) {
    let room = channel(store, "msg_comments").await.id;
    let flown = |after, text, way, color: Option<&str>| Message {
        flight: Some(Flight { way, color: color.map(Into::into) }),
        ..said(anna, after, text)
    };
    let messages = [
        said(anna, 0, "apple"),
        flown(1, "apple pie", Way::Scroll, None),
        flown(2, "apple tree", Way::Bottom, Some("#00ff00")),
        said(anna, 3, "apple juice"),
    ];
    keep(store, room, &messages).await;
    keep(store, room, &messages).await;
    let newest_first: Vec<_> = messages.iter().rev().cloned().collect();
    for limit in [1, 2, 9] {
        let all = find(store, room, Wanted { comments: true, ..wanted(limit) }).await;
        assert_eq!(all, newest_first, "{limit}");
        let spoken = find(store, room, wanted(limit)).await;
        assert_eq!(spoken, [messages[3].clone(), messages[0].clone()], "{limit}");
    }
    let words = Words::parse("apple");
    for search in [Wanted { words, ..wanted(9) }, Wanted { account: Some(anna.id), ..wanted(9) }] {
        let found = find(store, room, Wanted { comments: true, ..search }).await;
        assert_eq!(found, [messages[3].clone(), messages[0].clone()]);
    }
    store.keep_messages(vec![(room, Note::TakenBack(messages[2].id))]).await.unwrap();
    let left = find(store, room, Wanted { comments: true, ..wanted(9) }).await;
    assert_eq!(left[1], messages[2].clone().taken_back());
}

async fn rooms_are_as_they_were_set(store: &dyn Store, anna: &Account) {
    let room = channel(store, "msg_room").await.id;
    assert_eq!(store.room(room).await.unwrap(), RoomKept::default());
    let message = said(anna, 0, "look here");
    let set = |text: &str| (room, Note::Set(text.into()));
    let pin = |id| (room, Note::Pinned(id));
    let said = (room, Note::Said(message.clone()));
    store.keep_messages(vec![set("{\"slow\":1}"), said, pin(Some(message.id)), set("{\"slow\":5}")]).await.unwrap();
    let kept = store.room(room).await.unwrap();
    assert_eq!(kept, RoomKept { settings: Some("{\"slow\":5}".into()), pinned: Some(message.clone()) });
    store.keep_messages(vec![pin(None)]).await.unwrap();
    assert_eq!(store.room(room).await.unwrap().pinned, None);
    store.keep_messages(vec![pin(Some(message.id)), (room, Note::TakenBack(message.id))]).await.unwrap();
    assert_eq!(store.room(room).await.unwrap().pinned, None, "it was taken back");
}

async fn who_is_gone_has_said_nothing(store: &dyn Store) {
    let (going, stays) = (account(store, "msg_going").await, account(store, "msg_stays").await);
    let room = channel(store, "msg_left").await.id;
    let own = store.channel_named(&name("msg_going")).await.unwrap().unwrap().id;
    let mut messages: Vec<Message> = (0..1_200).map(|n| said(&going, n * 2_000, "going")).collect();
    messages.push(said(&stays, 5_000_000, "stays"));
    for some in messages.chunks(500) {
        keep(store, room, some).await;
    }
    keep(store, own, &messages[1_195..]).await;
    store.keep_messages(vec![(own, Note::Set("{}".into()))]).await.unwrap();
    assert!(store.delete_account(going.id).await.unwrap());
    for _ in 0..4 {
        assert_eq!(texts(&find(store, room, wanted(9)).await), ["stays"]);
        assert_eq!(find(store, room, with("going")).await, []);
        assert_eq!(find(store, room, Wanted { account: Some(going.id), ..wanted(9) }).await, []);
        assert_eq!(find(store, own, wanted(9)).await, []);
        assert_eq!(store.room(own).await.unwrap(), RoomKept::default());
        // What a store removes little by little, it removes meanwhile; what comes late is not kept.
        keep(store, room, &messages[1_199..]).await;
    }
}
