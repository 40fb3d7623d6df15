//! A guard before `rml_amf0`.
//!
//! Its parser descends one stack frame a level of nesting, so a few megabytes of nested arrays overflow the stack and
//! end the process. [`parse`] walks the bytes first, without recursion or allocation, and lets only what is shallow,
//! small and complete through to the parser.

use rml_amf0::Amf0Value;

/// Deepest nesting. Encoders nest two levels; Enhanced RTMP's maps make it three.
const DEPTH_MAX: usize = 16;
/// Most values in one message, all levels together. A `connect` or an `onMetaData` has a few dozen.
const VALUES_MAX: usize = 2048;

/// Why AMF0 was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Amf0Error {
    /// Nested deeper than anything honest.
    #[error("nested deeper than {DEPTH_MAX} levels")]
    TooDeep,
    /// More values than anything honest.
    #[error("more than {VALUES_MAX} values")]
    TooMany,
    /// The bytes end inside a value.
    #[error("ends inside a value")]
    Truncated,
    /// A type of value that no publisher uses.
    #[error("value of unknown type {0:#04x}")]
    UnknownType(u8),
    /// The parser refused it.
    #[error("malformed value")]
    Malformed,
}

/// Reads all values of a message.
pub(crate) fn parse(mut bytes: &[u8]) -> Result<Vec<Amf0Value>, Amf0Error> {
    check(bytes)?;
    rml_amf0::deserialize(&mut bytes).map_err(|_| Amf0Error::Malformed)
}

/// Where the walk is.
#[derive(Clone, Copy)]
enum Level {
    /// In an object or an ECMA array: a name comes next, or the end.
    Named,
    /// In a strict array with so many values to come.
    Listed(u32),
}

fn check(bytes: &[u8]) -> Result<(), Amf0Error> {
    let mut walk = Walk { bytes, levels: [Level::Named; DEPTH_MAX], depth: 0 };
    let mut values = 0;
    while walk.enters_value()? {
        values += 1;
        if values > VALUES_MAX {
            return Err(Amf0Error::TooMany);
        }
        walk.value()?;
    }
    Ok(())
}

struct Walk<'a> {
    bytes: &'a [u8],
    levels: [Level; DEPTH_MAX],
    depth: usize,
}

impl Walk<'_> {
    /// Goes to the next value, leaving what ends before it. False at the end of everything.
    fn enters_value(&mut self) -> Result<bool, Amf0Error> {
        loop {
            let Some(level) = self.depth.checked_sub(1).and_then(|at| self.levels.get_mut(at)) else {
                // The parser stops at an object's end mark outside of any object.
                return Ok(!matches!(self.bytes.first(), None | Some(&mark::OBJECT_END)));
            };
            match level {
                Level::Listed(0) => self.depth -= 1,
                Level::Listed(left) => {
                    *left -= 1;
                    return Ok(true);
                }
                Level::Named => {
                    let length = usize::from(u16::from_be_bytes(self.take()?));
                    if length > 0 {
                        self.skip(length)?;
                        return Ok(true);
                    }
                    match self.take::<1>()? {
                        [mark::OBJECT_END] => self.depth -= 1,
                        [_] => return Err(Amf0Error::Malformed),
                    }
                }
            }
        }
    }

    fn value(&mut self) -> Result<(), Amf0Error> {
        let [kind] = self.take()?;
        match kind {
            mark::NUMBER => self.skip(8),
            mark::BOOLEAN => self.skip(1),
            mark::STRING => {
                let length = u16::from_be_bytes(self.take()?);
                self.skip(length.into())
            }
            mark::NULL | mark::UNDEFINED => Ok(()),
            mark::OBJECT => self.descend(Level::Named),
            mark::ECMA_ARRAY => {
                // A hint that nobody needs: the end is marked.
                self.skip(4)?;
                self.descend(Level::Named)
            }
            mark::STRICT_ARRAY => {
                let count = u32::from_be_bytes(self.take()?);
                self.descend(Level::Listed(count))
            }
            other => Err(Amf0Error::UnknownType(other)),
        }
    }

    fn descend(&mut self, level: Level) -> Result<(), Amf0Error> {
        *self.levels.get_mut(self.depth).ok_or(Amf0Error::TooDeep)? = level;
        self.depth += 1;
        Ok(())
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Amf0Error> {
        let (taken, rest) = self.bytes.split_first_chunk().ok_or(Amf0Error::Truncated)?;
        self.bytes = rest;
        Ok(*taken)
    }

    fn skip(&mut self, count: usize) -> Result<(), Amf0Error> {
        self.bytes = self.bytes.get(count..).ok_or(Amf0Error::Truncated)?;
        Ok(())
    }
}

/// Type marks (AMF0 §2.1).
mod mark {
    pub(super) const NUMBER: u8 = 0;
    pub(super) const BOOLEAN: u8 = 1;
    pub(super) const STRING: u8 = 2;
    pub(super) const OBJECT: u8 = 3;
    pub(super) const NULL: u8 = 5;
    pub(super) const UNDEFINED: u8 = 6;
    pub(super) const ECMA_ARRAY: u8 = 8;
    pub(super) const OBJECT_END: u8 = 9;
    pub(super) const STRICT_ARRAY: u8 = 10;
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn check(bytes: &[u8], outcome: Result<usize, Amf0Error>) {
        assert_eq!(parse(bytes).map(|values| values.len()), outcome);
    }

    #[test]
    fn honest_values_pass() {
        let map = HashMap::from([("fourCcList".to_owned(), Amf0Value::StrictArray(vec![Amf0Value::Null]))]);
        let values = vec![Amf0Value::Utf8String("connect".into()), Amf0Value::Number(1.0), Amf0Value::Object(map)];
        let bytes = rml_amf0::serialize(&values).unwrap();
        assert_eq!(parse(&bytes), Ok(values));
    }

    #[test]
    fn a_hundred_thousand_nested_values_are_refused_at_once() {
        check(&[10, 0, 0, 0, 1].repeat(100_000), Err(Amf0Error::TooDeep));
        check(&[3, 0, 1, b'a'].repeat(100_000), Err(Amf0Error::TooDeep));
        check(&[8, 0, 0, 0, 1, 0, 1, b'a'].repeat(100_000), Err(Amf0Error::TooDeep));
    }

    #[test]
    fn five_megabytes_of_nested_arrays_do_not_overflow_the_stack() {
        check(&[10, 0, 0, 0, 1].repeat(1_000_000), Err(Amf0Error::TooDeep));
    }

    #[test]
    fn a_promise_of_four_billion_values_costs_nothing() {
        check(&[10, 255, 255, 255, 255], Err(Amf0Error::Truncated));
        check(&[10, 255, 255, 255, 255, 5, 5, 5], Err(Amf0Error::Truncated));
        check(&[8, 255, 255, 255, 255, 0, 0, 9], Ok(1));
    }

    #[test]
    fn too_many_values_are_refused() {
        check(&[5; 2048], Ok(2048));
        check(&[5; 2049], Err(Amf0Error::TooMany));
    }

    #[test]
    fn cut_anywhere_it_is_truncated_or_whole() {
        let map = HashMap::from([("app".to_owned(), Amf0Value::Utf8String("live".into()))]);
        let bytes = rml_amf0::serialize(&vec![Amf0Value::Number(1.0), Amf0Value::Object(map)]).unwrap();
        for length in 0..bytes.len() {
            let whole = match length {
                0 => Ok(0),
                9 => Ok(1),
                _ => Err(Amf0Error::Truncated),
            };
            check(&bytes[..length], whole);
        }
    }

    #[test]
    fn other_types_are_refused() {
        check(&[11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], Err(Amf0Error::UnknownType(11)));
        check(&[3, 0, 0, 5], Err(Amf0Error::Malformed));
        check(&[2, 0, 1, 0xff], Err(Amf0Error::Malformed));
    }
}
