//! Whose page it is that makes a browser send something.

/// Whether a page of `origin` (RFC 6454 §7) was loaded from `host`, under which a server was called. A host without a port
/// goes with any: proxies leave it out, and browsers give cookies to all ports alike.
#[must_use]
pub fn is_page_of(origin: &str, host: &str) -> bool {
    let Some((scheme, page)) = origin.split_once("://") else { return false };
    let default = match scheme {
        "http" => "80",
        "https" => "443",
        _ => return false,
    };
    let ((page, page_port), (host, port)) = (split(page), split(host));
    !page.is_empty() && page.eq_ignore_ascii_case(host) && port.is_none_or(|port| port == page_port.unwrap_or(default))
}

/// Host and port; brackets stay around an IPv6 address.
fn split(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_known_by_its_host_and_port() {
        for (origin, host) in [
            ("http://weir.example", "WEIR.example:80"),
            ("https://weir.example", "weir.example:443"),
            ("http://weir.example:8080", "weir.example"),
            ("http://[2001:db8::1]:8080", "[2001:db8::1]:8080"),
            ("http://[2001:db8::1]", "[2001:db8::1]"),
        ] {
            assert!(is_page_of(origin, host), "{origin} {host}");
        }
        for (origin, host) in [
            ("null", "null"),
            ("", ""),
            ("http://", ""),
            ("http://weir.example", "weir.example:443"),
            ("http://weir.example@evil.example", "weir.example"),
            ("http://evil.example/weir.example", "weir.example"),
            ("file://weir.example", "weir.example"),
            ("http://[2001:db8::1]", "[2001:db8::2]"),
        ] {
            assert!(!is_page_of(origin, host), "{origin} {host}");
        }
    }
}
