//! Pictures for words.

use bytes::Bytes;
use futures::future;
use weir_identity::{AccountId, ChannelId, EmoteId};

use super::{accounts::account, name, now};
use crate::{
    emotes::{Emote, Whose},
    error::Error,
    store::Store,
};

pub(super) async fn all(store: &dyn Store) {
    a_code_is_taken_once_and_there_are_so_many(store).await;
    emotes_go_with_their_channel(store).await;
}

fn emote(whose: Whose, code: &str) -> Emote {
    let (id, by) = (EmoteId::new(), AccountId::from_bytes([7; 16]));
    Emote { id, whose, code: code.parse().unwrap(), width: 128, height: 64, animated: true, by, at: now() }
}

fn image(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

async fn a_code_is_taken_once_and_there_are_so_many(store: &dyn Store) {
    account(store, "emote_owner").await;
    let channel = store.channel_named(&name("emote_owner")).await.unwrap().unwrap().id;
    let own = Whose::Channel(channel);
    let (wave, heart) = (emote(own, "wave"), emote(own, "Heart"));
    store.add_emote(wave.clone(), image("wave"), 3).await.unwrap();
    store.add_emote(heart.clone(), image("heart"), 3).await.unwrap();
    let taken = store.add_emote(emote(own, "wave"), image("other"), 3).await;
    assert!(matches!(taken, Err(Error::Exists)), "{taken:?}");
    let everywhere = emote(Whose::Installation, "wave");
    store.add_emote(everywhere.clone(), image("global"), 9).await.unwrap();
    assert_eq!(store.emotes_of(own).await.unwrap(), [heart.clone(), wave.clone()], "by code");
    assert_eq!(store.emotes_of(Whose::Installation).await.unwrap(), *std::slice::from_ref(&everywhere));
    assert_eq!(store.emote_image(wave.id).await.unwrap(), Some(image("wave")));
    assert_eq!(store.emote_image(EmoteId::new()).await.unwrap(), None);

    // Of many at once as many are taken as there may be.
    let codes: Vec<String> = (0..4).map(|number| format!("more_{number}")).collect();
    let added = codes.iter().map(|code| store.add_emote(emote(own, code), image(code), 4));
    let added = future::join_all(added).await;
    assert_eq!(added.iter().filter(|added| added.is_ok()).count(), 2, "{added:?}");
    assert!(added.iter().all(|added| matches!(added, Ok(()) | Err(Error::TooMany))), "{added:?}");

    assert_eq!(store.remove_emote(own, wave.code.clone()).await.unwrap(), Some(wave.clone()));
    assert_eq!(store.remove_emote(own, wave.code.clone()).await.unwrap(), None);
    assert_eq!(store.emote_image(wave.id).await.unwrap(), None);
    store.add_emote(emote(own, "wave"), image("again"), 4).await.unwrap();
    assert!(store.remove_emote(Whose::Installation, everywhere.code).await.unwrap().is_some());
    let nowhere = store.add_emote(emote(Whose::Channel(ChannelId::new()), "wave"), image("x"), 4).await;
    assert!(matches!(nowhere, Err(Error::Missing)), "{nowhere:?}");
}

async fn emotes_go_with_their_channel(store: &dyn Store) {
    let owner = account(store, "emote_leaver").await.id;
    let channel = store.channel_named(&name("emote_leaver")).await.unwrap().unwrap().id;
    let own = emote(Whose::Channel(channel), "wave");
    store.add_emote(own.clone(), image("wave"), 3).await.unwrap();
    assert!(store.delete_account(owner).await.unwrap());
    assert_eq!(store.emotes_of(own.whose).await.unwrap(), []);
    assert_eq!(store.emote_image(own.id).await.unwrap(), None);
    let gone = store.add_emote(emote(own.whose, "heart"), image("x"), 3).await;
    assert!(matches!(gone, Err(Error::Missing)), "{gone:?}");
}
