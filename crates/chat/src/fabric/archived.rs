//! A fabric whose rooms are kept for good: what is taken is handed to an [`Archive`], and a room of which the fabric
//! knows nothing begins with what the archive has.
//!
//! The node whose append was answered hands over what it appended, so each entry goes there once, whoever asked for it.
//! Of two nodes that begin a room at once, the fabric takes the beginning of one.

use std::{fmt, sync::Arc};

use weir_identity::ChannelId;

use super::{Answer, Done, Down, Entry, Event, Fabric, Opened, Signal, Sink};
use crate::{
    archive::{Archive, Beginning, Happened},
    room::log::{Taken, Terms},
};

/// The fabric.
pub struct Archived {
    fabric: Arc<dyn Fabric>,
    archive: Arc<dyn Archive>,
    /// Messages that a room begins with.
    messages: usize,
}

impl Archived {
    /// Rooms of `fabric`, kept in `archive`, that begin with the last `messages` messages.
    #[must_use]
    pub fn new(fabric: Arc<dyn Fabric>, archive: Arc<dyn Archive>, messages: usize) -> Self {
        Self { fabric, archive, messages }
    }

    /// A room that begins. One whose settings cannot be looked up does not: it may be for members only.
    async fn begin(&self, room: ChannelId, opened: Opened) -> Result<Opened, Down> {
        let beginning = self.archive.beginning(room, self.messages).await?;
        if beginning.is_empty() {
            return Ok(opened);
        }
        if opened.alone {
            // The other nodes may know more of it: it is only shown how the room was, and is not theirs to take.
            let settings = beginning.settings.unwrap_or(opened.settings);
            return Ok(Opened { settings, pinned: opened.pinned.or(beginning.pinned), ..opened });
        }
        self.fabric.seed(room, beginning).await
    }
}

impl fmt::Debug for Archived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Archived").field(&self.fabric).field(&self.archive).finish()
    }
}

impl Fabric for Archived {
    fn open(&self, room: ChannelId, sink: Sink) -> Answer<'_, Result<Opened, Down>> {
        Box::pin(async move {
            let opened = self.fabric.open(room, sink).await?;
            if opened.head == 0 {
                return self.begin(room, opened).await;
            }
            self.archive.compare(room, &opened);
            Ok(opened)
        })
    }

    fn close(&self, room: ChannelId, sink: &Sink) {
        self.fabric.close(room, sink);
    }

    fn append(&self, room: ChannelId, event: Event, terms: Terms, done: Done) {
        let (archive, happened) = (self.archive.clone(), Happened::Event(event.clone(), terms.once.clone()));
        let done: Done = Box::new(move |taken| {
            done(taken);
            if let Ok(Taken::New(_)) = taken {
                archive.note(room, happened);
            }
        });
        self.fabric.append(room, event, terms, done);
    }

    fn signal(&self, room: ChannelId, signal: Signal) {
        match &signal {
            Signal::Settings(settings) => self.archive.note(room, Happened::Set(settings.clone())),
            Signal::Danmaku(comment) => self.archive.note(room, Happened::Comment(comment.clone())),
            _ => {}
        }
        self.fabric.signal(room, signal);
    }

    fn since<'a>(
        &'a self,
        room: ChannelId,
        epoch: &'a str,
        offset: u64,
        limit: usize,
    ) -> Answer<'a, Result<Option<Vec<Arc<Entry>>>, Down>> {
        self.fabric.since(room, epoch, offset, limit)
    }

    fn seed(&self, room: ChannelId, beginning: Beginning) -> Answer<'_, Result<Opened, Down>> {
        self.fabric.seed(room, beginning)
    }

    fn kept(&self, room: ChannelId) -> Answer<'_, Result<Vec<Arc<Entry>>, Down>> {
        self.fabric.kept(room)
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;
    use tokio::sync::oneshot;
    use weir_redis::Target;
    use weir_testkit::redis::Redis as Servers;

    use super::*;
    use crate::{
        fabric::{Delivery, Local, Redis},
        room::{ClientId, Settings, event::tests::said},
    };

    /// Notes in words what it is handed, and has a beginning for every room.
    #[derive(Debug, Default)]
    struct Notes {
        heard: Mutex<Vec<String>>,
        beginning: Beginning,
        down: bool,
    }

    impl Archive for Notes {
        fn note(&self, _: ChannelId, happened: Happened) {
            self.heard.lock().push(match happened {
                Happened::Event(Event::Message(message), once) => {
                    format!("{} {}", message.text, once.as_ref().map_or("-", ClientId::as_str))
                }
                Happened::Event(..) => "event".into(),
                Happened::Comment(comment) => format!("over the picture: {}", comment.text),
                Happened::Set(settings) => format!("slow {}", settings.slow),
            });
        }

        fn compare(&self, _: ChannelId, opened: &Opened) {
            self.heard.lock().push(format!("opened {}", opened.head));
        }

        fn beginning(&self, _: ChannelId, messages: usize) -> Answer<'_, Result<Beginning, Down>> {
            assert_eq!(messages, 9);
            let beginning = if self.down { Err(Down) } else { Ok(self.beginning.clone()) };
            Box::pin(std::future::ready(beginning))
        }
    }

    fn begun(texts: &[&str]) -> Beginning {
        let message = |text: &&str| match said("anna", text) {
            Event::Message(message) => (message, ClientId::parse(text)),
            _ => unreachable!(),
        };
        let messages: Vec<_> = texts.iter().map(message).collect();
        let pinned = messages.first().map(|(message, _)| message.clone());
        Beginning { messages, settings: Some(Settings { slow: 7, ..Settings::default() }), pinned }
    }

    fn over(local: &Arc<Local>, archive: Notes) -> (Archived, Arc<Notes>) {
        let archive = Arc::new(archive);
        (Archived::new(local.clone(), archive.clone(), 9), archive)
    }

    fn deaf() -> Sink {
        Arc::new(|_: Delivery| {})
    }

    async fn append(fabric: &Archived, room: ChannelId, event: Event, once: &str) -> Result<Taken, Down> {
        let by = match &event {
            Event::Message(message) => Some(message.user.id),
            _ => None,
        };
        let terms = Terms { by, once: ClientId::parse(once), ..Terms::default() };
        let (reply, taken) = oneshot::channel();
        fabric.append(room, event, terms, Box::new(move |taken| reply.send(taken).unwrap()));
        taken.await.unwrap()
    }

    #[tokio::test]
    async fn what_is_taken_is_handed_over_once() {
        let (fabric, notes) = over(&Arc::new(Local::new(100)), Notes::default());
        let room = ChannelId::new();
        fabric.open(room, deaf()).await.unwrap();
        let one = said("anna", "one");
        assert_eq!(append(&fabric, room, one.clone(), "a").await, Ok(Taken::New(1)));
        assert!(matches!(append(&fabric, room, one, "a").await, Ok(Taken::Again(..))));
        fabric.signal(room, Signal::Settings(Settings { slow: 3, ..Settings::default() }));
        fabric.signal(room, Signal::Presence { node: 1, count: 1 });
        fabric.open(room, deaf()).await.unwrap();
        assert_eq!(*notes.heard.lock(), ["one a", "slow 3", "opened 1"]);
    }

    #[tokio::test]
    async fn a_room_of_which_nothing_is_known_begins_with_what_was_kept() {
        let local = Arc::new(Local::new(100));
        let room = ChannelId::new();
        let first = begun(&["one", "two"]);
        let (fabric, _) = over(&local, Notes { beginning: first.clone(), ..Notes::default() });
        let opened = fabric.open(room, deaf()).await.unwrap();
        assert_eq!((opened.head, opened.recent.len(), opened.settings.slow), (2, 2, 7));
        assert_eq!(opened.pinned, first.pinned);
        assert!(matches!(append(&fabric, room, said("anna", "two"), "two").await, Ok(Taken::Again(2, _))));
        assert_eq!(append(&fabric, room, said("anna", "three"), "3").await, Ok(Taken::New(3)));
        let (late, _) = over(&local, Notes { beginning: begun(&["four"]), ..Notes::default() });
        assert_eq!(late.open(room, deaf()).await.unwrap().head, 3, "it has begun");
    }

    #[tokio::test]
    async fn of_two_that_begin_a_room_one_does_and_the_other_hears_of_it() {
        let local = Arc::new(Local::new(100));
        let room = ChannelId::new();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ear = heard.clone();
        let sink: Sink = Arc::new(move |delivery| {
            if let Delivery::Entry(entry) = delivery {
                ear.lock().push(entry.offset);
            }
        });
        local.open(room, sink).await.unwrap();
        let one = local.seed(room, begun(&["one", "two"])).await.unwrap();
        let other = local.seed(room, begun(&["three"])).await.unwrap();
        assert_eq!((one.head, other.head, &other.recent), (2, 2, &one.recent));
        assert_eq!(*heard.lock(), [1, 2]);
    }

    #[tokio::test]
    async fn of_two_nodes_that_begin_a_room_on_redis_one_does() {
        let servers = Servers::single();
        let target = Target::parse(servers.url()).unwrap();
        let nodes = [Redis::new(target.clone(), 100), Redis::new(target, 100)];
        let room = loop {
            let room = ChannelId::new();
            let opened = futures::future::join_all(nodes.iter().map(|node| node.open(room, deaf()))).await;
            if opened.iter().all(|opened| opened.as_ref().is_ok_and(|opened| !opened.alone && opened.head == 0)) {
                break room;
            }
        };
        let texts = [&["one", "two"][..], &["three"]];
        let seeds = nodes.iter().zip(texts).map(|(node, texts)| node.seed(room, begun(texts)));
        let opened = futures::future::try_join_all(seeds).await.unwrap();
        assert_eq!((&opened[0].recent, opened[0].head), (&opened[1].recent, opened[1].head));
        assert!(matches!(opened[0].head, 1 | 2));
        for (node, opened) in nodes.iter().zip(&opened) {
            assert_eq!((opened.settings.slow, opened.pinned.is_some()), (7, true));
            assert_eq!(node.kept(room).await.unwrap(), opened.recent);
            let later = node.open(room, deaf()).await.unwrap();
            assert_eq!((later.head, &later.pinned), (opened.head, &opened.pinned));
        }
        let node = nodes.into_iter().next().unwrap();
        let fabric = Archived::new(Arc::new(node), Arc::new(Notes::default()), 9);
        let Event::Message(first) = &opened[0].recent[0].event else { unreachable!() };
        let again = append(&fabric, room, opened[0].recent[0].event.clone(), &first.text).await;
        assert!(matches!(again, Ok(Taken::Again(1, id)) if id == first.id), "{again:?}");
        servers.pause(1);
        let alone = loop {
            let opened = fabric.open(room, deaf()).await.unwrap();
            if opened.alone {
                break opened;
            }
        };
        assert_eq!((alone.settings.slow, alone.pinned.is_some()), (7, true), "a node remembers how it began");
    }

    #[tokio::test]
    async fn settings_that_were_made_meanwhile_stay() {
        let local = Arc::new(Local::new(100));
        let room = ChannelId::new();
        local.signal(room, Signal::Settings(Settings::default()));
        let settings = begun(&[]);
        assert_eq!(local.seed(room, settings.clone()).await.unwrap().settings, Settings::default());
        assert_eq!(local.seed(ChannelId::new(), settings).await.unwrap().settings.slow, 7);
    }

    #[tokio::test]
    async fn a_room_whose_settings_cannot_be_looked_up_does_not_begin() {
        let (fabric, _) = over(&Arc::new(Local::new(100)), Notes { down: true, ..Notes::default() });
        assert!(fabric.open(ChannelId::new(), deaf()).await.is_err());
    }
}
