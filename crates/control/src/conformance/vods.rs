//! Recordings.

use weir_identity::{ChannelId, NodeId, VodId, WatchId};

use super::{accounts::account, channel, now};
use crate::{
    channels::{Channel, Visibility},
    error::Error,
    store::Store,
    vods::{Finish, State, Vod},
};

pub(super) async fn all(store: &dyn Store) {
    a_channel_says_whether_it_records(store).await;
    a_recording_begins_and_ends_once(store).await;
    recordings_come_newest_first_in_pages(store).await;
    what_people_change_does_not_touch_the_recorder(store).await;
    recordings_go_with_their_channel(store).await;
}

fn ready(duration_ms: u64) -> Finish {
    Finish { state: State::Ready, note: String::new(), duration_ms, bytes: 9 * duration_ms }
}

async fn begun(store: &dyn Store, channel: &Channel, node: NodeId) -> Vod {
    let vod = Vod::begin(channel, node);
    store.begin_vod(vod.clone()).await.unwrap();
    vod
}

async fn a_channel_says_whether_it_records(store: &dyn Store) {
    let made = channel(store, "recorder").await;
    assert!(!made.record, "nobody asked for it");
    assert!(store.update_channel(Channel { record: true, ..made.clone() }).await.unwrap());
    assert!(store.channel(made.id).await.unwrap().unwrap().record);
}

async fn a_recording_begins_and_ends_once(store: &dyn Store) {
    let (channel, node) = (channel(store, "vod_once").await, NodeId::new());
    let vod = begun(store, &channel, node).await;
    let again = store.begin_vod(vod.clone()).await;
    assert!(matches!(again, Err(Error::Exists)), "{again:?}");
    let nowhere = store.begin_vod(Vod { id: VodId::new(), channel: ChannelId::new(), ..vod.clone() }).await;
    assert!(matches!(nowhere, Err(Error::Missing)), "{nowhere:?}");
    assert_eq!(store.vod(vod.id).await.unwrap(), Some(vod.clone()));
    assert_eq!(store.vod(VodId::new()).await.unwrap(), None);

    let other = begun(store, &channel, NodeId::new()).await;
    let second = begun(store, &channel, node).await;
    assert_eq!(store.recording_on(node).await.unwrap(), [vod.clone(), second.clone()]);
    assert_eq!(store.recording_on(NodeId::new()).await.unwrap(), []);

    assert!(store.finish_vod(vod.id, ready(1_234)).await.unwrap());
    assert!(!store.finish_vod(vod.id, ready(9)).await.unwrap(), "it has ended");
    assert!(!store.finish_vod(VodId::new(), ready(9)).await.unwrap());
    let kept = Vod { state: State::Ready, duration_ms: 1_234, bytes: 11_106, ..vod.clone() };
    assert_eq!(store.vod(vod.id).await.unwrap(), Some(kept));
    assert_eq!(store.recording_on(node).await.unwrap(), *std::slice::from_ref(&second));
    let failed = Finish { state: State::Failed, note: "The disk is full.".into(), duration_ms: 0, bytes: 0 };
    assert!(store.finish_vod(second.id, failed).await.unwrap());
    let kept = store.vod(second.id).await.unwrap().unwrap();
    assert_eq!((kept.state, kept.note.as_str()), (State::Failed, "The disk is full."));
    assert_eq!(store.recording_on(node).await.unwrap(), []);

    assert!(store.delete_vod(other.id).await.unwrap(), "also while it is recorded");
    assert!(!store.delete_vod(other.id).await.unwrap());
    assert_eq!(store.recording_on(other.node).await.unwrap(), []);
    assert!(!store.finish_vod(other.id, ready(1)).await.unwrap(), "and it does not come back");
    assert_eq!(store.vod(other.id).await.unwrap(), None);
}

async fn recordings_come_newest_first_in_pages(store: &dyn Store) {
    let (channel, node) = (channel(store, "vod_pages").await, NodeId::new());
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(begun(store, &channel, node).await);
    }
    made.reverse();
    assert_eq!(store.vods_of(channel.id, None, 9).await.unwrap(), made);
    assert_eq!(store.vods_of(channel.id, None, 2).await.unwrap(), made[..2]);
    assert_eq!(store.vods_of(channel.id, Some(made[1].id), 2).await.unwrap(), made[2..4]);
    assert_eq!(store.vods_of(channel.id, Some(made[4].id), 2).await.unwrap(), []);
    store.delete_vod(made[1].id).await.unwrap();
    assert_eq!(store.vods_of(channel.id, Some(made[0].id), 1).await.unwrap(), made[2..3]);
    assert_eq!(store.vods_of(ChannelId::new(), None, 9).await.unwrap(), []);
}

async fn what_people_change_does_not_touch_the_recorder(store: &dyn Store) {
    let channel = channel(store, "vod_change").await;
    let vod = begun(store, &channel, NodeId::new()).await;
    let wanted = Vod {
        title: "밤 방송".into(),
        visibility: Visibility::Private,
        watch: WatchId::random(),
        started_at: now(),
        duration_ms: 7,
        ..vod.clone()
    };
    assert!(store.update_vod(wanted.clone()).await.unwrap());
    assert!(!store.update_vod(wanted.clone()).await.unwrap(), "somebody has changed it since");
    assert!(store.finish_vod(vod.id, ready(5)).await.unwrap(), "that is no change of its settings");
    let kept = store.vod(vod.id).await.unwrap().unwrap();
    assert_eq!((kept.title.as_str(), kept.visibility, kept.watch), ("밤 방송", Visibility::Private, wanted.watch));
    assert_eq!((kept.version, kept.started_at, kept.duration_ms), (2, vod.started_at, 5));
    assert!(!store.update_vod(Vod { id: VodId::new(), ..vod }).await.unwrap());
}

async fn recordings_go_with_their_channel(store: &dyn Store) {
    let owner = account(store, "vod_owner").await;
    let channel = store.channels_of(owner.id).await.unwrap().remove(0);
    let node = NodeId::new();
    let (one, two) = (begun(store, &channel, node).await, begun(store, &channel, node).await);
    store.finish_vod(one.id, ready(1)).await.unwrap();
    assert!(store.delete_account(owner.id).await.unwrap());
    for vod in [one, two] {
        assert_eq!(store.vod(vod.id).await.unwrap(), None);
    }
    assert_eq!(store.recording_on(node).await.unwrap(), []);
    assert_eq!(store.vods_of(channel.id, None, 9).await.unwrap(), []);
}
