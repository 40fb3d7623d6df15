//! Fragments of trickle and of ICE restarts: `application/trickle-ice-sdpfrag` (RFC 8840 §9, RFC 9725 §4.3).

use std::fmt::Write as _;

use super::{
    BadSdp,
    lines::lines,
    local::Local,
    section::{Section, id},
    transport::Transport,
};
use crate::transport::Credentials;

/// Sections of a fragment that are read, as in a description.
const SECTIONS_MAX: usize = 16;
/// What a fragment without sections is answered with: nobody reads its formats.
const M_LINE: &str = "audio 9 UDP/TLS/RTP/SAVPF 0";

/// What a peer tells between its offer and the end.
#[derive(Debug, Clone)]
pub struct Fragment {
    /// Its ICE credentials. Other ones than before ask for a restart; with the same, or none, it is trickle.
    pub credentials: Option<Credentials>,
    /// Its candidates as they were written, at most 64. A lite agent needs none of them.
    pub candidates: Vec<String>,
    /// What follows `m=` of the first section, and its mid.
    section: Option<(String, Option<String>)>,
    /// The mids of the BUNDLE group, after `BUNDLE`.
    bundle: Option<String>,
}

impl Fragment {
    /// Reads a fragment.
    ///
    /// # Errors
    /// [`BadSdp`] when it cannot be read, or says nothing.
    pub fn parse(text: &str) -> Result<Self, BadSdp> {
        let mut transport = Transport::default();
        let (mut section, mut bundle) = (None::<(String, Option<String>)>, None);
        let mut sections = 0;
        let mut says_something = false;
        for line in lines(text)? {
            let line = line?;
            match (line.kind, line.attribute()) {
                (b'm', _) => {
                    sections += 1;
                    if sections > SECTIONS_MAX {
                        return Err(line.bad("there are more than 16 sections"));
                    }
                    Section::parse(&line)?;
                    if section.is_none() {
                        section = Some((line.value.to_owned(), None));
                    }
                }
                (b'a', ("mid", mid)) => {
                    let mid = id(mid).ok_or_else(|| line.bad("a mid is a token of at most 16 bytes"))?;
                    if let (1, Some((_, slot))) = (sections, &mut section) {
                        *slot = Some(mid);
                    }
                }
                (b'a', ("group", group)) => {
                    bundle = group.strip_prefix("BUNDLE ").filter(|mids| mids.split(' ').all(|mid| id(mid).is_some()));
                }
                (b'a', (name, _)) => {
                    // Bundled sections share one transport: the first credentials are everyone's.
                    let is_known = match name {
                        "ice-ufrag" => transport.ufrag.is_some(),
                        "ice-pwd" => transport.pwd.is_some(),
                        _ => false,
                    };
                    if !is_known {
                        transport.attribute(&line)?;
                    }
                    says_something = true;
                }
                _ => {}
            }
        }
        if !says_something {
            return Err(BadSdp::Missing("attributes"));
        }
        let credentials = match (&transport.ufrag, &transport.pwd) {
            (Some(_), None) => return Err(BadSdp::Missing("ice-pwd for its ice-ufrag")),
            (None, Some(_)) => return Err(BadSdp::Missing("ice-ufrag for its ice-pwd")),
            _ => transport.credentials(),
        };
        Ok(Self { credentials, candidates: transport.candidates, section, bundle: bundle.map(str::to_owned) })
    }

    /// Whether it asks for a restart, when the peer's credentials have been `known` so far.
    #[must_use]
    pub fn restarts(&self, known: &Credentials) -> bool {
        self.credentials.as_ref().is_some_and(|credentials| credentials != known)
    }

    /// The fragment that answers a restart: our new credentials and all candidates.
    #[must_use]
    pub fn answer(&self, local: &Local) -> String {
        let mut out = String::from("a=ice-lite\r\na=ice-options:ice2 trickle\r\n");
        let mut line = |text: std::fmt::Arguments<'_>| {
            out.write_fmt(text).and_then(|()| out.write_str("\r\n")).expect("writing to a String does not fail");
        };
        if let Some(bundle) = &self.bundle {
            line(format_args!("a=group:BUNDLE {bundle}"));
        }
        let (m_line, mid) = self.section.as_ref().map_or((M_LINE, None), |(m_line, mid)| (m_line, mid.as_deref()));
        line(format_args!("m={m_line}"));
        if let Some(mid) = mid {
            line(format_args!("a=mid:{mid}"));
        }
        line(format_args!("a=ice-ufrag:{}", local.credentials.ufrag));
        line(format_args!("a=ice-pwd:{}", local.credentials.pwd));
        for candidate in local.candidates.iter() {
            line(format_args!("a={candidate}"));
        }
        line(format_args!("a=end-of-candidates"));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ICE restart of RFC 9725 §4.3.3, figure 5.
    const RESTART: &str = "a=ice-options:trickle ice2\r\na=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n\
        a=mid:0\r\na=ice-ufrag:ysXw\r\na=ice-pwd:vw5LmwG4y/e6dPP/zAP9Gp5k\r\n\
        a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag ysXw network-id 1\r\n";

    fn credentials(ufrag: &str, pwd: &str) -> Credentials {
        Credentials { ufrag: ufrag.into(), pwd: pwd.into() }
    }

    #[test]
    fn other_credentials_ask_for_a_restart() {
        let fragment = Fragment::parse(RESTART).unwrap();
        assert_eq!(fragment.candidates.len(), 1);
        assert!(!fragment.restarts(&credentials("ysXw", "vw5LmwG4y/e6dPP/zAP9Gp5k")));
        assert!(fragment.restarts(&credentials("EsAw", "bP+XJMM09aR8AiX1jdukzR6Y")));
        let trickle = Fragment::parse("a=end-of-candidates\r\n").unwrap();
        assert!(!trickle.restarts(&credentials("EsAw", "bP+XJMM09aR8AiX1jdukzR6Y")));
    }

    #[test]
    fn a_restart_is_answered_in_the_section_that_was_named() {
        let local = super::super::tests::local();
        let answer = Fragment::parse(RESTART).unwrap().answer(&local);
        let want = "a=ice-lite\r\na=ice-options:ice2 trickle\r\na=group:BUNDLE 0 1\r\n\
            m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:ours\r\na=ice-pwd:0123456789012345678901\r\n\
            a=candidate:1 1 udp 2 192.0.2.1 8189 typ host\r\n\
            a=candidate:2 1 tcp 1 192.0.2.1 8189 typ host tcptype passive\r\na=end-of-candidates\r\n";
        assert_eq!(answer, want);
    }

    #[test]
    fn half_of_credentials_and_nothing_at_all_are_refused() {
        let check = |text, want| assert_eq!(Fragment::parse(text).unwrap_err(), want);
        check("a=ice-ufrag:abcd\r\n", BadSdp::Missing("ice-pwd for its ice-ufrag"));
        check("", BadSdp::Missing("attributes"));
        check(
            "a=mid:0\nm=audio\n",
            BadSdp::Line { line: 2, reason: "an m-line has a media, a port, a protocol and formats" },
        );
    }

    #[test]
    fn ten_thousand_candidates_are_not_kept() {
        let text = "a=candidate:1 1 udp 1 192.0.2.1 1 typ host\n".repeat(1_000);
        assert_eq!(Fragment::parse(&text).unwrap().candidates.len(), 64);
        assert_eq!(Fragment::parse(&text.repeat(10)).unwrap_err(), BadSdp::TooLong);
    }
}
