//! Request headers that change an answer: `Accept-Encoding`, `Range`, `If-None-Match`, `If-Range` (RFC 9110).

/// Whether the client takes gzip (RFC 9110 §12.5.3): named, or by `*`, with a weight above zero.
pub(crate) fn takes_gzip(accept_encoding: &[u8]) -> bool {
    let mut any = false;
    for item in accept_encoding.split(|&byte| byte == b',') {
        let mut fields = item.split(|&byte| byte == b';');
        let coding = fields.next().unwrap_or_default().trim_ascii();
        let star = coding == b"*";
        if !(star || coding.eq_ignore_ascii_case(b"gzip") || coding.eq_ignore_ascii_case(b"x-gzip")) {
            continue;
        }
        let takes = !fields.any(is_zero_weight);
        if !star {
            return takes;
        }
        any = takes;
    }
    any
}

/// `q=0`, `q=0.`, `q=0.000`.
fn is_zero_weight(field: &[u8]) -> bool {
    let field = field.trim_ascii();
    let Some((name, value)) = field.iter().position(|&byte| byte == b'=').map(|at| field.split_at(at)) else {
        return false;
    };
    name.trim_ascii().eq_ignore_ascii_case(b"q")
        && value[1..].trim_ascii().first() == Some(&b'0')
        && value[1..].trim_ascii().iter().all(|byte| matches!(byte, b'0' | b'.'))
}

/// Whether a list of entity tags has ours, compared weakly (RFC 9110 §13.1.2).
pub(crate) fn names_tag(if_none_match: &[u8], tag: &[u8]) -> bool {
    if_none_match.split(|&byte| byte == b',').any(|item| {
        let item = item.trim_ascii();
        item == b"*" || item.strip_prefix(b"W/").unwrap_or(item) == tag
    })
}

/// What a `Range` header asks of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Range {
    /// All of it: no header, several ranges, another unit, or nonsense (RFC 9110 §14.2 lets us ignore those).
    Whole,
    /// These bytes, the last included.
    Part { first: u64, last: u64 },
    /// Bytes past the end.
    Unsatisfiable,
}

/// Reads a `Range` header for a file of `length` bytes.
pub(crate) fn range(header: &[u8], length: u64) -> Range {
    parse_range(header, length).unwrap_or(Range::Whole)
}

fn parse_range(header: &[u8], length: u64) -> Option<Range> {
    let text = std::str::from_utf8(header).ok()?;
    let (unit, spec) = text.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") || spec.contains(',') {
        return None;
    }
    let (first, last) = spec.trim().split_once('-')?;
    if first.is_empty() {
        let suffix = number(last)?;
        if suffix == 0 || length == 0 {
            return Some(Range::Unsatisfiable);
        }
        return Some(Range::Part { first: length.saturating_sub(suffix), last: length - 1 });
    }
    let first = number(first)?;
    let last = if last.is_empty() { u64::MAX } else { number(last)? };
    if last < first {
        return None;
    }
    if first >= length {
        return Some(Range::Unsatisfiable);
    }
    Some(Range::Part { first, last: last.min(length - 1) })
}

fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_taken_unless_its_weight_is_zero() {
        for yes in ["gzip", "GZIP", "deflate, gzip;q=0.5", "br;q=1.0, gzip ; q=0.001", "*", "*;q=0.1", "x-gzip"] {
            assert!(takes_gzip(yes.as_bytes()), "{yes}");
        }
        for no in ["", "br", "gzip;q=0", "gzip; q=0.000", "gzip;q=0, *", "*;q=0", "gzipped", "identity"] {
            assert!(!takes_gzip(no.as_bytes()), "{no}");
        }
    }

    #[test]
    fn one_range_is_served_and_odd_ones_are_ignored() {
        let check = |header: &str, expected| assert_eq!(range(header.as_bytes(), 100), expected, "{header}");
        check("bytes=0-9", Range::Part { first: 0, last: 9 });
        check("bytes=90-", Range::Part { first: 90, last: 99 });
        check("bytes=90-200", Range::Part { first: 90, last: 99 });
        check("bytes=-10", Range::Part { first: 90, last: 99 });
        check("bytes=-1000", Range::Part { first: 0, last: 99 });
        check("bytes=100-", Range::Unsatisfiable);
        check("bytes=-0", Range::Unsatisfiable);
        for odd in
            ["", "bytes", "bytes=", "bytes=-", "bytes=9-1", "bytes=0-1,5-6", "lines=1-2", "bytes=a-b", "bytes=+1-2"]
        {
            check(odd, Range::Whole);
        }
        assert_eq!(range(b"bytes=-5", 0), Range::Unsatisfiable);
    }

    #[test]
    fn tags_are_compared_weakly() {
        assert!(names_tag(br#""a", W/"b""#, br#""b""#));
        assert!(names_tag(b"*", br#""b""#));
        assert!(!names_tag(br#""a""#, br#""b""#));
    }
}
