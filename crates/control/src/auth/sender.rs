//! What sent a request: a page of this server, a program, or a page of another site, which can make a browser send its
//! cookies along.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use weir_identity::site::is_page_of;

use crate::problem::Problem;

/// Who sent a request that no other site's page caused. An extractor: requests that another site caused are refused
/// with status 403. For whatever a cookie or the browser's place in a network opens. Rooms know pages by
/// `Origin` alone, by the same comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// A page of this server, in a browser.
    Page,
    /// A program: it has no cookies that others could use.
    Program,
}

/// A page of another site caused the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a page of another site caused this request")]
pub struct CrossSite;

impl Sender {
    /// Reads what browsers say of the page that caused a request, which scripts cannot change: `Sec-Fetch-Site` (Fetch
    /// Metadata), and where a browser does not send that, which is over plain HTTP to other computers, `Origin`
    /// (RFC 6454 §7), compared with `host`, under which this server was called.
    ///
    /// # Errors
    /// [`CrossSite`].
    pub fn of(headers: &HeaderMap, host: Option<&str>) -> Result<Self, CrossSite> {
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("null"));
        match (text("sec-fetch-site"), text(header::ORIGIN.as_str())) {
            (Some("same-origin" | "none"), _) => Ok(Self::Page),
            (Some(_), _) => Err(CrossSite),
            (None, Some(origin)) if host.is_some_and(|host| is_page_of(origin, host)) => Ok(Self::Page),
            (None, Some(_)) => Err(CrossSite),
            (None, None) if headers.contains_key("sec-fetch-mode") => Ok(Self::Page),
            (None, None) => Ok(Self::Program),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Sender {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        // HTTP/2 has it in the request's target.
        let host = host.or_else(|| parts.uri.authority().map(|authority| authority.as_str()));
        Self::of(&parts.headers, host).map_err(Problem::from)
    }
}

impl From<CrossSite> for Problem {
    fn from(error: CrossSite) -> Self {
        let detail = format!(
            "Not done: {error}. If it was a page of this server, a proxy before it does not pass on the `Host` header."
        );
        Self::new(StatusCode::FORBIDDEN, "cross-site", "Not from another site", detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(headers: &[(&'static str, &'static str)], host: &str, expected: Result<Sender, CrossSite>) {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        assert_eq!(Sender::of(&headers, Some(host)), expected, "{headers:?} to {host}");
    }

    #[test]
    fn browsers_say_which_page_it_was() {
        let host = "weir.example";
        check(&[], host, Ok(Sender::Program));
        check(&[("sec-fetch-site", "same-origin"), ("origin", "https://weir.example")], host, Ok(Sender::Page));
        check(&[("sec-fetch-site", "none")], host, Ok(Sender::Page));
        check(&[("sec-fetch-mode", "cors")], host, Ok(Sender::Page));
        for site in ["cross-site", "same-site", "", "SAME-ORIGIN", "none, cross-site"] {
            check(&[("sec-fetch-site", site), ("origin", "https://weir.example")], host, Err(CrossSite));
        }
    }

    #[test]
    fn over_plain_http_the_origin_is_compared() {
        for (origin, host) in [
            ("http://weir.example", "weir.example"),
            ("http://weir.example", "WEIR.example:80"),
            ("http://weir.example:8080", "weir.example:8080"),
            ("http://weir.example:8080", "weir.example"),
            ("https://weir.example", "weir.example:443"),
            ("http://[2001:db8::1]:8080", "[2001:db8::1]:8080"),
            ("http://[2001:db8::1]", "[2001:db8::1]"),
            ("http://192.0.2.1:8080", "192.0.2.1:8080"),
        ] {
            check(&[("origin", origin)], host, Ok(Sender::Page));
        }
        for (origin, host) in [
            ("null", "weir.example"),
            ("", "weir.example"),
            ("null", "null"),
            ("http://", ""),
            ("http://evil.example", "weir.example"),
            ("http://weir.example.evil.example", "weir.example"),
            ("http://evil.example/weir.example", "weir.example"),
            ("http://evil.example@weir.example", "weir.example"),
            ("http://weir.example@evil.example", "weir.example"),
            ("http://www.weir.example", "weir.example"),
            ("http://weir.example:8081", "weir.example:8080"),
            ("http://weir.example", "weir.example:8080"),
            ("http://weir.example", "weir.example:443"),
            ("file://weir.example", "weir.example"),
            ("chrome-extension://weir.example", "weir.example"),
            ("http://[2001:db8::1]", "[2001:db8::2]"),
        ] {
            check(&[("origin", origin)], host, Err(CrossSite));
        }
        assert_eq!(
            Sender::of(&[(header::ORIGIN, "http://a".parse().unwrap())].into_iter().collect(), None),
            Err(CrossSite)
        );
    }
}
