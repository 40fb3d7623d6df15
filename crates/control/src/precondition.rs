//! `ETag` and `If-Match` (RFC 9110 §13.1.1) of what people edit: who saw an older version changes nothing unseen.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::problem::Problem;

/// The version of something that is edited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version(pub(crate) u32);

impl Version {
    /// How headers write it.
    pub(crate) fn etag(self) -> HeaderValue {
        HeaderValue::from_str(&format!("\"{}\"", self.0)).expect("digits in quotes are a header's value")
    }
}

/// Whether a request that changes something of `version` may go on. Without `If-Match` it may.
pub(crate) fn check(headers: &HeaderMap, version: Version) -> Result<(), Problem> {
    let mut wanted = headers.get_all(header::IF_MATCH).iter().peekable();
    if wanted.peek().is_none() {
        return Ok(());
    }
    let etag = version.etag();
    let listed = wanted.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let matches = |tag: &str| tag == "*" || tag.as_bytes() == etag.as_bytes();
    if listed.map(str::trim).any(matches) {
        return Ok(());
    }
    let detail = "It was changed since you looked. Look again, then change it.";
    Err(Problem::new(StatusCode::PRECONDITION_FAILED, "changed-meanwhile", "Changed meanwhile", detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(if_match: &[&'static str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in if_match {
            headers.append(header::IF_MATCH, HeaderValue::from_static(value));
        }
        check(&headers, Version(7)).is_ok()
    }

    #[test]
    fn only_who_saw_the_newest_may_change_it() {
        assert!(may(&[]) && may(&["\"7\""]) && may(&["*"]) && may(&["\"6\", \"7\""]) && may(&["\"6\"", "\"7\""]));
        assert!(!may(&["\"6\""]) && !may(&["7"]) && !may(&["W/\"7\""]) && !may(&[""]));
    }
}
