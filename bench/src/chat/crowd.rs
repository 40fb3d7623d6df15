//! Everybody, in one thread: whoever has something to read is read, and what is due is said.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use super::{
    adapter::{Adapter, MARK_DIGITS},
    client::{Client, Over, Reading},
    poll::Poll,
    tally::Tally,
};
use crate::Failure;

/// Longest wait for something to read.
const WAIT_MAX: Duration = Duration::from_millis(100);
/// Longest that is read what lies in the kernel for those who did not read, megabytes each.
const LEFT_MAX: Duration = Duration::from_secs(15);
/// Between two looks at them.
const PAUSE: Duration = Duration::from_micros(200);

/// The crowd.
pub(crate) struct Crowd {
    reading: Reading,
    poll: Poll,
    clients: Vec<Option<Client>>,
    /// Who speaks, by number.
    speakers: Vec<usize>,
    /// Who does not read.
    stalled: Vec<Client>,
    tally: Tally,
    began: Instant,
    /// Between two messages, while there is talk.
    interval: Option<Duration>,
    due: Instant,
    number: u64,
    padding: String,
}

impl Crowd {
    /// A crowd that says messages of `bytes` each, as everybody gets them.
    pub(crate) fn new(adapter: Box<dyn Adapter>, bytes: usize) -> Result<Self, Failure> {
        let padding = bytes.saturating_sub(adapter.around() + "wb: ".len() + MARK_DIGITS);
        Ok(Self {
            reading: Reading::new(adapter),
            poll: Poll::new()?,
            clients: Vec::new(),
            speakers: Vec::new(),
            stalled: Vec::new(),
            tally: Tally::new(),
            began: Instant::now(),
            interval: None,
            due: Instant::now(),
            number: 0,
            // Words, so that filters have something to read.
            padding: "what a goal that was ".chars().cycle().take(padding).collect(),
        })
    }

    /// One more comes.
    pub(crate) fn enter(
        &mut self,
        address: SocketAddr,
        host: &str,
        room: usize,
        speaks: bool,
        reads: bool,
    ) -> Result<(), Failure> {
        let client = Client::connect(&mut self.reading, address, host, room, speaks, reads)?;
        if !reads {
            self.stalled.push(client);
            return Ok(());
        }
        let name = self.clients.len();
        self.poll.add(client.descriptor(), name)?;
        if speaks {
            self.speakers.push(name);
        }
        self.clients.push(Some(client));
        Ok(())
    }

    pub(crate) fn speakers(&self) -> usize {
        self.speakers.len()
    }

    /// Who is there, and reads.
    pub(crate) fn listeners(&self) -> usize {
        self.clients.iter().flatten().count()
    }

    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// From now on, so much is said each second.
    pub(crate) fn talk(&mut self, rate: f64) {
        self.interval = (rate > 0.0 && !self.speakers.is_empty()).then(|| Duration::from_secs_f64(1.0 / rate));
        self.due = Instant::now();
    }

    /// Nothing more is said.
    pub(crate) fn hush(&mut self) {
        self.interval = None;
    }

    /// What should leave in the time that begins now counts.
    pub(crate) fn measure(&mut self, window: Duration) {
        let now = self.moment(Instant::now());
        self.tally.window = now..now + window.as_micros() as u64;
    }

    /// Listens, and talks, until `end`.
    pub(crate) fn listen_until(&mut self, end: Instant) -> Result<(), Failure> {
        let mut ready = Vec::new();
        loop {
            let now = Instant::now();
            if now >= end {
                return Ok(());
            }
            self.say_what_is_due(now);
            let next = if self.interval.is_some() { self.due.min(end) } else { end };
            self.poll.wait(next.saturating_duration_since(now).min(WAIT_MAX), &mut ready)?;
            for name in &ready {
                self.read(*name);
            }
        }
    }

    /// Listens until everybody heard everything, or `end`.
    pub(crate) fn drain(&mut self, end: Instant) -> Result<(), Failure> {
        while Instant::now() < end {
            self.listen_until(end.min(Instant::now() + WAIT_MAX))?;
            let unanswered = self.speakers.iter().filter_map(|name| self.clients.get(*name)?.as_ref());
            let answered = unanswered.map(|client| client.unanswered.len()).sum::<usize>() == 0;
            if answered && self.tally.deliveries >= self.tally.taken * self.listeners() as u64 {
                break;
            }
        }
        Ok(())
    }

    /// Reads what lies for those who did not read. Gives how many the server has let go of.
    pub(crate) fn let_go(&mut self) -> usize {
        let mut nobody = Tally::new();
        let mut waiting = std::mem::take(&mut self.stalled);
        // One whose socket says no is read all the same, only slowly.
        waiting.iter().for_each(|client| _ = client.read_on());
        let (all, end) = (waiting.len(), Instant::now() + LEFT_MAX);
        while !waiting.is_empty() && Instant::now() < end {
            waiting
                .retain_mut(|client| !client.comes_back && client.read(&mut self.reading, &mut nobody, || 0).is_ok());
            std::thread::sleep(PAUSE);
        }
        all - waiting.len()
    }

    fn read(&mut self, name: usize) {
        let Some(Some(client)) = self.clients.get_mut(name) else { return };
        let began = self.began;
        let read = client.read(&mut self.reading, &mut self.tally, || began.elapsed().as_micros() as u64);
        self.keep(name, read);
    }

    fn say_what_is_due(&mut self, now: Instant) {
        let Some(interval) = self.interval else { return };
        while self.due <= now {
            let moment = self.moment(self.due);
            self.due += interval;
            let name = self.speakers[self.number as usize % self.speakers.len()];
            self.number += 1;
            self.tally.said += u64::from(self.tally.window.contains(&moment));
            let text = format!("wb:{moment:0MARK_DIGITS$} {}", self.padding);
            if let Some(Some(client)) = self.clients.get_mut(name) {
                let said = client.say(&self.reading, self.number, &text, moment);
                self.keep(name, said);
            }
        }
        for at in 0..self.speakers.len() {
            let name = self.speakers[at];
            if let Some(Some(client)) = self.clients.get_mut(name) {
                let flushed = client.flush();
                self.keep(name, flushed);
            }
        }
    }

    /// Lets go of a connection that is over.
    fn keep(&mut self, name: usize, result: Result<(), Over>) {
        if let Err(why) = result {
            let told = self.clients[name].take().is_some_and(|client| client.comes_back);
            self.tally.failed(if told { format!("told to come back, {why}") } else { why.to_string() });
        }
    }

    /// A moment as messages carry it.
    fn moment(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.began).as_micros() as u64
    }
}
