//! A description as its lines (RFC 8866 §5), with their numbers and limits.

use super::BadSdp;

/// Longest description, in bytes. Browsers' are 3 to 15 KiB; an offer with every codec and simulcast stays below 32.
pub const SDP_BYTES_MAX: usize = 64 << 10;
/// Longest line, in bytes: an `a=fmtp` with parameter sets is one of the longest, and has some hundreds.
const LINE_BYTES_MAX: usize = 4 << 10;

/// One `x=…` line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// From 1 on, as editors count.
    pub(super) number: usize,
    /// The letter.
    pub(super) kind: u8,
    /// What follows the equals sign.
    pub(super) value: &'a str,
}

impl<'a> Line<'a> {
    /// The name of an attribute, and what follows its colon.
    pub(super) fn attribute(&self) -> (&'a str, &'a str) {
        self.value.split_once(':').unwrap_or((self.value, ""))
    }

    /// The error of this line.
    pub(super) fn bad(&self, reason: &'static str) -> BadSdp {
        BadSdp::Line { line: self.number, reason }
    }
}

/// The lines of `text`. Lone line feeds end lines as well, and empty lines are passed over: several encoders do that.
pub(super) fn lines(text: &str) -> Result<impl Iterator<Item = Result<Line<'_>, BadSdp>>, BadSdp> {
    if text.len() > SDP_BYTES_MAX {
        return Err(BadSdp::TooLong);
    }
    let numbered = text.split('\n').enumerate().map(|(at, line)| (at + 1, line.strip_suffix('\r').unwrap_or(line)));
    Ok(numbered.filter(|(_, line)| !line.is_empty()).map(|(number, line)| {
        let bad = |reason| BadSdp::Line { line: number, reason };
        if line.len() > LINE_BYTES_MAX {
            return Err(bad("the line is longer than 4096 bytes"));
        }
        if line.bytes().any(|byte| byte == b'\r' || byte == 0) {
            return Err(bad("a control character within the line"));
        }
        let Some((kind, value)) = line.split_once('=') else { return Err(bad("there is no equals sign")) };
        match kind.as_bytes() {
            [kind] if kind.is_ascii_lowercase() => Ok(Line { number, kind: *kind, value }),
            _ => Err(bad("a line begins with one lower-case letter and an equals sign")),
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, want: Result<&[(usize, char, &str)], BadSdp>) {
        let got: Result<Vec<_>, _> = lines(text).and_then(Iterator::collect);
        let got =
            got.map(|lines| lines.iter().map(|it| (it.number, char::from(it.kind), it.value)).collect::<Vec<_>>());
        assert_eq!(got.as_deref().map_err(Clone::clone), want);
    }

    #[test]
    fn both_line_ends_are_read_and_empty_lines_passed_over() {
        check("v=0\r\na=x:y\n\ns=-", Ok(&[(1, 'v', "0"), (2, 'a', "x:y"), (4, 's', "-")]));
    }

    #[test]
    fn a_bad_line_is_named_by_its_number() {
        check("v=0\nnonsense", Err(BadSdp::Line { line: 2, reason: "there is no equals sign" }));
        check("v=0\na=x\0", Err(BadSdp::Line { line: 2, reason: "a control character within the line" }));
    }

    #[test]
    fn lengths_are_limited() {
        check(&"a=\n".repeat(SDP_BYTES_MAX), Err(BadSdp::TooLong));
        let long = format!("a={}", "x".repeat(LINE_BYTES_MAX));
        check(&long, Err(BadSdp::Line { line: 1, reason: "the line is longer than 4096 bytes" }));
    }
}
