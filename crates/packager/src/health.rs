//! What a streamer should hear about their stream, in words and figures.

use std::time::Duration;

use parking_lot::Mutex;
use tracing::warn;

/// What was observed of one channel's current publish. Shared: the packager writes, whoever asks reads.
#[derive(Debug, Default)]
pub struct Health(Mutex<Report>);

/// What was observed so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// Frames a second, as observed.
    pub frame_rate: Option<f64>,
    /// Whether the frame rate varies much.
    pub variable_frame_rate: bool,
    /// The longest of the last keyframe intervals.
    pub keyframe_interval: Option<Duration>,
    /// Whether keyframes are further apart than a segment may be long.
    pub keyframes_too_far: bool,
    /// Whether keyframes are further apart than segments are wished to be.
    pub keyframes_far: bool,
    /// Whether pictures are reordered (B-frames), which costs latency.
    pub b_frames: bool,
    /// How often the publisher's clock jumped.
    pub clock_jumps: u64,
    /// How often the server was too slow and skipped to the next keyframe.
    pub skips: u64,
    /// Frames that could not be used: before the first keyframe, or overlapping others.
    pub dropped_frames: u64,
    /// How often the muxer failed and was started again.
    pub restarts: u64,
    /// Whether frames come, but no keyframe among them.
    pub waits_for_keyframe: bool,
}

/// One thing the streamer should hear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// What it is about: stable, so that programs can say it in other words.
    pub subject: &'static str,
    /// A sentence.
    pub text: String,
}

impl Report {
    /// Advice for the streamer; none when all is well.
    #[must_use]
    pub fn advice(&self) -> Vec<Advice> {
        let mut advice = Vec::new();
        let mut say = |subject, text: String| advice.push(Advice { subject, text });
        let seconds = self.keyframe_interval.unwrap_or_default().as_secs_f64();
        if self.waits_for_keyframe {
            say("no-keyframe", "No keyframe has come yet: nothing can be shown before one does.".to_owned());
        }
        if self.keyframes_too_far {
            let text = format!(
                "Keyframes are {seconds:.1} s apart, further than a segment may be long: viewers start late and see \
                 errors when they join. Set the keyframe interval to 2 s."
            );
            say("keyframes-too-far", text);
        } else if self.keyframes_far {
            let text = format!(
                "Keyframes are {seconds:.1} s apart: viewers wait that long for the first picture. Set the keyframe \
                 interval to 2 s."
            );
            say("keyframes-far", text);
        }
        if self.variable_frame_rate {
            say("frame-rate", "The frame rate varies: set a constant one for an even latency.".to_owned());
        }
        if self.b_frames {
            let text = "B-frames delay the picture by a few frames, and cost viewers over WebRTC a conversion: set \
                        B-frames to 0, or the encoder's tune to zero latency.";
            say("b-frames", text.to_owned());
        }
        if self.clock_jumps > 0 {
            let text = format!("The encoder's clock jumped {} times: viewers saw a break.", self.clock_jumps);
            say("clock-jumps", text);
        }
        if self.skips > 0 {
            say("skips", format!("The server was too slow and skipped frames {} times.", self.skips));
        }
        advice
    }
}

impl Health {
    /// What was observed so far.
    #[must_use]
    pub fn report(&self) -> Report {
        self.0.lock().clone()
    }

    /// Starts over for a new publish.
    pub(crate) fn reset(&self) {
        *self.0.lock() = Report::default();
    }

    /// Notes something; advice that was not given before is logged once.
    pub(crate) fn note(&self, change: impl FnOnce(&mut Report)) {
        let mut report = self.0.lock();
        let before = (report.keyframes_far, report.variable_frame_rate, report.clock_jumps > 0, report.skips > 0);
        change(&mut report);
        let after = (report.keyframes_far, report.variable_frame_rate, report.clock_jumps > 0, report.skips > 0);
        if before != after {
            for advice in report.advice() {
                warn!("{}", advice.text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_stream_hears_nothing() {
        assert_eq!(Report::default().advice(), vec![]);
    }

    #[test]
    fn far_keyframes_are_told_with_their_distance() {
        let report =
            Report { keyframe_interval: Some(Duration::from_secs(4)), keyframes_far: true, ..Report::default() };
        let [advice] = &report.advice()[..] else { panic!("one piece of advice") };
        assert_eq!(advice.subject, "keyframes-far");
        assert!(advice.text.starts_with("Keyframes are 4.0 s apart"));
    }
}
