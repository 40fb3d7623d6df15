//! The certificate of a DTLS side, and the fingerprint by which SDP names it (RFC 8122).

use rtc::dtls::crypto::Certificate as DtlsCertificate;
use sha2::{Digest, Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq;

use super::Error;
use super::provider::provider;

/// A self-signed ECDSA P-256 certificate with its key.
#[derive(Clone)]
pub struct Certificate {
    dtls: DtlsCertificate,
    fingerprint: Fingerprint,
}

/// A digest of a certificate, as `a=fingerprint` writes it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    /// The hash function's name as RFC 8122 §5 has it: `sha-256`; others in lower or upper case.
    pub algorithm: String,
    /// The digest: two upper-case hexadecimal digits a byte, with colons between them.
    pub value: String,
}

impl Certificate {
    /// Makes a new key and signs it. Takes well under a millisecond; one for the life of a process is enough.
    pub fn generate() -> Result<Self, Error> {
        let dtls = DtlsCertificate::generate_self_signed(vec!["weir".to_owned()], provider().crypto())
            .map_err(|error| Error::Crypto(error.to_string()))?;
        let der = dtls.certificate.first().ok_or(Error::WrongCertificate)?;
        let fingerprint =
            Fingerprint { algorithm: "sha-256".to_owned(), value: hexadecimal(&Sha256::digest(der.as_ref())) };
        Ok(Self { dtls, fingerprint })
    }

    /// Its SHA-256.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint.clone()
    }

    pub(super) fn dtls(&self) -> &DtlsCertificate {
        &self.dtls
    }
}

/// Whether the certificate has one of the fingerprints. One of another function, SHA-1 among
/// them, matches nothing; with several, any
/// may match (RFC 8122 §5).
pub(super) fn matches_any(der: &[u8], fingerprints: &[Fingerprint]) -> bool {
    fingerprints.iter().any(|fingerprint| fingerprint.matches(der))
}

impl Fingerprint {
    fn matches(&self, der: &[u8]) -> bool {
        let digest = match self.algorithm.to_ascii_lowercase().as_str() {
            "sha-256" => hexadecimal(&Sha256::digest(der)),
            "sha-384" => hexadecimal(&Sha384::digest(der)),
            "sha-512" => hexadecimal(&Sha512::digest(der)),
            _ => return false,
        };
        digest.as_bytes().ct_eq(self.value.to_ascii_uppercase().as_bytes()).into()
    }
}

fn hexadecimal(digest: &[u8]) -> String {
    let bytes: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    bytes.join(":")
}
