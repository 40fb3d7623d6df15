//! One rendition's place in a running publish: its plan, and its track's lane while that is there.

use std::time::Duration;

use tracing::warn;
use weir_hls::cut::{Cut, Lane as Side};
use weir_media::{Track, TrackId};

use crate::{
    error::Error,
    lane::{Laid, Lane, Plan},
    measure::Measured,
    sound,
};

/// A rendition of a running publish.
pub(crate) struct Seat {
    pub(crate) side: Side,
    plan: Plan,
    lane: Option<Lane>,
    track: Option<TrackId>,
}

impl Seat {
    pub(crate) fn new(side: Side, plan: Plan) -> Self {
        Self { side, plan, lane: None, track: None }
    }

    /// Whether its track is there.
    pub(crate) fn is_taken(&self) -> bool {
        self.lane.is_some()
    }

    /// The track that is there, or was last.
    pub(crate) fn track(&self) -> Option<TrackId> {
        self.track
    }

    /// Its track comes.
    pub(crate) fn sit(&mut self, track: &Track, measured: &Measured) -> Result<(), Error> {
        let frame = match (&track.params, self.side) {
            (weir_media::TrackParams::Video(_), _) => measured.pace.frame,
            (_, Side::Audio) => measured.audio_frame,
            (weir_media::TrackParams::Audio(audio), _) => {
                Duration::from_secs(1) * sound::aac_samples(audio, None) / audio.sample_rate.max(1)
            }
        };
        self.lane = Some(Lane::new(&track.params, self.plan.clone(), frame)?);
        self.track = Some(track.id);
        Ok(())
    }

    /// Its track went; these were its last cuts. Waits until its last part is out, which takes the muxer a moment.
    pub(crate) async fn leave(&mut self, cuts: &[Cut]) {
        let Some(lane) = self.lane.take() else { return };
        if let Err(error) = lane.finish(cuts).await {
            warn!(side = ?self.side, %error, "the end of a track is lost");
        }
    }

    /// Does what was decided before the next frame.
    pub(crate) fn cut(&mut self, cuts: &[Cut]) -> Result<(), Error> {
        match &mut self.lane {
            Some(lane) => lane.cut(cuts),
            None => {
                cuts.iter().for_each(|cut| self.plan.without_media(*cut));
                Ok(())
            }
        }
    }

    /// Takes the next frame of its track.
    pub(crate) fn frame(&mut self, laid: Laid) -> Result<(), Error> {
        self.lane.as_mut().map_or(Ok(()), |lane| lane.frame(laid))
    }

    /// What was gathered is through: from now on frames come as the publisher sends them.
    pub(crate) fn caught_up(&mut self) {
        self.lane.iter_mut().for_each(Lane::caught_up);
    }

    /// Where the newest frame ends, roughly.
    pub(crate) fn end(&self) -> Option<Duration> {
        self.lane.as_ref().and_then(Lane::end)
    }

    /// Usual length of a frame.
    pub(crate) fn frame_length(&self) -> Duration {
        self.lane.as_ref().map_or(Duration::ZERO, Lane::frame_length)
    }

    /// The publish ended, or its timeline: what was decided last is done, and every part comes out.
    pub(crate) async fn finish(mut self, cuts: Vec<Cut>) -> Result<(), Error> {
        match self.lane.take() {
            Some(lane) => lane.finish(&cuts).await,
            None => {
                cuts.into_iter().for_each(|cut| self.plan.without_media(cut));
                Ok(())
            }
        }
    }
}
