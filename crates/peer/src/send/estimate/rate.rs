//! How fast packets arrive, beside how fast they were sent.

/// Packets are counted over this time of the viewer's clock, in microseconds.
const WINDOW_US: i64 = 300_000;
/// A pause this long, in microseconds, tells nothing about the link: the count begins anew.
const PAUSE_US: i64 = 1_000_000;
/// Arriving over more than this share of the time of sending, in percent, is a link that cannot keep up.
const STRETCHED_PERCENT: i64 = 105;

/// The rate of what arrived lately.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    window: Option<Window>,
    bits_per_second: Option<u64>,
    stretched: bool,
}

#[derive(Debug)]
struct Window {
    first: (i64, i64),
    last: (i64, i64),
    bytes: u64,
}

impl Arrivals {
    /// A packet of `bytes` was sent and arrived at these microseconds.
    pub(super) fn packet(&mut self, sent: i64, arrived: i64, bytes: usize) {
        let Some(window) = &mut self.window else {
            self.window = Some(Window { first: (sent, arrived), last: (sent, arrived), bytes: 0 });
            return;
        };
        if (arrived - window.last.1).abs() > PAUSE_US {
            self.window = None;
            return;
        }
        window.bytes += bytes as u64;
        window.last = (window.last.0.max(sent), window.last.1.max(arrived));
        let (sending, arriving) = (window.last.0 - window.first.0, window.last.1 - window.first.1);
        if arriving >= WINDOW_US {
            let rate = window.bytes * 8 * 1_000_000 / arriving.unsigned_abs();
            self.bits_per_second = Some(self.bits_per_second.map_or(rate, |before| (before + rate) / 2));
            self.stretched = arriving * 100 > sending * STRETCHED_PERCENT;
            self.window = Some(Window { first: window.last, last: window.last, bytes: 0 });
        }
    }

    /// Bits per second, once there are enough.
    pub(super) fn rate(&self) -> Option<u64> {
        self.bits_per_second
    }

    /// Whether the last packets arrived more slowly than they were sent.
    pub(super) fn stretched(&self) -> bool {
        self.stretched
    }
}
