//! The offer that every viewer makes, and what it needs of the answer: as much SDP as a viewer has, no more.

use std::{fmt::Write as _, net::SocketAddr};

/// Payload type of transport-wide sequence numbers' header extension.
const TRANSPORT_CC: u8 = 3;

/// What the answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) ufrag: String,
    pub(crate) pwd: String,
    /// Algorithm and value, as `a=fingerprint` has them.
    pub(crate) fingerprint: (String, String),
    /// Where the server takes UDP.
    pub(crate) candidates: Vec<SocketAddr>,
    /// The id under which packets carry transport-wide sequence numbers, if they do.
    pub(crate) transport_cc: Option<u8>,
}

/// An offer to receive H.264 and Opus, as browsers make it.
pub(crate) fn offer(ufrag: &str, pwd: &str, fingerprint: (&str, &str)) -> String {
    const H264: [(u8, &str); 4] = [(102, "42001f"), (104, "42e01f"), (106, "4d001f"), (108, "64001f")];
    let transport = format!(
        "c=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\na=ice-options:trickle\r\n\
         a=fingerprint:{} {}\r\na=setup:actpass\r\na=recvonly\r\na=rtcp-mux\r\na=rtcp-rsize\r\n\
         a=extmap:{TRANSPORT_CC} http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
         a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n",
        fingerprint.0, fingerprint.1
    );
    let types: String = H264.iter().fold(String::new(), |mut all, (pt, _)| {
        let _ = write!(all, " {pt} {}", pt + 1);
        all
    });
    let mut sdp = format!(
        "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=extmap-allow-mixed\r\n\
         a=msid-semantic: WMS\r\nm=video 9 UDP/TLS/RTP/SAVPF{types}\r\n{transport}a=mid:0\r\n"
    );
    for (pt, profile) in H264 {
        let _ = write!(
            sdp,
            "a=rtpmap:{pt} H264/90000\r\na=rtcp-fb:{pt} transport-cc\r\na=rtcp-fb:{pt} ccm fir\r\na=rtcp-fb:{pt} nack\r\n\
             a=rtcp-fb:{pt} nack pli\r\n\
             a=fmtp:{pt} level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={profile}\r\n\
             a=rtpmap:{rtx} rtx/90000\r\na=fmtp:{rtx} apt={pt}\r\n",
            rtx = pt + 1
        );
    }
    let _ = write!(
        sdp,
        "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n{transport}a=mid:1\r\na=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\n\
         a=fmtp:111 minptime=10;useinbandfec=1\r\n"
    );
    sdp
}

impl Answer {
    /// Reads what is needed; `None` when the answer lacks it.
    pub(crate) fn parse(sdp: &str) -> Option<Self> {
        let after = |name: &str| sdp.lines().find_map(|line| line.trim_end().strip_prefix(name));
        let (algorithm, value) = after("a=fingerprint:")?.split_once(' ')?;
        let transport_cc = sdp.lines().find_map(|line| {
            let (id, uri) = line.trim_end().strip_prefix("a=extmap:")?.split_once(' ')?;
            uri.contains("transport-wide-cc").then(|| id.split('/').next()?.parse().ok())?
        });
        let mut candidates: Vec<SocketAddr> = sdp.lines().filter_map(candidate).collect();
        candidates.sort_unstable();
        candidates.dedup();
        Some(Self {
            ufrag: after("a=ice-ufrag:")?.to_owned(),
            pwd: after("a=ice-pwd:")?.to_owned(),
            fingerprint: (algorithm.to_owned(), value.to_owned()),
            candidates,
            transport_cc,
        })
    }
}

/// The address of a UDP candidate line (RFC 8839 §5.1).
fn candidate(line: &str) -> Option<SocketAddr> {
    let mut words = line.trim_end().strip_prefix("a=candidate:")?.split(' ').skip(1);
    let (component, protocol) = (words.next()?, words.next()?);
    let (address, port) = (words.nth(1)?, words.next()?);
    let wanted = component == "1" && protocol.eq_ignore_ascii_case("udp");
    wanted.then(|| Some(SocketAddr::new(address.parse().ok()?, port.parse().ok()?)))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_gives_what_a_viewer_needs() {
        let sdp = "v=0\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=fingerprint:sha-256 AA:BB\r\n\
                   a=candidate:1 1 udp 2130706431 192.0.2.1 8189 typ host\r\n\
                   a=candidate:2 1 tcp 1671430143 192.0.2.1 8189 typ host tcptype passive\r\n\
                   a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n";
        let answer = Answer::parse(sdp).unwrap();
        assert_eq!((answer.ufrag.as_str(), answer.transport_cc), ("abcd", Some(3)));
        assert_eq!(answer.candidates, [SocketAddr::from(([192, 0, 2, 1], 8189))]);
        assert_eq!(answer.fingerprint, ("sha-256".into(), "AA:BB".into()));
        assert_eq!(Answer::parse("v=0\r\n"), None);
    }

    #[test]
    fn the_offer_has_both_sections_and_our_credentials() {
        let sdp = offer("uuuu", "pppppppppppppppppppppp", ("sha-256", "AA"));
        assert_eq!(sdp.matches("a=ice-ufrag:uuuu").count(), 2);
        assert_eq!(sdp.lines().filter(|line| line.starts_with("m=")).count(), 2);
    }
}
