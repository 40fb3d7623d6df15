//! Numbers that wrap around, laid out on a line: sequence numbers (16 bits) and timestamps (32 bits).
//!
//! A number is taken for the one nearest to the last, so half the range is the furthest step that is understood.

/// Whether sequence number `a` comes after `b` (RFC 1982, serial number arithmetic).
#[must_use]
pub fn is_after(a: u16, b: u16) -> bool {
    a != b && a.wrapping_sub(b) < 0x8000
}

/// Extends sequence numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unwrapper16 {
    highest: Option<i64>,
}

impl Unwrapper16 {
    /// The extended number; the highest so far moves forward with it. The first number stands for itself plus 2^16, so
    /// that nothing that came a little earlier is negative.
    pub fn unwrap(&mut self, number: u16) -> i64 {
        let extended = self.peek(number);
        self.highest = Some(self.highest.map_or(extended, |highest| highest.max(extended)));
        extended
    }

    /// The extended number, without moving anything.
    #[must_use]
    pub fn peek(&self, number: u16) -> i64 {
        match self.highest {
            None => i64::from(number) + 0x1_0000,
            Some(highest) => highest + i64::from(number.wrapping_sub(highest as u16) as i16),
        }
    }

    /// The highest so far.
    #[must_use]
    pub fn highest(&self) -> Option<i64> {
        self.highest
    }
}

/// Extends timestamps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unwrapper32 {
    last: Option<i64>,
}

impl Unwrapper32 {
    /// The extended number. Each is laid out beside the one before, which may go back.
    pub fn unwrap(&mut self, number: u32) -> i64 {
        let extended = self.peek(number);
        self.last = Some(extended);
        extended
    }

    /// The extended number, without moving anything.
    #[must_use]
    pub fn peek(&self, number: u32) -> i64 {
        match self.last {
            None => i64::from(number) + 0x1_0000_0000,
            Some(last) => last + i64::from(number.wrapping_sub(last as u32) as i32),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_numbers_go_on_over_the_wrap() {
        let mut line = Unwrapper16::default();
        let first = line.unwrap(65_534);
        assert_eq!([65_535, 0, 1].map(|number| line.unwrap(number) - first), [1, 2, 3]);
        assert_eq!(line.unwrap(65_535) - first, 1);
        assert_eq!(line.highest(), Some(first + 3));
    }

    #[test]
    fn timestamps_go_on_over_the_wrap_and_back() {
        let mut line = Unwrapper32::default();
        let first = line.unwrap(u32::MAX);
        assert_eq!(line.unwrap(2_999) - first, 3_000);
        assert_eq!(line.unwrap(u32::MAX), first);
    }

    #[test]
    fn after_is_understood_over_the_wrap() {
        assert!(is_after(0, 65_535));
        assert!(!is_after(65_535, 0));
        assert!(!is_after(7, 7));
    }
}
