//! What all clients were told, checked: and rooms with a fault in them, each of which is found.

use weir_testkit::chat::transcript::{Fault, Transcript, check};

use super::*;
use crate::{
    archive::Beginning,
    fabric::{Delivery, Done, Down, Opened, Sink},
    room::{Entry, MessageId, log::Taken},
};

/// What a fabric does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Nothing,
    /// It takes a message and forgets it.
    Forgets,
    /// It takes a message twice.
    Doubles,
    /// It tells the second server the second message as the third, and the third as the second.
    Swaps,
}

#[derive(Debug)]
struct Faulty {
    fabric: Local,
    wrong: Wrong,
    opened: std::sync::atomic::AtomicUsize,
}

fn is(event: &Event, text: &str) -> bool {
    matches!(event, Event::Message(message) if message.text == text)
}

impl Fabric for Faulty {
    fn open(&self, room: ChannelId, sink: Sink) -> Answer<'_, Result<Opened, Down>> {
        let is_second = self.opened.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 1;
        if !is_second || self.wrong != Wrong::Swaps {
            return self.fabric.open(room, sink);
        }
        let place = |offset| match offset {
            2 => 3,
            3 => 2,
            other => other,
        };
        let swapping: Sink = Arc::new(move |delivery| {
            sink(match delivery {
                Delivery::Entry(entry) => {
                    Delivery::Entry(Arc::new(Entry::new(place(entry.offset), entry.event.clone())))
                }
                other => other,
            });
        });
        self.fabric.open(room, swapping)
    }

    fn close(&self, room: ChannelId, sink: &Sink) {
        self.fabric.close(room, sink);
    }

    fn append(&self, room: ChannelId, event: Event, terms: Terms, done: Done) {
        if self.wrong == Wrong::Forgets && is(&event, "2 of anna") {
            return done(Ok(Taken::New(1)));
        }
        if self.wrong == Wrong::Doubles
            && let Event::Message(message) = &event
            && is(&event, "2 of anna")
        {
            let again = Event::Message(crate::room::event::Message { id: MessageId::new(), ..message.clone() });
            self.fabric.append(room, again, Terms::default(), Box::new(|_| {}));
        }
        self.fabric.append(room, event, terms, done);
    }

    fn signal(&self, room: ChannelId, signal: Signal) {
        self.fabric.signal(room, signal);
    }

    fn seed(&self, room: ChannelId, beginning: Beginning) -> Answer<'_, Result<Opened, Down>> {
        self.fabric.seed(room, beginning)
    }

    fn kept(&self, room: ChannelId) -> Answer<'_, Result<Vec<Arc<Entry>>, Down>> {
        self.fabric.kept(room)
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
}

struct Told {
    client: Client,
    transcript: Transcript,
}

impl Told {
    async fn join(server: &Server, name: &str) -> Self {
        let (client, joined) = server.join(json!({"type": "join", "token": name})).await;
        let mut transcript = Transcript::new(name);
        transcript.hear(&joined);
        Self { client, transcript }
    }

    /// Hears everything up to the frame of that type.
    async fn until(&mut self, kind: &str) {
        loop {
            let frame = self.client.next().await;
            self.transcript.hear(&frame);
            if frame["type"] == kind {
                return;
            }
        }
    }
}

/// Two servers over a fabric, a client of each that speaks, and one more. What is wrong with what they were told.
async fn faults(wrong: Wrong) -> Vec<Fault> {
    let fabric = Arc::new(Faulty { fabric: Local::new(100), wrong, opened: Default::default() });
    let servers =
        [Server::over(fabric.clone(), Config::default()).await, Server::over(fabric, Config::default()).await];
    let mut people = vec![Told::join(&servers[0], "anna").await, Told::join(&servers[1], "berta").await];
    for number in 1..=5 {
        for name in ["anna", "berta"] {
            let who = people.iter_mut().find(|told| told.transcript.name() == name).unwrap();
            let (id, text) = (number.to_string(), format!("{number} of {name}"));
            who.transcript.says(&id, &text);
            who.client.say(&id, &text).await;
            who.until("ack").await;
        }
    }
    people.push(Told::join(&servers[1], "carl").await);
    for told in &mut people {
        told.client.send(json!({"type": "ping"})).await;
        told.until("pong").await;
    }
    let transcripts: Vec<_> = people.into_iter().map(|told| told.transcript).collect();
    check(&transcripts)
}

#[tokio::test(start_paused = true)]
async fn a_room_without_a_fault_passes() {
    assert_eq!(faults(Wrong::Nothing).await, []);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_acknowledged_and_forgotten_is_missed() {
    assert_eq!(faults(Wrong::Forgets).await, [Fault::Missing { client: String::new(), text: "2 of anna".into() }]);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_stands_twice_is_found() {
    let found = faults(Wrong::Doubles).await;
    assert!(matches!(&found[..], [Fault::Twice { text, .. }] if text == "2 of anna"), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn another_order_on_another_server_is_found() {
    let found = faults(Wrong::Swaps).await;
    let differs = |at: u64| found.iter().any(|fault| matches!(fault, Fault::Differs { offset, .. } if *offset == at));
    assert!(differs(2) && differs(3), "{found:?}");
}
