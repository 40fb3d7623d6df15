//! Which video tracks are whole: every frame since a keyframe was passed on.

use weir_media::TrackId;

/// After a loss nothing of a video track is passed on before its next keyframe.
#[derive(Debug, Default)]
pub(super) struct Continuity {
    whole: Vec<TrackId>,
}

impl Continuity {
    /// Whether a picture can be decoded by who got all that was admitted before.
    pub(super) fn admits(&mut self, track: TrackId, keyframe: bool) -> bool {
        let whole = self.whole.contains(&track);
        if keyframe && !whole {
            self.whole.push(track);
        }
        whole || keyframe
    }

    /// Something was lost, of whichever track.
    pub(super) fn lost(&mut self) {
        self.whole.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_track_waits_for_its_own_keyframe() {
        let (one, two) = (TrackId(0), TrackId(2));
        let mut continuity = Continuity::default();
        assert!(!continuity.admits(one, false));
        assert!(continuity.admits(one, true) && continuity.admits(one, false));
        assert!(!continuity.admits(two, false));
        continuity.lost();
        assert!(!continuity.admits(one, false));
        assert!(continuity.admits(two, true) && continuity.admits(two, false));
    }
}
