//! Where a browser goes once it is logged in: a page of ours, whatever the request says.

use serde::{Deserialize, Serialize};
use url::Url;

/// Longest path that is kept.
const BYTES_MAX: usize = 512;

/// A path on this server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct ReturnTo(String);

impl ReturnTo {
    /// The page that `wanted` names; the studio for anything that is not a plain path of ours.
    pub(crate) fn of(wanted: Option<&str>) -> Self {
        Self(wanted.and_then(path).unwrap_or_else(|| "/studio".into()))
    }

    /// For the `Location` header.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A path as a browser would read it, if it stays here. Browsers take `\` for `/`, pass over tabs and line ends, and
/// read `//host` as another server.
fn path(wanted: &str) -> Option<String> {
    const HERE: &str = "http://weir.invalid";
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
    if wanted.len() > BYTES_MAX || !wanted.starts_with('/') || !wanted.bytes().all(plain) {
        return None;
    }
    let here = Url::parse(HERE).ok()?;
    let url = here.join(wanted).ok()?;
    let path = &url[url::Position::BeforePath..];
    (url.origin() == here.origin() && !path.starts_with("//") && !path.starts_with("/api/")).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(wanted: &str, path: &str) {
        assert_eq!(ReturnTo::of(Some(wanted)).as_str(), path, "{wanted}");
    }

    #[test]
    fn pages_of_ours_are_gone_to() {
        check("/", "/");
        check("/anna?x=1#chat", "/anna?x=1#chat");
        check("/a/../b", "/b");
        assert_eq!(ReturnTo::of(None).as_str(), "/studio");
    }

    #[test]
    fn nothing_else_is() {
        for wanted in [
            "",
            "anna",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https://evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "javascript:alert(1)",
            "/..//evil.example",
            "/.//evil.example",
            "/a/..//evil.example",
            "/%2e//evil.example",
            "/api/v1/me",
            "/a b",
            "/안나",
        ] {
            check(wanted, "/studio");
        }
        check(&format!("/{}", "a".repeat(BYTES_MAX)), "/studio");
    }

    proptest! {
        #[test]
        fn whatever_is_wanted_it_is_here(wanted in "[/\\\\.:@%a-e2\t\n]{0,24}") {
            let path = ReturnTo::of(Some(&wanted));
            let there = Url::parse("https://weir.example/api/v1/auth/x").unwrap().join(path.as_str()).unwrap();
            prop_assert_eq!(there.host_str(), Some("weir.example"));
        }
    }
}
