//! Addresses that are no text are nobody's.

use axum::{
    extract::Request,
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::problem::Problem;

/// Answers 404 to a path that is not UTF-8 once it is decoded (RFC 3986 §2.1), before a route looks into it.
pub(super) async fn readable(request: Request, next: Next) -> Response {
    if is_text(request.uri().path()) { next.run(request).await } else { Problem::not_found().into_response() }
}

fn is_text(path: &str) -> bool {
    let mut rest = path.as_bytes();
    let mut decoded = Vec::with_capacity(path.len());
    while let Some((byte, after)) = rest.split_first() {
        let escaped = after.first_chunk::<2>().filter(|_| *byte == b'%').and_then(hexadecimal);
        decoded.push(escaped.unwrap_or(*byte));
        rest = if escaped.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    std::str::from_utf8(&decoded).is_ok()
}

fn hexadecimal(digits: &[u8; 2]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(digits[0])? << 4 | digit(digits[1])?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_text_once_decoded() {
        for path in ["/", "/api/v1/channels/anna", "/%ea%b0%80", "/100%", "/%zz%2", "/%00", "/%2e%2e"] {
            assert!(is_text(path), "{path}");
        }
        for path in ["/%ff", "/a%80b", "/%ed%a0%80", "/%c0%ae%c0%ae/"] {
            assert!(!is_text(path), "{path}");
        }
    }
}
