//! Media time.

use std::time::Duration;

/// A point on one publisher's timeline, in nanoseconds. The origin is the publisher's own; differences mean
/// something, values do not. May be negative (a decoding time before the first picture is shown).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// A point so many nanoseconds after the origin.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// A point so many milliseconds after the origin. Saturates.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Nanoseconds after the origin.
    #[must_use]
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Nanoseconds from `earlier` to here; negative when `earlier` is later. Saturates.
    #[must_use]
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// This point moved by `nanos`, which may be negative. Saturates.
    #[must_use]
    pub const fn offset(self, nanos: i64) -> Self {
        Self(self.0.saturating_add(nanos))
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        self.offset(i64::try_from(span.as_nanos()).unwrap_or(i64::MAX))
    }
}
