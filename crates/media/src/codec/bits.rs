//! Reads bits, most significant first, as every header here is written.

use super::BadConfig;

pub(super) struct Bits<'a> {
    data: &'a [u8],
    /// In bits.
    at: usize,
}

impl<'a> Bits<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    /// The next `count` bits, at most 32, as a number.
    pub(super) fn take(&mut self, count: u32) -> Result<u32, BadConfig> {
        debug_assert!(count <= 32);
        let mut value = 0_u64;
        for _ in 0..count {
            let byte = self.data.get(self.at / 8).ok_or(BadConfig::Short)?;
            value = value << 1 | u64::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Ok(value as u32)
    }

    pub(super) fn flag(&mut self) -> Result<bool, BadConfig> {
        Ok(self.take(1)? == 1)
    }

    pub(super) fn byte(&mut self) -> Result<u8, BadConfig> {
        Ok(self.take(8)? as u8)
    }

    pub(super) fn skip(&mut self, count: usize) -> Result<(), BadConfig> {
        if count > self.left() {
            return Err(BadConfig::Short);
        }
        self.at += count;
        Ok(())
    }

    /// Bits that remain.
    pub(super) fn left(&self) -> usize {
        self.data.len() * 8 - self.at
    }

    pub(super) fn align(&mut self) {
        self.at = self.at.next_multiple_of(8);
    }

    /// An unsigned Exp-Golomb number, `ue(v)` (ISO/IEC 14496-10 §9.1), and AV1's `uvlc()`.
    pub(super) fn ue(&mut self) -> Result<u32, BadConfig> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros == 32 {
                return Err(BadConfig::Damaged("a number has more than 32 bits"));
            }
        }
        let rest = self.take(zeros)?;
        Ok((1_u32 << zeros) - 1 + rest)
    }

    /// A signed Exp-Golomb number, `se(v)`.
    pub(super) fn se(&mut self) -> Result<i64, BadConfig> {
        let code = i64::from(self.ue()?);
        Ok(if code % 2 == 0 { -(code / 2) } else { (code + 1) / 2 })
    }
}

/// A NAL unit without its emulation prevention bytes: 00 00 03 becomes 00 00.
pub(super) fn unescape(nal: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(nal.len());
    let mut zeros = 0;
    for &byte in nal {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        plain.push(byte);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_golomb_numbers_are_read_in_order() {
        // 1, 010, 011, 00100 | 1, 010, 011, 00100
        let mut bits = Bits::new(&[0b1010_0110, 0b0100_1010, 0b0110_0100]);
        let numbers: Vec<_> = (0..4).map(|_| bits.ue().unwrap()).collect();
        assert_eq!(numbers, [0, 1, 2, 3]);
        let numbers: Vec<_> = (0..4).map(|_| bits.se().unwrap()).collect();
        assert_eq!(numbers, [0, 1, -1, 2]);
        assert_eq!(bits.ue(), Err(BadConfig::Short));
    }

    #[test]
    fn the_largest_exp_golomb_number_fits() {
        let mut data = vec![0, 0, 0, 1];
        data.extend([0xff; 4]);
        assert_eq!(Bits::new(&data).ue(), Ok(u32::MAX - 1));
        assert!(matches!(Bits::new(&[0; 9]).ue(), Err(BadConfig::Damaged(_))));
    }

    #[test]
    fn emulation_prevention_is_removed() {
        assert_eq!(unescape(&[1, 0, 0, 3, 1, 0, 0, 3, 0, 0, 3]), [1, 0, 0, 1, 0, 0, 0, 0]);
    }
}
