//! ICE and DTLS attributes, which stand in a section or above all sections.

use super::{BadSdp, lines::Line};
use crate::transport::{Credentials, Fingerprint};

/// Fingerprints that are remembered; certificates have one, in two or three algorithms at most.
const FINGERPRINTS_MAX: usize = 8;
/// Candidates that are remembered. A lite agent needs none; clients of ours read those of a server.
const CANDIDATES_MAX: usize = 64;
/// Longest user fragment and password, in characters (RFC 8839 §5.4).
const ICE_CHARS_MAX: usize = 256;
/// Shortest user fragment, in characters (RFC 8839 §5.4).
const UFRAG_CHARS_MIN: usize = 4;
/// Shortest password, in characters (RFC 8839 §5.4).
const PWD_CHARS_MIN: usize = 22;
/// Longest fingerprint, in characters: SHA-512 in hexadecimal with colons.
const FINGERPRINT_CHARS_MAX: usize = 191;

/// What one level of a description says about its transport.
#[derive(Debug, Clone, Default)]
pub(super) struct Transport {
    pub(super) ufrag: Option<String>,
    pub(super) pwd: Option<String>,
    pub(super) fingerprints: Vec<Fingerprint>,
    pub(super) setup: Option<String>,
    /// `candidate:…` as they were written, at most 64.
    pub(super) candidates: Vec<String>,
}

impl Transport {
    /// Takes an attribute, if it is about the transport.
    pub(super) fn attribute(&mut self, line: &Line<'_>) -> Result<(), BadSdp> {
        let (name, value) = line.attribute();
        match name {
            "ice-ufrag" => {
                let reason = "an ice-ufrag is 4 to 256 letters, digits, + or /";
                self.ufrag = Some(ice(value, UFRAG_CHARS_MIN).ok_or_else(|| line.bad(reason))?);
            }
            "ice-pwd" => {
                let reason = "an ice-pwd is 22 to 256 letters, digits, + or /";
                self.pwd = Some(ice(value, PWD_CHARS_MIN).ok_or_else(|| line.bad(reason))?);
            }
            "fingerprint" => {
                let reason = "a fingerprint is ALGORITHM HEX:HEX:…";
                let fingerprint = fingerprint(value).ok_or_else(|| line.bad(reason))?;
                if self.fingerprints.len() < FINGERPRINTS_MAX {
                    self.fingerprints.push(fingerprint);
                }
            }
            "setup" => match value {
                "active" | "passive" | "actpass" | "holdconn" => self.setup = Some(value.to_owned()),
                _ => return Err(line.bad("a setup is active, passive, actpass or holdconn")),
            },
            "candidate" if self.candidates.len() < CANDIDATES_MAX => self.candidates.push(line.value.to_owned()),
            _ => {}
        }
        Ok(())
    }

    /// Both halves of the credentials.
    pub(super) fn credentials(&self) -> Option<Credentials> {
        Some(Credentials { ufrag: self.ufrag.clone()?, pwd: self.pwd.clone()? })
    }
}

fn ice(value: &str, least: usize) -> Option<String> {
    let is_ice = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    ((least..=ICE_CHARS_MAX).contains(&value.len()) && value.bytes().all(is_ice)).then(|| value.to_owned())
}

fn fingerprint(value: &str) -> Option<Fingerprint> {
    let (algorithm, value) = value.trim().split_once(' ')?;
    let is_pair = |pair: &str| pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit());
    if value.len() > FINGERPRINT_CHARS_MAX || !value.split(':').all(is_pair) {
        return None;
    }
    Some(Fingerprint { algorithm: algorithm.to_ascii_lowercase(), value: value.to_ascii_uppercase() })
}
