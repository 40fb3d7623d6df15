//! An offer: a description that can be answered by this server.

use std::str::FromStr;

use super::{
    BadSdp, Unacceptable,
    description::Description,
    section::{Kind, Section},
};
use crate::transport::{Credentials, Fingerprint};

/// Hash functions of fingerprints that are safe (RFC 8122 §5).
const HASHES: [&str; 3] = ["sha-256", "sha-384", "sha-512"];
/// Protocols of m-lines that mean RTP with feedback over DTLS-SRTP (RFC 9429 §5.1.2).
const PROTOS: [&str; 3] = ["UDP/TLS/RTP/SAVPF", "TCP/DTLS/RTP/SAVPF", "RTP/SAVPF"];

/// An offer.
#[derive(Debug, Clone)]
pub struct Offer {
    /// The peer's ICE credentials.
    pub credentials: Credentials,
    /// Its certificate's fingerprints, at most 8.
    pub fingerprints: Vec<Fingerprint>,
    /// What it says.
    pub description: Description,
}

impl Offer {
    /// Reads an offer.
    ///
    /// # Errors
    /// [`BadSdp`] when it cannot be read, or lacks what every session needs.
    pub fn parse(text: &str) -> Result<Self, BadSdp> {
        let description = Description::from_str(text)?;
        if description.sections.is_empty() {
            return Err(BadSdp::Missing("media section"));
        }
        let credentials = description.credentials().ok_or(BadSdp::Missing("ice-ufrag with its ice-pwd"))?;
        let fingerprints = description.fingerprints();
        if fingerprints.is_empty() {
            return Err(BadSdp::Missing("fingerprint"));
        }
        Ok(Self { credentials, fingerprints, description })
    }

    /// What every answer needs, whichever way media goes.
    pub(super) fn is_answerable(&self) -> Result<(), Unacceptable> {
        if self.description.ice_lite {
            return Err(Unacceptable::IceLite);
        }
        // Without the attribute the offerer begins (RFC 4145 §4.1).
        match self.description.setup() {
            None | Some("actpass" | "active") => {}
            Some(other) => return Err(Unacceptable::Setup(other.to_owned())),
        }
        if !self.fingerprints.iter().any(|fingerprint| HASHES.contains(&fingerprint.algorithm.as_str())) {
            return Err(Unacceptable::Fingerprint);
        }
        if self.description.sections.len() > 1 && self.description.bundle.is_empty() {
            return Err(Unacceptable::NoBundle);
        }
        Ok(())
    }

    /// Whether the RTCP of `section` comes on its RTP's transport. Of a BUNDLE only the first section of RTP has to say so:
    /// the others have no transport of their own (RFC 8843 §9.3.1).
    pub(super) fn multiplexes(&self, section: &Section) -> bool {
        let of_mid = |mid: &String| self.description.sections.iter().find(|other| other.mid.as_ref() == Some(mid));
        let tagged = self.description.bundle.iter().filter_map(of_mid).find(|other| other.kind != Kind::Other);
        tagged.unwrap_or(section).rtcp_mux
    }

    /// Sections that could be accepted, with their index.
    pub(super) fn usable(&self) -> impl Iterator<Item = (usize, &Section)> {
        let bundle = &self.description.bundle;
        let is_bundled = move |section: &Section| match &section.mid {
            Some(mid) => bundle.is_empty() || bundle.contains(mid),
            None => bundle.is_empty(),
        };
        self.description.sections.iter().enumerate().filter(move |(_, section)| {
            section.kind != Kind::Other
                && !section.is_refused()
                && PROTOS.contains(&section.proto.as_str())
                && is_bundled(section)
        })
    }
}
