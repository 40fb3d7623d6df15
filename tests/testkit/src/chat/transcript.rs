//! What a client of chat was told, and whether all clients of a room were told the same. A value.
//!
//! Texts of a room are told apart by their words: whoever tests says nothing twice.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
};

use serde_json::Value;

/// What one client was told, over all its connections.
#[derive(Debug, Clone, Default)]
pub struct Transcript {
    name: String,
    epoch: String,
    /// The offset that must come next. `None`: a fresh page begins.
    next: Option<u64>,
    /// Up to where a fresh page goes.
    page_until: u64,
    /// What the client shows now: from the first offset on, all that there is.
    shown: BTreeMap<u64, Entry>,
    shown_from: u64,
    /// Everything that it was ever told: where, and what.
    told: Vec<(String, u64, Entry)>,
    /// What it said, by its own names for that, and what of it was acknowledged.
    said: HashMap<String, String>,
    acknowledged: BTreeSet<String>,
    faults: Vec<Fault>,
}

/// An entry as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    kind: String,
    id: String,
    text: String,
}

/// What must not be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// An offset came that does not follow the one before.
    Order {
        /// Who was told so.
        client: String,
        /// In this epoch.
        epoch: String,
        /// This should have come.
        expected: u64,
        /// This came.
        came: u64,
    },
    /// Two clients were told different things of one place.
    Differs {
        /// In this epoch.
        epoch: String,
        /// There.
        offset: u64,
    },
    /// A text stands at two places.
    Twice {
        /// In this epoch.
        epoch: String,
        /// This one.
        text: String,
    },
    /// A text was acknowledged, and a client that must have it does not.
    Missing {
        /// Who; nobody has it when this is empty.
        client: String,
        /// This one.
        text: String,
    },
    /// In the end a client is not where the others are.
    Apart {
        /// Who.
        client: String,
        /// In this epoch.
        epoch: String,
        /// Here.
        head: u64,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl Transcript {
    /// Of a client that has joined nothing yet.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Whose it is.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it goes on: the epoch, and the last offset that it has.
    #[must_use]
    pub fn place(&self) -> Option<(&str, u64)> {
        let head = self.head()?;
        (!self.epoch.is_empty()).then_some((&*self.epoch, head))
    }

    /// The last offset that it has.
    #[must_use]
    pub fn head(&self) -> Option<u64> {
        self.next.map(|next| next - 1)
    }

    /// How many of its texts were acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.len()
    }

    /// It says something, and calls it so.
    pub fn says(&mut self, id: &str, text: &str) {
        self.said.insert(id.to_owned(), text.to_owned());
    }

    /// It is told this.
    pub fn hear(&mut self, frame: &Value) {
        let text = |name: &str| frame[name].as_str().unwrap_or_default().to_owned();
        let offset = frame["offset"].as_u64();
        match (frame["type"].as_str().unwrap_or_default(), offset) {
            ("joined", Some(offset)) => {
                let recovered = frame["recovered"] == true;
                self.epoch = text("epoch");
                // What was missed follows what is there.
                if !recovered || self.next.is_none() {
                    self.begin_page(offset);
                }
            }
            ("epoch", Some(offset)) => {
                self.epoch = text("epoch");
                match frame["since"].as_u64() {
                    Some(since) => {
                        self.shown.split_off(&(since + 1));
                        self.next = Some(since + 1);
                    }
                    None => self.begin_page(offset),
                }
            }
            ("ack", Some(_)) => {
                if let Some(said) = self.said.get(&text("id")) {
                    self.acknowledged.insert(said.clone());
                }
            }
            (kind, Some(offset)) => {
                self.entry(offset, Entry { kind: kind.to_owned(), id: text("id"), text: text("text") });
            }
            _ => {}
        }
    }

    /// Nothing that was shown is. An empty page leaves the client at its end.
    fn begin_page(&mut self, until: u64) {
        self.shown.clear();
        (self.page_until, self.shown_from) = (until, until + 1);
        self.next = Some(until + 1);
    }

    fn entry(&mut self, offset: u64, entry: Entry) {
        if self.shown.is_empty() && offset <= self.page_until && self.next == Some(self.page_until + 1) {
            // The first of a fresh page.
            (self.next, self.shown_from) = (Some(offset), offset);
        }
        let expected = self.next.unwrap_or(offset);
        if offset != expected {
            let (client, epoch) = (self.name.clone(), self.epoch.clone());
            self.faults.push(Fault::Order { client, epoch, expected, came: offset });
        }
        self.next = Some(offset + 1);
        self.told.push((self.epoch.clone(), offset, entry.clone()));
        self.shown.insert(offset, entry);
    }
}

/// Whether these were in one room that kept its promises: in every epoch offsets grow by one and stand for the same
/// everywhere, no text is there twice, everybody ends at the same place and shows everything that was acknowledged, as far
/// back as they were there without a break.
#[must_use]
pub fn check(transcripts: &[Transcript]) -> Vec<Fault> {
    let mut faults: BTreeSet<Fault> = transcripts.iter().flat_map(|one| one.faults.iter().cloned()).collect();
    let mut places: HashMap<(&str, u64), &Entry> = HashMap::new();
    let mut texts: HashMap<(&str, &str), u64> = HashMap::new();
    for (epoch, offset, entry) in transcripts.iter().flat_map(|one| &one.told) {
        if places.insert((epoch, *offset), entry).is_some_and(|known| known != entry) {
            faults.insert(Fault::Differs { epoch: epoch.clone(), offset: *offset });
        }
        let is_twice =
            !entry.text.is_empty() && texts.insert((epoch, &entry.text), *offset).is_some_and(|known| known != *offset);
        if is_twice {
            faults.insert(Fault::Twice { epoch: epoch.clone(), text: entry.text.clone() });
        }
    }
    // Where most end is where all should.
    let mut ends: HashMap<Option<(&str, u64)>, usize> = HashMap::new();
    for one in transcripts {
        *ends.entry(one.place()).or_default() += 1;
    }
    let end = ends.into_iter().max_by_key(|(place, count)| (*count, *place)).and_then(|(place, _)| place);
    let mut stands: HashMap<&str, u64> = HashMap::new();
    for one in transcripts {
        if one.place() == end {
            stands.extend(one.shown.iter().map(|(offset, entry)| (&*entry.text, *offset)));
        } else {
            let head = one.head().unwrap_or(0);
            faults.insert(Fault::Apart { client: one.name.clone(), epoch: one.epoch.clone(), head });
        }
    }
    let acknowledged: BTreeSet<&String> = transcripts.iter().flat_map(|one| &one.acknowledged).collect();
    for text in acknowledged {
        let Some(offset) = stands.get(&**text) else {
            faults.insert(Fault::Missing { client: String::new(), text: text.clone() });
            continue;
        };
        for one in transcripts.iter().filter(|one| one.shown_from <= *offset) {
            if one.shown.get(offset).is_none_or(|entry| entry.text != *text) {
                faults.insert(Fault::Missing { client: one.name.clone(), text: text.clone() });
            }
        }
    }
    faults.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn joined(epoch: &str, offset: u64, recovered: bool) -> Value {
        json!({"type": "joined", "epoch": epoch, "offset": offset, "recovered": recovered})
    }

    fn message(offset: u64, text: &str) -> Value {
        json!({"type": "message", "offset": offset, "id": format!("id of {text}"), "text": text})
    }

    fn moved(epoch: &str, since: Option<u64>, offset: u64) -> Value {
        json!({"type": "epoch", "epoch": epoch, "since": since, "offset": offset})
    }

    fn transcript(name: &str, frames: &[Value]) -> Transcript {
        let mut transcript = Transcript::new(name);
        for (id, text) in [("1", "one"), ("2", "two"), ("3", "three")] {
            transcript.says(id, text);
        }
        frames.iter().for_each(|frame| transcript.hear(frame));
        transcript
    }

    /// One that was always there, who said two of three, and another.
    #[track_caller]
    fn faults(other: &[Value], expected: &[&str]) {
        let ack = |id| json!({"type": "ack", "id": id, "offset": 1});
        let frames =
            [joined("e", 0, false), message(1, "one"), message(2, "two"), message(3, "three"), ack("1"), ack("3")];
        let faults = check(&[transcript("whole", &frames), transcript("other", other), transcript("third", &frames)]);
        let faults: Vec<String> = faults.iter().map(|fault| fault.to_string().replace(['"', '\\'], "")).collect();
        assert_eq!(faults, expected);
    }

    #[test]
    fn who_was_there_came_back_or_came_late_has_what_the_others_have() {
        let all = [message(1, "one"), message(2, "two"), message(3, "three")];
        let [one, two, three] = &all;
        faults(&[&[joined("e", 0, false)][..], &all].concat(), &[]);
        faults(&[joined("e", 1, false), one.clone(), two.clone(), three.clone()], &[]);
        faults(&[joined("e", 3, false), three.clone()], &[]);
        faults(&[joined("e", 3, false)], &[]);
        faults(&[joined("e", 0, false), one.clone(), joined("e", 3, true), two.clone(), three.clone()], &[]);
        faults(&[joined("e", 0, false), one.clone(), joined("e", 3, false), two.clone(), three.clone()], &[]);
    }

    #[test]
    fn an_epoch_begins_where_the_one_before_is_the_same() {
        let (one, two, three) = (message(1, "one"), message(2, "two"), message(3, "three"));
        let alone = moved("alone", Some(1), 1);
        let meanwhile = message(2, "three");
        let back = moved("e", Some(1), 3);
        faults(
            &[joined("e", 0, false), one.clone(), alone.clone(), meanwhile.clone(), back, two.clone(), three.clone()],
            &[],
        );
        faults(&[joined("x", 7, false), message(7, "one"), moved("e", None, 3), two, three], &[]);
        let apart = "Apart { client: other, epoch: alone, head: 2 }";
        let missing = "Missing { client: other, text: three }";
        faults(&[joined("e", 0, false), one, alone, meanwhile], &[missing, apart]);
    }

    #[test]
    fn whatever_is_wrong_is_found() {
        let (one, two, three) = (message(1, "one"), message(2, "two"), message(3, "three"));
        let begin = joined("e", 0, false);
        let order = |expected, came| format!("Order {{ client: other, epoch: e, expected: {expected}, came: {came} }}");
        // One is lost.
        faults(&[begin.clone(), two.clone(), three.clone()], &[&order(1, 2), "Missing { client: other, text: one }"]);
        // One comes twice.
        let twice = [begin.clone(), one.clone(), one.clone(), two.clone(), three.clone()];
        faults(&twice, &[&order(2, 1)]);
        // Two have changed places.
        let swapped = [begin.clone(), one.clone(), message(2, "three"), message(3, "two")];
        let (second, third) = ("Differs { epoch: e, offset: 2 }", "Differs { epoch: e, offset: 3 }");
        let (two_twice, three_twice) = ("Twice { epoch: e, text: two }", "Twice { epoch: e, text: three }");
        faults(&swapped, &[second, third, three_twice, two_twice, "Missing { client: other, text: three }"]);
        // One was said a second time, for everybody.
        let again = [begin.clone(), one.clone(), two.clone(), three.clone(), message(4, "one")];
        let apart = "Apart { client: other, epoch: e, head: 4 }";
        faults(&again, &["Twice { epoch: e, text: one }", apart]);
        // The end is missing.
        let apart = "Apart { client: other, epoch: e, head: 2 }";
        faults(&[begin.clone(), one, two], &["Missing { client: other, text: three }", apart]);
        // What was acknowledged was never told to anybody.
        let mut liar = transcript("liar", &[begin, json!({"type": "ack", "id": "2", "offset": 9})]);
        liar.says("9", "nine");
        assert_eq!(check(&[liar]), [Fault::Missing { client: String::new(), text: "two".into() }]);
    }
}
