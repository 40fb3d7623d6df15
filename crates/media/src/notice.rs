//! What a streamer should hear about a publish, in words.

use std::borrow::Cow;

use parking_lot::Mutex;

/// Notices that are kept of one publish: one a subject, and there are few subjects.
pub const NOTICES_MAX: usize = 16;

/// One thing that is worth telling the streamer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What it is about, such as `webrtc-b-frames`: stable, for programs.
    pub subject: &'static str,
    /// A sentence for the streamer.
    pub text: Cow<'static, str>,
}

/// The notices of one publish. A later one of the same subject replaces the earlier.
#[derive(Debug, Default)]
pub(crate) struct Notices(Mutex<Vec<Notice>>);

impl Notices {
    /// Adds or replaces. Whether it is news.
    pub(crate) fn set(&self, notice: Notice) -> bool {
        let mut notices = self.0.lock();
        let full = notices.len() >= NOTICES_MAX;
        match notices.iter_mut().find(|known| known.subject == notice.subject) {
            Some(known) if *known == notice => return false,
            Some(known) => *known = notice,
            None if full => return false,
            None => notices.push(notice),
        }
        true
    }

    /// It is over.
    pub(crate) fn clear(&self, subject: &str) {
        self.0.lock().retain(|notice| notice.subject != subject);
    }

    pub(crate) fn all(&self) -> Vec<Notice> {
        self.0.lock().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(subject: &'static str, text: &'static str) -> Notice {
        Notice { subject, text: text.into() }
    }

    #[test]
    fn there_is_one_a_subject_and_it_can_be_over() {
        let notices = Notices::default();
        assert!(notices.set(notice("b-frames", "one")));
        assert!(!notices.set(notice("b-frames", "one")), "no news");
        assert!(notices.set(notice("b-frames", "two")));
        assert!(notices.set(notice("sound", "three")));
        assert_eq!(notices.all(), [notice("b-frames", "two"), notice("sound", "three")]);
        notices.clear("b-frames");
        assert_eq!(notices.all(), [notice("sound", "three")]);
    }

    #[test]
    fn they_are_limited() {
        let notices = Notices::default();
        let subjects = "abcdefghijklmnopqrstuvwxyz";
        for at in 0..subjects.len() {
            notices.set(notice(&subjects[at..=at], "x"));
        }
        assert_eq!(notices.all().len(), NOTICES_MAX);
    }
}
