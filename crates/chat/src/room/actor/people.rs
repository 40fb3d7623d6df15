//! Who is there, by name, asked in rooms that are small enough for it.
//!
//! Nodes name the people of a room only when somebody asks, and then to all nodes, so that others who ask within
//! [`BELIEVED`] are answered from that. An answer waits for the other nodes, but not for long.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use ractor::ActorRef;
use tokio::time::Instant;
use weir_identity::AccountId;

use super::{Msg, State};
use crate::{fabric::Signal, room::Person, socket::desk::Asked, wire::outbound::Said};

/// Most people that are named; a room with more is only counted.
pub(crate) const NAMED_MAX: usize = 200;
/// Most connections of a node among which people are looked for.
const CONNECTIONS_MAX: usize = 2_000;
/// How long the names that another node told are believed.
const BELIEVED: Duration = Duration::from_secs(3);
/// How long other nodes are waited for.
const WAIT_MAX: Duration = Duration::from_millis(500);
/// Most who wait for an answer; others get what is known.
const WAITING_MAX: usize = 256;
/// How often this node names its people to others.
const NAMED_EVERY: Duration = Duration::from_secs(1);
/// Most nodes whose people are remembered.
const NODES_MAX: usize = 1_000;

/// What is known of who is there on other nodes, and who wants to know it.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    /// Nobody is named of a node that has too many.
    others: HashMap<u64, (Instant, Option<Vec<Person>>)>,
    waiting: Vec<Asked>,
    /// When this node last named its people.
    named: Option<Instant>,
}

impl State {
    /// Somebody wants to know who is there.
    pub(super) fn viewers(&mut self, me: &ActorRef<Msg>, asked: Asked) {
        if !self.lacks_names() || self.crowd.waiting.len() >= WAITING_MAX {
            return asked.answer(&self.who());
        }
        if self.crowd.waiting.is_empty() {
            self.signal(Signal::WhoIsThere { node: self.arguments.node });
            me.send_after(WAIT_MAX, || Msg::AnswerViewers);
        }
        self.crowd.waiting.push(asked);
    }

    /// Another node wants to know who is there.
    pub(super) fn name_people(&mut self, asks: u64) {
        let lately = self.crowd.named.is_some_and(|at| at.elapsed() < NAMED_EVERY);
        if asks != self.arguments.node && !lately {
            self.crowd.named = Some(Instant::now());
            self.signal(Signal::People { node: self.arguments.node, people: self.people_here() });
        }
    }

    /// Another node names its people.
    pub(super) fn others_named(&mut self, node: u64, people: Option<Vec<Person>>) {
        let others = &mut self.crowd.others;
        if node == self.arguments.node || (others.len() >= NODES_MAX && !others.contains_key(&node)) {
            return;
        }
        let people = people.filter(|people| people.len() <= NAMED_MAX);
        others.insert(node, (Instant::now(), people));
        if !self.lacks_names() {
            self.answer_viewers();
        }
    }

    /// Answers whoever waits, with what is known.
    pub(super) fn answer_viewers(&mut self) {
        if self.crowd.waiting.is_empty() {
            return;
        }
        let who = self.who();
        for asked in self.crowd.waiting.drain(..) {
            asked.answer(&who);
        }
        self.crowd.others.retain(|_, (at, _)| at.elapsed() < BELIEVED);
    }

    /// Whether another node is there that has not named its people lately.
    fn lacks_names(&self) -> bool {
        let fresh = |node| self.crowd.others.get(node).is_some_and(|(at, _)| at.elapsed() < BELIEVED);
        // With too many here nobody is named anyway.
        self.people_here().is_some() && self.counts.keys().any(|node| !fresh(node))
    }

    fn who(&self) -> bytes::Bytes {
        let people = self.people_everywhere();
        Said::Viewers { count: self.present(), people: people.as_deref() }.json()
    }

    /// Everybody with an account, each once, whoever may do more first. `None` when they are too many.
    fn people_everywhere(&self) -> Option<Vec<Person>> {
        let mut all: BTreeMap<AccountId, Person> = BTreeMap::new();
        let lists = self.crowd.others.values().filter(|(at, _)| at.elapsed() < BELIEVED).map(|(_, people)| people);
        for people in lists {
            all.extend(people.as_ref()?.iter().map(|person| (person.id, person.clone())));
        }
        // Here it is known best.
        all.extend(self.people_here()?.into_iter().map(|person| (person.id, person)));
        if all.len() > NAMED_MAX {
            return None;
        }
        let mut all: Vec<Person> = all.into_values().collect();
        all.sort_by(|one, other| other.role.cmp(&one.role).then_with(|| one.name.cmp(&other.name)));
        Some(all)
    }

    /// Everybody with an account on this node, each once. `None` when they are too many.
    fn people_here(&self) -> Option<Vec<Person>> {
        if self.arguments.outlet.count() > CONNECTIONS_MAX {
            return None;
        }
        let mut here: HashMap<AccountId, Person> = HashMap::new();
        self.arguments.outlet.each_desk(|desk| {
            if let Some(person) = desk.person() {
                here.insert(person.id, person);
            }
        });
        (here.len() <= NAMED_MAX).then(|| here.into_values().collect())
    }
}
