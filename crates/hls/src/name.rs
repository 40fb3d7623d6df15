//! What files below a rendition are called, and back.
//!
//! `index.m3u8`, `init-K.mp4`, `part-N.m4s` (N runs through the whole rendition), `seg-MSN.m4s`.

/// A file that never changes once it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// The initialization section of this number.
    Init(u32),
    /// The part of this running number.
    Part(u64),
    /// The segment of this media sequence number.
    Segment(u64),
}

impl Resource {
    /// Reads a file's name. One spelling a resource: no leading zeros, no sign.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        if let Some(rest) = name.strip_prefix("part-") {
            return number(rest.strip_suffix(".m4s")?).map(Self::Part);
        }
        if let Some(rest) = name.strip_prefix("seg-") {
            return number(rest.strip_suffix(".m4s")?).map(Self::Segment);
        }
        let rest = name.strip_prefix("init-")?.strip_suffix(".mp4")?;
        number(rest).and_then(|number| u32::try_from(number).ok()).map(Self::Init)
    }
}

fn number(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}
