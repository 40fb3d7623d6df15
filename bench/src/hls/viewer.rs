//! One viewer of one rendition, as a player behaves.
//!
//! Low latency: it asks for the playlist with the next part and, at the same time on a second connection, for the part
//! that is hinted. Both wait at the server until that part is there. Classic: it asks for the playlist again after half
//! a target duration or a whole one, and fetches new segments.

use std::{
    cell::RefCell,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::time::sleep;
use weir_testkit::stamp::{self, Stamp};

use super::{
    playlist::{self, Media},
    tally::Tally,
    ts,
};
use crate::http::{Connection, Error, Want};

/// How long a viewer rests after an error, and at most in a row before it leaves.
const REST: Duration = Duration::from_millis(500);
const ERRORS_MAX: u32 = 20;
/// Parts that players stay behind (draft-pantos-hls-rfc8216bis §4.4.3.8): without new ones for so long, pictures stop.
const HOLD_BACK_PARTS: f64 = 3.0;

/// What a viewer watches, and where it reports.
#[derive(Clone)]
pub(crate) struct Watch {
    pub(crate) server: SocketAddr,
    pub(crate) host: Rc<str>,
    pub(crate) tally: Rc<RefCell<Tally>>,
    /// Read the pictures' stamps.
    pub(crate) measured: bool,
}

/// Where a viewer is in the stream.
struct Place {
    /// The playlist's path.
    path: String,
    /// Media sequence number and index of the part to ask for.
    next: (u64, u64),
    hint: Option<String>,
    skips: bool,
    /// Longest that a player's buffer lasts.
    buffer: Duration,
    last_arrival: Option<Instant>,
    last_picture: Option<u64>,
}

enum Way {
    LowLatency,
    Classic,
    Ended,
}

impl Watch {
    pub(crate) fn connection(&self) -> Connection {
        Connection::new(self.server, &self.host)
    }

    /// Watches the media playlist at `path` for as long as the stream runs.
    pub(crate) async fn rendition(self, path: String) {
        let (mut playlists, mut parts) = (self.connection(), self.connection());
        let mut place = Place {
            path,
            next: (0, 0),
            hint: None,
            skips: false,
            buffer: Duration::MAX,
            last_arrival: None,
            last_picture: None,
        };
        let mut errors = 0;
        let mut begun = None;
        while errors < ERRORS_MAX {
            let step = match begun {
                None => match self.begin(&mut place, &mut playlists, &mut parts).await {
                    Ok(way) => {
                        begun = Some(way);
                        Ok(true)
                    }
                    Err(error) => Err(error),
                },
                Some(Way::LowLatency) => self.follow_parts(&mut place, &mut playlists, &mut parts).await,
                Some(Way::Classic) => self.follow_segments(&mut place, &mut playlists, &mut parts).await,
                Some(Way::Ended) => return,
            };
            match step {
                Ok(true) => errors = 0,
                Ok(false) => begun = Some(Way::Ended),
                Err(error) => {
                    errors += 1;
                    self.tally.borrow_mut().failed(error);
                    // Players start over from the live edge.
                    begun = None;
                    sleep(REST).await;
                }
            }
        }
    }

    /// Reads the playlist as it is, and the initialization section.
    async fn begin(
        &self,
        place: &mut Place,
        playlists: &mut Connection,
        parts: &mut Connection,
    ) -> Result<Way, String> {
        self.ask(playlists, &place.path, Want::Body).await?;
        let media = playlist::media(text(playlists), (0, 0));
        let low_latency = media.can_block && media.part_target > 0.0;
        place.skips = media.can_skip;
        place.next = if low_latency { media.next } else { (media.next.0, 0) };
        place.hint = media.hint.map(str::to_owned);
        place.buffer = Duration::from_secs_f64(
            if low_latency { media.part_target } else { media.target_duration } * HOLD_BACK_PARTS,
        );
        let map = media.map.map(|map| playlist::resolve(&place.path, map));
        let ended = media.ended;
        if let Some(map) = map {
            self.ask(parts, &map, Want::Length).await?;
        }
        Ok(match (ended, low_latency) {
            (true, _) => Way::Ended,
            (_, true) => Way::LowLatency,
            _ => Way::Classic,
        })
    }

    /// Waits for one more part. False when the stream has ended.
    async fn follow_parts(
        &self,
        place: &mut Place,
        playlists: &mut Connection,
        parts: &mut Connection,
    ) -> Result<bool, String> {
        let mark = if place.path.contains('?') { '&' } else { '?' };
        let skip = if place.skips { "&_HLS_skip=YES" } else { "" };
        let (sequence, part) = place.next;
        let path = format!("{}{mark}_HLS_msn={sequence}&_HLS_part={part}{skip}", place.path);
        let hint = place.hint.take();
        let fetch_hint = async {
            match &hint {
                Some(hint) => self.fetch(parts, &playlist::resolve(&place.path, hint)).await.map(Some),
                None => Ok(None),
            }
        };
        let (listed, hinted) = tokio::join!(self.ask(playlists, &path, Want::Body), fetch_hint);
        listed?;
        let media = playlist::media(text(playlists), place.next);
        match hinted {
            Ok(Some(arrival)) => self.arrived(arrival, place, parts),
            Ok(None) => {}
            // What was hinted never comes then.
            Err(_) if media.ended => return Ok(false),
            Err(error) => return Err(error),
        }
        if media.lost {
            self.tally.borrow_mut().fell_behind();
        }
        for uri in media.parts.iter().filter(|&&uri| hint.as_deref() != Some(uri)) {
            let path = playlist::resolve(&place.path, uri);
            let arrival = self.fetch(parts, &path).await?;
            self.arrived(arrival, place, parts);
        }
        let Media { next, hint, ended, .. } = media;
        place.next = next;
        place.hint = hint.map(str::to_owned);
        Ok(!ended)
    }

    /// Reloads the playlist once and fetches what is new. False when the stream has ended.
    async fn follow_segments(
        &self,
        place: &mut Place,
        playlists: &mut Connection,
        segments: &mut Connection,
    ) -> Result<bool, String> {
        self.ask(playlists, &place.path, Want::Body).await?;
        let media = playlist::media(text(playlists), place.next);
        for uri in &media.segments {
            let path = playlist::resolve(&place.path, uri);
            let arrival = self.fetch(segments, &path).await?;
            self.arrived(arrival, place, segments);
        }
        // RFC 8216 §6.3.4: after a target duration, or half of one if nothing was new.
        let pause = if media.segments.is_empty() { media.target_duration / 2.0 } else { media.target_duration };
        place.next = (media.next.0, 0);
        if media.ended {
            return Ok(false);
        }
        sleep(Duration::from_secs_f64(pause.max(0.5))).await;
        Ok(true)
    }

    async fn fetch(&self, connection: &mut Connection, path: &str) -> Result<Instant, String> {
        let want = if self.measured { Want::Body } else { Want::Length };
        self.ask(connection, path, want).await?;
        Ok(Instant::now())
    }

    async fn ask(&self, connection: &mut Connection, path: &str, want: Want) -> Result<(), String> {
        match connection.get(path, want).await {
            Ok(answer) => {
                self.tally.borrow_mut().answered(answer.bytes);
                if answer.status == 200 { Ok(()) } else { Err(format!("status {}", answer.status)) }
            }
            Err(Error::Io(error)) => Err(error.kind().to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Counts a part or segment; `connection` still has its body.
    fn arrived(&self, now: Instant, place: &mut Place, connection: &Connection) {
        let mut tally = self.tally.borrow_mut();
        if tally.counts {
            tally.parts += 1;
            if place.last_arrival.is_some_and(|last| now - last > place.buffer) {
                tally.stalls += 1;
            }
        }
        place.last_arrival = Some(now);
        if !self.measured {
            return;
        }
        let since_arrival = now.elapsed();
        let clock = stamp::now_nanos();
        let age = |sent: u64| Duration::from_nanos(clock.saturating_sub(sent)).saturating_sub(since_arrival);
        let stamps: Vec<Stamp> = match ts::payloads(connection.body()) {
            Some(payloads) => payloads.iter().flat_map(|payload| stamp::find(payload)).collect(),
            None => stamp::find(connection.body()).collect(),
        };
        let (oldest, newest) = (stamps.first(), stamps.iter().max_by_key(|stamp| stamp.number));
        if let (Some(oldest), Some(newest)) = (oldest, newest) {
            tally.ages(age(newest.sent_nanos), age(oldest.sent_nanos));
            if let (true, Some(last)) = (tally.counts, place.last_picture) {
                tally.pictures_missed += newest.number.saturating_sub(last).saturating_sub(stamps.len() as u64);
            }
            place.last_picture = Some(newest.number);
        }
    }
}

/// Playlists are UTF-8; one that is not reads as empty, which ends in an error of its own.
fn text(connection: &Connection) -> &str {
    std::str::from_utf8(connection.body()).unwrap_or_default()
}
