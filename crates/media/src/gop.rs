//! What a late listener needs to begin at once: everything since the last keyframe.

use std::collections::VecDeque;

use crate::frame::TrackId;

/// Most bytes that are kept of one publish: 4 s at 8 Mbit/s. Longer groups of pictures are not worth their memory, nor
/// the time it would take to send them to who comes late.
pub const GOP_BYTES_MAX: usize = 4 << 20;
/// Most frames that are kept of one publish, of all tracks together: 10 s at 60 fps with 48 kHz Opus beside it, and a
/// second layer.
pub const GOP_FRAMES_MAX: usize = 2_000;

/// What is known of one kept item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// Its track.
    pub track: TrackId,
    /// Whether it is a picture.
    pub video: bool,
    /// Decodable without any earlier one. Sound's says nothing here.
    pub keyframe: bool,
    /// What it weighs, in bytes.
    pub bytes: usize,
}

/// Per video track everything from its last keyframe on, and the sound beside it, in the order in which it came.
///
/// Nothing is kept of a video track before its first keyframe, nor of sound while there are no pictures: sound can be
/// begun anywhere. What would be more than [`GOP_BYTES_MAX`] or [`GOP_FRAMES_MAX`] is forgotten, and begun again with
/// the next keyframe.
#[derive(Debug, Clone)]
pub struct Gop<T> {
    kept: VecDeque<(Unit, T)>,
    /// Video tracks of which a keyframe and all that followed is kept.
    whole: Vec<TrackId>,
    bytes: usize,
}

impl<T> Default for Gop<T> {
    fn default() -> Self {
        Self { kept: VecDeque::new(), whole: Vec::new(), bytes: 0 }
    }
}

impl<T> Gop<T> {
    /// Takes the next item.
    pub fn push(&mut self, unit: Unit, item: T) {
        if unit.video && unit.keyframe {
            self.forget(unit.track);
            self.whole.push(unit.track);
        } else if unit.video && !self.whole.contains(&unit.track) || !unit.video && self.whole.is_empty() {
            return;
        }
        self.bytes += unit.bytes;
        self.kept.push_back((unit, item));
        if self.bytes > GOP_BYTES_MAX || self.kept.len() > GOP_FRAMES_MAX {
            self.clear();
        }
    }

    /// Keeps nothing of a video track before its next keyframe, nor sound from before the pictures that are left.
    pub fn forget(&mut self, track: TrackId) {
        self.whole.retain(|whole| *whole != track);
        self.kept.retain(|(unit, _)| unit.track != track);
        while self.kept.front().is_some_and(|(unit, _)| !unit.video) {
            self.kept.pop_front();
        }
        self.bytes = self.kept.iter().map(|(unit, _)| unit.bytes).sum();
    }

    /// Keeps nothing before the next keyframe, and gives its memory back.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// What is kept, oldest first. The first is a keyframe, if there is one.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.kept.iter().map(|(_, item)| item)
    }

    /// How many items are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether nothing is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// What is kept, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pushes words: `V0` a keyframe of track 0, `v2` another picture of track 2, `a` sound; and gives what is kept.
    fn kept(words: &str) -> String {
        let mut gop = Gop::default();
        for word in words.split_whitespace() {
            push(&mut gop, word, 1);
        }
        assert_eq!(gop.bytes(), gop.len());
        gop.iter().copied().collect::<Vec<_>>().join(" ")
    }

    fn push<'a>(gop: &mut Gop<&'a str>, word: &'a str, bytes: usize) {
        let (letter, rest) = word.split_at(1);
        let video = letter != "a";
        let track = if video { TrackId(rest[..1].parse().unwrap()) } else { TrackId::AUDIO };
        gop.push(Unit { track, video, keyframe: letter == "V", bytes }, word);
    }

    fn check(words: &str, expected: &str) {
        assert_eq!(kept(words), expected, "{words}");
    }

    #[test]
    fn it_begins_with_the_last_keyframe() {
        check("", "");
        check("v0 a1 v0", "");
        check("a1 V0 v0 a2 v0", "V0 v0 a2 v0");
        check("V0 v0 a1 V0x v0x a2", "V0x v0x a2");
    }

    #[test]
    fn each_layer_begins_with_a_keyframe_of_its_own() {
        check("V0 V2 v0 v2 a1 V0x v0x v2x", "V2 v2 a1 V0x v0x v2x");
        check("V0 a1 V2 a2 V0x", "V2 a2 V0x");
        check("V0 v2 v0 V2", "V0 v0 V2");
    }

    #[test]
    fn a_forgotten_track_waits_for_its_next_keyframe() {
        let mut gop = Gop::default();
        for word in ["V0", "a1", "V2", "v0"] {
            push(&mut gop, word, 1);
        }
        gop.forget(TrackId(0));
        push(&mut gop, "v0", 1);
        assert_eq!(gop.iter().copied().collect::<Vec<_>>(), ["V2"]);
        gop.forget(TrackId(2));
        push(&mut gop, "a2", 1);
        assert!(gop.is_empty() && gop.bytes() == 0);
    }

    #[test]
    fn too_much_is_forgotten_until_the_next_keyframe() {
        let mut gop = Gop::default();
        push(&mut gop, "V0", GOP_BYTES_MAX - 1);
        push(&mut gop, "v0", 1);
        assert_eq!(gop.len(), 2);
        push(&mut gop, "v0", 1);
        push(&mut gop, "v0", 1);
        assert!(gop.is_empty() && gop.bytes() == 0);
        push(&mut gop, "V0", 1);
        for _ in 1..GOP_FRAMES_MAX {
            push(&mut gop, "v0", 1);
        }
        assert_eq!(gop.len(), GOP_FRAMES_MAX);
        push(&mut gop, "v0", 1);
        assert!(gop.is_empty());
    }
}
