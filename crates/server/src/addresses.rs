//! Where this server listens, and the URLs that are printed.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
};

use socket2::{Domain, Protocol, Socket, Type};
use weir_identity::{ChannelName, VodId};

/// Connections that the kernel keeps before they are accepted: a burst of viewers at the start of a show.
const BACKLOG: i32 = 4096;

/// Where the public listeners are.
#[derive(Debug, Clone)]
pub(crate) struct Addresses {
    /// Name or address for URLs; empty: guessed from the listener.
    pub(crate) public_host: String,
    /// Pages, API, media.
    pub(crate) http: SocketAddr,
    /// The same over TLS.
    pub(crate) https: Option<SocketAddr>,
    /// RTMP.
    pub(crate) rtmp: SocketAddr,
}

impl Addresses {
    /// What OBS takes as its server.
    pub(crate) fn rtmp_url(&self) -> String {
        format!("rtmp://{}/live", self.authority(self.rtmp))
    }

    /// The page of a channel.
    pub(crate) fn page_url(&self, channel: &ChannelName) -> String {
        format!("{}/{channel}", self.web())
    }

    /// The playlist of a recording.
    pub(crate) fn vod_url(&self, id: VodId) -> String {
        format!("{}/vod/{id}/index.m3u8", self.web())
    }

    /// The page that lists who is live.
    pub(crate) fn start_url(&self) -> String {
        format!("{}/", self.web())
    }

    /// Where WHIP publishers post.
    pub(crate) fn whip_url(&self) -> String {
        format!("{}/whip", self.web())
    }

    /// A URL's host and port, by the name under which a caller reached us where no other is set.
    fn authority_for(&self, host: Option<&str>, listener: SocketAddr) -> String {
        match host {
            Some(host) if self.public_host.is_empty() => format!("{host}:{}", listener.port()),
            _ => self.authority(listener),
        }
    }

    fn web(&self) -> String {
        match self.https {
            Some(https) => format!("https://{}", self.authority(https)),
            None => format!("http://{}", self.authority(self.http)),
        }
    }

    fn authority(&self, listener: SocketAddr) -> String {
        let port = listener.port();
        match listener.ip() {
            _ if !self.public_host.is_empty() => format!("{}:{port}", self.public_host),
            ip if ip.is_unspecified() => format!("localhost:{port}"),
            ip => SocketAddr::new(ip, port).to_string(),
        }
    }

    /// The address under which other machines likely reach this one, when printed URLs say `localhost`.
    pub(crate) fn address_elsewhere(&self) -> Option<IpAddr> {
        if !self.public_host.is_empty() || !self.http.ip().is_unspecified() {
            return None;
        }
        // Connecting a UDP socket sends nothing; it only asks the kernel which address it would send from.
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
        let ip = socket.local_addr().ok()?.ip();
        (!ip.is_loopback() && !ip.is_unspecified()).then_some(ip)
    }
}

impl weir_control::Places for Addresses {
    fn rtmp_server(&self, host: Option<&str>) -> String {
        format!("rtmp://{}/live", self.authority_for(host, self.rtmp))
    }

    fn whip(&self, authority: Option<&str>, tls: bool) -> String {
        match authority {
            Some(authority) if self.public_host.is_empty() => {
                format!("{}://{authority}/whip", if tls { "https" } else { "http" })
            }
            _ => self.whip_url(),
        }
    }
}

/// A listener at `address`. The error names the address and the setting.
pub(crate) fn listen(address: SocketAddr, setting: &str) -> Result<tokio::net::TcpListener, String> {
    let listener = bind(address).or_else(|error| match address {
        // A machine without IPv6 has no `[::]`; every address then means every IPv4 address.
        SocketAddr::V6(v6) if v6.ip().is_unspecified() && error.raw_os_error() == Some(libc::EAFNOSUPPORT) => {
            bind((Ipv4Addr::UNSPECIFIED, v6.port()).into())
        }
        _ => Err(error),
    });
    listener.and_then(tokio::net::TcpListener::from_std).map_err(|error| why(address, setting, &error))
}

/// Why `address`, given by `setting`, cannot be listened on.
pub(crate) fn why(address: SocketAddr, setting: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("{address} (`{setting}`) is in use by another program: stop it, or set another address")
        }
        io::ErrorKind::PermissionDenied => {
            format!("{address} (`{setting}`): ports below 1024 need the right to bind them (CAP_NET_BIND_SERVICE)")
        }
        _ => format!("cannot listen on {address} (`{setting}`): {error}"),
    }
}

fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // A restart does not wait for connections of the last run to fade.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(host: &str, http: &str, https: Option<&str>) -> Addresses {
        let https = https.map(|https| https.parse().unwrap());
        let http = http.parse().unwrap();
        Addresses { public_host: host.into(), http, https, rtmp: "[::]:1935".parse().unwrap() }
    }

    #[test]
    fn printed_urls_can_be_followed() {
        let anna = ChannelName::parse("anna").unwrap();
        assert_eq!(addresses("", "[::]:8080", None).page_url(&anna), "http://localhost:8080/anna");
        assert_eq!(addresses("", "[::1]:8080", None).page_url(&anna), "http://[::1]:8080/anna");
        assert_eq!(addresses("a.example", "[::]:80", Some("[::]:8443")).whip_url(), "https://a.example:8443/whip");
        assert_eq!(addresses("", "[::]:8080", None).rtmp_url(), "rtmp://localhost:1935/live");
    }

    #[tokio::test]
    async fn a_port_in_use_is_named_with_its_setting() {
        let taken = listen("127.0.0.1:0".parse().unwrap(), "http.listen").unwrap();
        let address = taken.local_addr().unwrap();
        let said = listen(address, "http.listen").unwrap_err();
        assert!(said.contains(&address.to_string()) && said.contains("`http.listen`"), "{said}");
    }
}
