//! From where a request comes, for whoever answers it: seen through the proxies that the operator trusts.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{Request, State},
    http::HeaderMap,
    middleware::Next,
    response::Response,
};
use ipnet::IpNet;
use weir_control::auth::Origin;

/// Proxies on the way that are looked through at most; a longer list was written by the caller.
const HOPS_MAX: usize = 16;

/// Networks of proxies whose headers are believed.
pub(crate) type Trusted = Arc<[IpNet]>;

/// Notes the caller's address on the request.
pub(crate) async fn seen(State(trusted): State<Trusted>, mut request: Request, next: Next) -> Response {
    if let Some(peer) = request.extensions().get::<weir_edge::Peer>() {
        let port = peer.address.port();
        let origin = origin(peer.address.ip(), peer.tls, request.headers(), &trusted);
        request.extensions_mut().insert(origin);
        request.extensions_mut().insert(weir_ingest::whip::Remote((origin.address, port).into()));
        request.extensions_mut().insert(weir_chat::Remote((origin.address, port).into()));
    }
    next.run(request).await
}

/// Whose request it is that came from `peer`.
///
/// Each proxy adds whom it was called by at the end of `X-Forwarded-For`, so the list is read from there, as long as the
/// one who wrote the next entry is trusted. What stands before was written by the caller, and may be anything.
fn origin(peer: IpAddr, tls: bool, headers: &HeaderMap, trusted: &[IpNet]) -> Origin {
    // An IPv4 caller of a dual-stack socket is one and the same as of an IPv4 socket.
    let peer = peer.to_canonical();
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
    if !is_trusted(peer) {
        return Origin { address: peer, tls };
    }
    let mut address = peer;
    for entry in entries(headers, "x-forwarded-for").take(HOPS_MAX) {
        let Some(before) = parse(entry) else { break };
        address = before;
        if !is_trusted(address) {
            break;
        }
    }
    // The proxy that we are called by says how it was called itself.
    let tls = entries(headers, "x-forwarded-proto").next().map_or(tls, |scheme| scheme.eq_ignore_ascii_case("https"));
    Origin { address, tls }
}

/// The entries of a list that may stand in several lines, last first.
fn entries<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a str> {
    let lines: Vec<_> = headers.get_all(name).iter().collect();
    let lines = lines.into_iter().rev().map(|line| line.to_str().unwrap_or_default());
    lines.flat_map(|line| line.rsplit(',')).map(str::trim)
}

/// An address, with or without a port.
fn parse(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|entry| entry.strip_suffix(']')).unwrap_or(entry);
    let address = bare.parse().ok().or_else(|| entry.parse().ok().map(|address: SocketAddr| address.ip()))?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Behind proxies in 10.0.0.0/8 and at fd00::1.
    #[track_caller]
    fn check(peer: &str, forwarded: &[&'static str], address: &str) {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::1/128".parse().unwrap()];
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        let seen = origin(peer.parse().unwrap(), false, &headers, &trusted);
        assert_eq!(seen.address, address.parse::<IpAddr>().unwrap(), "{peer} {forwarded:?}");
    }

    #[test]
    fn who_called_the_first_trusted_proxy_is_the_caller() {
        check("192.0.2.1", &[], "192.0.2.1");
        check("192.0.2.1", &["198.51.100.7"], "192.0.2.1");
        check("10.0.0.1", &["198.51.100.7"], "198.51.100.7");
        check("10.0.0.1", &["203.0.113.5, 198.51.100.7"], "198.51.100.7");
        check("10.0.0.1", &["203.0.113.5, 198.51.100.7, 10.0.0.2"], "198.51.100.7");
        check("10.0.0.1", &["203.0.113.5", "198.51.100.7", "10.0.0.2"], "198.51.100.7");
        check("::ffff:10.0.0.1", &["::ffff:198.51.100.7"], "198.51.100.7");
        check("fd00::1", &["[2001:db8::7]:4711"], "2001:db8::7");
        check("fd00::1", &["[2001:db8::7]"], "2001:db8::7");
        check("fd00::1", &["198.51.100.7:4711"], "198.51.100.7");
        check("fd00::2", &["198.51.100.7"], "fd00::2");
    }

    #[test]
    fn what_is_no_address_ends_the_list() {
        check("10.0.0.1", &[], "10.0.0.1");
        check("10.0.0.1", &[""], "10.0.0.1");
        check("10.0.0.1", &["unknown"], "10.0.0.1");
        check("10.0.0.1", &["198.51.100.7, unknown"], "10.0.0.1");
        check("10.0.0.1", &["198.51.100.7, unknown, 10.0.0.3"], "10.0.0.3");
        check("10.0.0.1", &["10.0.0.2, 10.0.0.3"], "10.0.0.2");
    }

    #[test]
    fn a_trusted_proxy_says_whether_it_was_called_over_tls() {
        let check = |peer: &str, proto: Option<&'static str>, tls: bool, is: bool| {
            let mut headers = HeaderMap::new();
            proto.into_iter().for_each(|proto| drop(headers.insert("x-forwarded-proto", proto.parse().unwrap())));
            let seen = origin(peer.parse().unwrap(), tls, &headers, &["10.0.0.0/8".parse().unwrap()]);
            assert_eq!(seen.tls, is, "{peer} {proto:?} {tls}");
        };
        check("10.0.0.1", Some("https"), false, true);
        check("10.0.0.1", Some("http"), true, false);
        check("10.0.0.1", Some("http, HTTPS"), false, true);
        check("10.0.0.1", None, true, true);
        check("192.0.2.1", Some("https"), false, false);
        check("192.0.2.1", Some("http"), true, true);
    }
}
