//! Who may say and do what in a room. Facts and time come in; nothing is looked up here.

use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use jiff::Timestamp;
use weir_identity::AccountId;

use super::{
    event::{ClientId, Person, Role},
    log::{Limit, Terms},
    settings::Settings,
};

/// Shortest text that must be another where each must be: greetings may be repeated.
const UNIQUE_CHARS_MIN: usize = 9;
/// How long a node remembers a sentence that it was told of: longer than what is known of a speaker counts.
const SENTENCES_FOR: Duration = Duration::from_secs(300);
/// Most sentences that a room remembers. With more, what the store says counts, a moment later.
const SENTENCES_MAX: usize = 10_000;

/// Somebody who speaks, and what is known of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speaker {
    /// Who it is.
    pub person: Person,
    /// Banned, and until when.
    pub sentence: Option<Sentence>,
    /// Since when they follow the channel.
    pub follows_since: Option<Timestamp>,
}

/// A ban, or a timeout when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Sentence {
    /// Until when; for good without it.
    pub until: Option<Timestamp>,
}

/// Why something is not said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// For programs.
    pub code: &'static str,
    /// For people.
    pub text: String,
    /// When it may be tried again.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// A refusal that time does not change.
    #[must_use]
    pub fn new(code: &'static str, text: &str) -> Self {
        Self { code, text: text.into(), retry_after: None }
    }

    /// A refusal for a while.
    #[must_use]
    pub fn for_now(code: &'static str, text: &str, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(code, text) }
    }
}

/// How much may be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Longest text, in characters.
    pub text_chars_max: usize,
    /// Messages of one viewer. Without it, any number.
    pub limit: Option<Limit>,
    /// Messages of one moderator.
    pub moderator_limit: Option<Limit>,
}

/// A room's rules at a node.
#[derive(Debug)]
pub struct Rules {
    bounds: Bounds,
    settings: Settings,
    /// The emotes that there are; none before that was looked up.
    emotes: HashSet<Box<str>>,
    /// What moderators decided a moment ago, newer than what is known of a speaker; `None` was lifted.
    sentences: HashMap<AccountId, (Timestamp, Option<Sentence>)>,
}

impl Rules {
    /// Rules under which everybody may say everything within `bounds`.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, settings: Settings::default(), emotes: HashSet::new(), sentences: HashMap::new() }
    }

    /// What moderators set.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Moderators set something else.
    pub fn set(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// There are these emotes.
    pub fn set_emotes(&mut self, codes: HashSet<Box<str>>) {
        self.emotes = codes;
    }

    /// Somebody is banned, or not any more.
    pub fn sentence(&mut self, account: AccountId, sentence: Option<Sentence>, now: Timestamp) {
        if self.sentences.len() >= SENTENCES_MAX {
            self.sentences.retain(|_, (at, _)| age(*at, now) < SENTENCES_FOR);
        }
        if self.sentences.len() < SENTENCES_MAX {
            self.sentences.insert(account, (now, sentence));
        }
    }

    /// On which terms `speaker` may say `text` at `now`.
    ///
    /// # Errors
    /// [`Refusal`], in words for the speaker.
    pub fn check(
        &self,
        speaker: &Speaker,
        once: Option<ClientId>,
        text: &str,
        now: Timestamp,
    ) -> Result<Terms, Refusal> {
        self.check_speaker(speaker, now)?;
        self.check_text(speaker, text)?;
        let free = speaker.person.role >= Role::Vip;
        let moderates = speaker.person.role >= Role::Moderator;
        let unique = self.settings.unique && !free && text.chars().count() >= UNIQUE_CHARS_MIN;
        Ok(Terms {
            by: Some(speaker.person.id),
            once,
            limit: if moderates { self.bounds.moderator_limit } else { self.bounds.limit },
            slow: self.settings.slow().filter(|_| !free),
            unique: unique.then(|| fingerprint(text)),
        })
    }

    fn check_speaker(&self, speaker: &Speaker, now: Timestamp) -> Result<(), Refusal> {
        let told = self.sentences.get(&speaker.person.id).filter(|(at, _)| age(*at, now) < SENTENCES_FOR);
        let sentence = told.map_or(speaker.sentence, |(_, sentence)| *sentence);
        match sentence {
            Some(Sentence { until: None }) => {
                return Err(Refusal::new("banned", "You are banned from this chat."));
            }
            Some(Sentence { until: Some(until) }) if until > now => {
                let left = Duration::try_from(until.duration_since(now)).unwrap_or_default();
                return Err(Refusal::for_now("timed_out", "You may not write in this chat for a while.", left));
            }
            _ => {}
        }
        if speaker.person.role >= Role::Vip {
            return Ok(());
        }
        if self.settings.members_only {
            return Err(Refusal::new("members_only", "This chat is for the channel's members."));
        }
        if let Some(seconds) = self.settings.followers_only {
            let needed = Duration::from_secs(seconds.into());
            let follows = speaker.follows_since.map(|since| age(since, now));
            match follows {
                None => return Err(Refusal::new("followers_only", "This chat is for the channel's followers.")),
                Some(age) if age < needed => {
                    let text = "This chat is for those who have followed the channel for longer.";
                    return Err(Refusal::for_now("followers_only", text, needed - age));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    fn check_text(&self, speaker: &Speaker, text: &str) -> Result<(), Refusal> {
        // A character has up to four bytes: what is far too long is not counted.
        let max = self.bounds.text_chars_max;
        if text.len() > max.saturating_mul(4) || text.chars().count() > max {
            return Err(Refusal::new("too_long", &format!("A message has up to {max} characters.")));
        }
        if text.chars().all(|c| c.is_whitespace() || c.is_control() || is_invisible(c)) {
            return Err(Refusal::new("empty", "There is nothing to read in this message."));
        }
        if text.chars().any(|c| c.is_control() && c != '\t') {
            return Err(Refusal::new("bad_text", "A message is one line of text."));
        }
        if speaker.person.role >= Role::Vip {
            return Ok(());
        }
        if self.settings.emote_only && !text.split_whitespace().all(|word| self.is_emotes(word)) {
            return Err(Refusal::new("emote_only", "Only emotes may be sent now."));
        }
        if self.settings.links_off && text.split_whitespace().any(is_link) {
            return Err(Refusal::new("links_off", "Links may not be sent here."));
        }
        Ok(())
    }

    /// `:code:` of emotes that there are, and pictures of Unicode, in any number.
    fn is_emotes(&self, word: &str) -> bool {
        let mut rest = word;
        while let Some(first) = rest.chars().next() {
            rest = match rest.strip_prefix(':') {
                Some(after) => match after.split_once(':') {
                    Some((code, after)) if self.emotes.contains(code) => after,
                    _ => return false,
                },
                None if is_picture(first) => rest.trim_start_matches(first),
                None => return false,
            };
        }
        true
    }
}

fn age(at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(at)).unwrap_or_default()
}

/// Shows nothing, and is not white space to Unicode.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{180b}'..='\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}')
}

/// Equal for texts that read the same.
fn fingerprint(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    for word in text.split_whitespace() {
        word.to_lowercase().hash(&mut hasher);
    }
    hasher.finish()
}

fn is_picture(c: char) -> bool {
    matches!(c, '\u{200d}' | '\u{fe0f}' | '\u{20e3}' | '\u{2190}'..='\u{21ff}' | '\u{2300}'..='\u{27bf}'
        | '\u{2900}'..='\u{297f}' | '\u{2b00}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}' | '\u{e0020}'..='\u{e007f}')
}

/// What browsers and people take for an address: a scheme, `www.`, or a name that ends like a domain.
fn is_link(word: &str) -> bool {
    let word = word.to_lowercase();
    if word.contains("://") || word.contains("www.") {
        return true;
    }
    let mut names = word.split(|c: char| !(c.is_alphanumeric() || c == '.' || c == '-'));
    names.any(|name| {
        name.trim_matches('.').rsplit_once('.').is_some_and(|(host, top)| {
            let is_host = host.rsplit('.').next().is_some_and(|label| !label.is_empty());
            is_host && top.chars().count() >= 2 && top.chars().all(char::is_alphabetic)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_second(1_790_000_000).unwrap()
    }

    fn speaker(role: Role) -> Speaker {
        let person = Person {
            id: AccountId::from_bytes([1; 16]),
            name: "anna".parse().unwrap(),
            display_name: String::new(),
            role,
        };
        Speaker { person, sentence: None, follows_since: None }
    }

    fn rules(settings: Settings) -> Rules {
        let limit = |count| Some(Limit { count, within: Duration::from_secs(30) });
        let mut rules = Rules::new(Bounds { text_chars_max: 10, limit: limit(20), moderator_limit: limit(100) });
        rules.set(settings);
        rules
    }

    #[track_caller]
    fn check(settings: &Settings, role: Role, text: &str, code: &str) {
        let checked = rules(settings.clone()).check(&speaker(role), None, text, now());
        assert_eq!(checked.err().map_or("", |refusal| refusal.code), code, "{text:?} {role:?} {settings:?}");
    }

    #[test]
    fn a_text_is_one_line_that_can_be_read() {
        let none = Settings::default();
        check(&none, Role::Viewer, "hello", "");
        check(&none, Role::Viewer, "안녕하세요 여러분", "");
        check(&none, Role::Viewer, "0123456789", "");
        check(&none, Role::Owner, "0123456789a", "too_long");
        check(&none, Role::Viewer, &"a".repeat(1 << 20), "too_long");
        for text in ["", "  ", "\u{200b}\u{feff}", "\u{3164}", "\u{2800} "] {
            check(&none, Role::Viewer, text, "empty");
        }
        check(&none, Role::Viewer, "a\nb", "bad_text");
        check(&none, Role::Viewer, "a\u{0}b", "bad_text");
    }

    #[test]
    fn settings_hold_viewers_back_and_nobody_else() {
        let members = Settings { members_only: true, ..Settings::default() };
        check(&members, Role::Viewer, "hello", "members_only");
        check(&members, Role::Vip, "hello", "");
        let emotes = Settings { emote_only: true, ..Settings::default() };
        check(&emotes, Role::Viewer, "😀👍🏽 😀", "");
        check(&emotes, Role::Viewer, ":hi: you", "emote_only");
        check(&emotes, Role::Moderator, "quiet", "");
        let links = Settings { links_off: true, ..Settings::default() };
        for text in ["http://a", "a.co", "(evil.com)", "WWW.x", "см.рф", "x.io/y"] {
            check(&links, Role::Viewer, text, "links_off");
        }
        for text in ["hi... you", "3.14", "end.", "e.g.", "1.2.3", "no. yes", "a . b"] {
            check(&links, Role::Viewer, text, "");
        }
        check(&links, Role::Vip, "a.co", "");
    }

    #[test]
    fn only_emotes_that_there_are_pass_where_only_emotes_may() {
        let mut rules = rules(Settings { emote_only: true, ..Settings::default() });
        let passes = |rules: &Rules, text: &str| rules.check(&speaker(Role::Viewer), None, text, now()).is_ok();
        assert!(!passes(&rules, ":hi:"), "which there are is not known yet");
        rules.set_emotes(["hi", "Yo_2"].map(Box::from).into());
        for text in [":hi:", ":hi::Yo_2:", "😀:hi:👍🏽", ":hi: ❤️", "😀😀"] {
            assert!(passes(&rules, text), "{text}");
        }
        for text in [":any:", ":HI:", ":hi", "hi:", "::", ":hi:x", ":h i:", ":hi: x", "a😀"] {
            assert!(!passes(&rules, text), "{text}");
        }
    }

    #[test]
    fn followers_must_have_followed_for_long_enough() {
        let rules = rules(Settings { followers_only: Some(600), ..Settings::default() });
        let follows = |seconds: i64| Speaker {
            follows_since: Some(Timestamp::from_second(1_790_000_000 - seconds).unwrap()),
            ..speaker(Role::Viewer)
        };
        assert!(rules.check(&follows(600), None, "hi", now()).is_ok());
        let early = rules.check(&follows(500), None, "hi", now()).unwrap_err();
        assert_eq!((early.code, early.retry_after), ("followers_only", Some(Duration::from_secs(100))));
        assert_eq!(rules.check(&speaker(Role::Viewer), None, "hi", now()).unwrap_err().code, "followers_only");
        assert!(rules.check(&speaker(Role::Vip), None, "hi", now()).is_ok());
    }

    #[test]
    fn who_is_banned_says_nothing_until_it_is_lifted() {
        let mut rules = rules(Settings::default());
        let code = |rules: &Rules, speaker: &Speaker| rules.check(speaker, None, "hi", now()).err().map(|why| why.code);
        let banned = Speaker { sentence: Some(Sentence { until: None }), ..speaker(Role::Moderator) };
        assert_eq!(code(&rules, &banned), Some("banned"));
        let id = banned.person.id;
        rules.sentence(id, None, now());
        assert_eq!(code(&rules, &banned), None, "lifted a moment ago");
        let until = now() + Duration::from_secs(5);
        rules.sentence(id, Some(Sentence { until: Some(until) }), now());
        assert_eq!(code(&rules, &speaker(Role::Viewer)), Some("timed_out"));
        let later = rules.check(&speaker(Role::Viewer), None, "hi", until);
        assert!(later.is_ok());
    }

    #[test]
    fn terms_are_those_of_the_role_and_the_settings() {
        let rules = rules(Settings { slow: 5, unique: true, ..Settings::default() });
        let viewer = rules.check(&speaker(Role::Viewer), None, "Hello  YOU", now()).unwrap();
        assert_eq!((viewer.limit.unwrap().count, viewer.slow), (20, Some(Duration::from_secs(5))));
        assert_eq!(viewer.unique, Some(fingerprint("hello you")));
        assert_eq!(rules.check(&speaker(Role::Viewer), None, "hi", now()).unwrap().unique, None);
        let moderator = rules.check(&speaker(Role::Moderator), None, "hello you", now()).unwrap();
        assert_eq!((moderator.limit.unwrap().count, moderator.slow, moderator.unique), (100, None, None));
    }
}
