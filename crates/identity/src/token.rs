//! Access tokens: JWTs (RFC 7519) signed with Ed25519 (RFC 8037), short-lived, verified without asking anyone.
//!
//! Of all that JOSE allows, one algorithm is accepted and nothing of the header is believed but `kid`, and that only as
//! the name of a key that is known. Time comes from the caller.

use std::{collections::HashSet, fmt};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::SigningKey;
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode, errors::ErrorKind,
};
use serde::{Deserialize, Serialize};

use crate::{AccountId, ChannelName, FamilyId};

/// How long an access token counts, in seconds: so long may somebody go on whose device was logged out.
pub const LIFETIME_SECONDS: u64 = 600;
/// How far clocks of nodes may be apart, in seconds.
pub const LEEWAY_SECONDS: u64 = 5;
/// Longest token that is looked at, in bytes: ours have about 400.
pub const TOKEN_BYTES_MAX: usize = 2_048;
/// Whom tokens are for (`aud`).
const AUDIENCE: &str = "weir";
/// An Ed25519 private key in PKCS #8 (RFC 8410 §7), up to where the seed follows.
const PKCS8_HEAD: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// What a token says about who presents it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The installation that signed.
    iss: String,
    /// Whom it is for.
    aud: String,
    /// The account.
    pub sub: AccountId,
    /// The device that logged in.
    pub sid: FamilyId,
    /// The account's name.
    pub name: ChannelName,
    /// The account's role in the installation.
    pub role: String,
    /// When it was signed, in seconds since 1970.
    pub iat: u64,
    /// From when it counts.
    pub nbf: u64,
    /// From when it counts no more.
    pub exp: u64,
}

/// Who is to be named in a token.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The account.
    pub account: AccountId,
    /// The device that logged in.
    pub family: FamilyId,
    /// The account's name.
    pub name: ChannelName,
    /// The account's role in the installation.
    pub role: String,
}

/// Why a token does not count. Nothing more is said: whoever presents a bad one learns nothing from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidToken {
    /// Not a token of this installation, or changed.
    #[error("this access token is not valid here")]
    Invalid,
    /// Its time is over: refresh it.
    #[error("this access token has expired")]
    Expired,
}

/// The keys of one installation: the newest signs, all verify.
#[derive(Clone)]
pub struct TokenKeys {
    issuer: String,
    signer: (String, EncodingKey),
    verifiers: Vec<(String, DecodingKey)>,
    validation: Validation,
}

impl fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenKeys").field("signer", &self.signer.0).finish_non_exhaustive()
    }
}

impl TokenKeys {
    /// Keys as `kid` and Ed25519 seed, the one that signs first. `None` when there is none, or one cannot be used.
    #[must_use]
    pub fn new(issuer: &str, keys: &[(String, [u8; 32])]) -> Option<Self> {
        let encoding = |seed: &[u8; 32]| EncodingKey::from_ed_der(&[&PKCS8_HEAD[..], seed].concat());
        let verifiers = keys.iter().map(|(kid, seed)| {
            let public = SigningKey::from_bytes(seed).verifying_key();
            let public = URL_SAFE_NO_PAD.encode(public.as_bytes());
            Some((kid.clone(), DecodingKey::from_ed_components(&public).ok()?))
        });
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[AUDIENCE]);
        validation.required_spec_claims = HashSet::from(["iss", "aud", "sub", "exp", "nbf"].map(str::to_owned));
        // Time is compared here, against the caller's clock.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let (kid, seed) = keys.first()?;
        Some(Self {
            issuer: issuer.to_owned(),
            signer: (kid.clone(), encoding(seed)),
            verifiers: verifiers.collect::<Option<_>>()?,
            validation,
        })
    }

    /// Signs a token that counts from `now`, in seconds since 1970, for [`LIFETIME_SECONDS`].
    ///
    /// # Panics
    /// Never: claims are JSON, and the key was tried when it was read.
    #[must_use]
    pub fn sign(&self, subject: &Subject, now: u64) -> String {
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: AUDIENCE.to_owned(),
            sub: subject.account,
            sid: subject.family,
            name: subject.name.clone(),
            role: subject.role.clone(),
            iat: now,
            nbf: now,
            exp: now.saturating_add(LIFETIME_SECONDS),
        };
        let header = Header { kid: Some(self.signer.0.clone()), ..Header::new(Algorithm::EdDSA) };
        encode(&header, &claims, &self.signer.1).expect("claims are JSON, and the key was tried when it was read")
    }

    /// What `token` says, if it counts at `now`, in seconds since 1970.
    ///
    /// # Errors
    /// [`InvalidToken`] when it does not count.
    pub fn verify(&self, token: &str, now: u64) -> Result<Claims, InvalidToken> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(InvalidToken::Invalid);
        }
        let kid = decode_header(token).ok().and_then(|header| header.kid).ok_or(InvalidToken::Invalid)?;
        let key = self.verifiers.iter().find(|(known, _)| *known == kid).ok_or(InvalidToken::Invalid)?;
        let claims = decode::<Claims>(token, &key.1, &self.validation).map_err(|error| match error.kind() {
            ErrorKind::ExpiredSignature => InvalidToken::Expired,
            _ => InvalidToken::Invalid,
        })?;
        let claims = claims.claims;
        if claims.nbf > now.saturating_add(LEEWAY_SECONDS) || claims.exp > now.saturating_add(2 * LIFETIME_SECONDS) {
            return Err(InvalidToken::Invalid);
        }
        if claims.exp.saturating_add(LEEWAY_SECONDS) <= now {
            return Err(InvalidToken::Expired);
        }
        Ok(claims)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn keys() -> TokenKeys {
        TokenKeys::new("weir-test", &[("k2".into(), [2; 32]), ("k1".into(), [1; 32])]).unwrap()
    }

    fn subject() -> Subject {
        let (account, family) = (AccountId::new(), FamilyId::new());
        Subject { account, family, name: ChannelName::parse("anna").unwrap(), role: "user".into() }
    }

    /// A token signed by a right key with the right `kid`, but with other claims.
    fn signed(change: impl FnOnce(&mut Value)) -> String {
        let subject = subject();
        let mut claims = json!({
            "iss": "weir-test", "aud": "weir", "sub": subject.account, "sid": subject.family, "name": "anna",
            "role": "user", "iat": NOW, "nbf": NOW, "exp": NOW + 60,
        });
        change(&mut claims);
        let header = Header { kid: Some("k2".into()), ..Header::new(Algorithm::EdDSA) };
        encode(&header, &claims, &keys().signer.1).unwrap()
    }

    fn with_header(header: &Value, token: &str) -> String {
        let rest = token.split_once('.').unwrap().1;
        format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()))
    }

    #[track_caller]
    fn check(token: &str, expected: InvalidToken) {
        assert_eq!(keys().verify(token, NOW), Err(expected), "{token}");
    }

    #[test]
    fn what_was_signed_is_believed_until_it_expires() {
        let (keys, subject) = (keys(), subject());
        let token = keys.sign(&subject, NOW);
        let claims = keys.verify(&token, NOW + LIFETIME_SECONDS - 1).unwrap();
        assert_eq!((claims.sub, claims.sid, claims.name), (subject.account, subject.family, subject.name));
        assert_eq!(keys.verify(&token, NOW + LIFETIME_SECONDS + LEEWAY_SECONDS), Err(InvalidToken::Expired));
    }

    #[test]
    fn a_rotated_key_verifies_what_it_signed_until_it_is_forgotten() {
        let old = TokenKeys::new("weir-test", &[("k1".into(), [1; 32])]).unwrap();
        let token = old.sign(&subject(), NOW);
        assert!(keys().verify(&token, NOW).is_ok());
        let later = TokenKeys::new("weir-test", &[("k3".into(), [3; 32]), ("k2".into(), [2; 32])]).unwrap();
        assert_eq!(later.verify(&token, NOW), Err(InvalidToken::Invalid));
    }

    #[test]
    fn tokens_that_must_not_count_do_not() {
        let good = signed(|_| {});
        assert!(keys().verify(&good, NOW).is_ok());
        check("", InvalidToken::Invalid);
        check("a.b.c", InvalidToken::Invalid);
        check(&"a".repeat(1 << 20), InvalidToken::Invalid);
        check(&format!("{good}{}", " ".repeat(TOKEN_BYTES_MAX)), InvalidToken::Invalid);
        // `none`, with and without the signature.
        check(&with_header(&json!({"alg": "none", "kid": "k2"}), &good), InvalidToken::Invalid);
        let unsigned = with_header(&json!({"alg": "none", "kid": "k2"}), &good);
        check(&unsigned[..=unsigned.rfind('.').unwrap()], InvalidToken::Invalid);
        // The public key as an HMAC's secret, and other algorithms by name.
        let public = SigningKey::from_bytes(&[2; 32]).verifying_key().to_bytes();
        let header = Header { kid: Some("k2".into()), ..Header::new(Algorithm::HS256) };
        let claims = json!({"iss": "weir-test", "aud": "weir", "sub": AccountId::new(), "exp": NOW + 60, "nbf": NOW});
        check(&encode(&header, &claims, &EncodingKey::from_secret(&public)).unwrap(), InvalidToken::Invalid);
        for algorithm in ["HS256", "RS256", "ES256", "PS512", "eddsa"] {
            check(&with_header(&json!({"alg": algorithm, "kid": "k2"}), &good), InvalidToken::Invalid);
        }
        // A key of one's own in the header, another's `kid`, none, an unknown one.
        for header in [
            json!({"alg": "EdDSA", "kid": "k1"}),
            json!({"alg": "EdDSA"}),
            json!({"alg": "EdDSA", "kid": "k9"}),
            json!({"alg": "EdDSA", "kid": "../k2"}),
            json!({"alg": "EdDSA", "jwk": {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}}),
        ] {
            check(&with_header(&header, &good), InvalidToken::Invalid);
        }
        check(&signed(|claims| claims["iss"] = json!("somebody")), InvalidToken::Invalid);
        check(&signed(|claims| claims["aud"] = json!("somebody")), InvalidToken::Invalid);
        check(&signed(|claims| claims["sub"] = json!("../admin")), InvalidToken::Invalid);
        check(&signed(|claims| claims["nbf"] = json!(NOW + 60)), InvalidToken::Invalid);
        check(&signed(|claims| claims["exp"] = json!(NOW - 60)), InvalidToken::Expired);
        check(&signed(|claims| claims["exp"] = json!(u64::MAX)), InvalidToken::Invalid);
        for missing in ["iss", "aud", "sub", "sid", "name", "exp", "nbf"] {
            check(&signed(|claims| drop(claims.as_object_mut().unwrap().remove(missing))), InvalidToken::Invalid);
        }
        // One bit of the signature.
        let mut bytes = good.clone().into_bytes();
        let last = bytes.len() - 10;
        bytes[last] = if bytes[last] == b'A' { b'B' } else { b'A' };
        check(&String::from_utf8(bytes).unwrap(), InvalidToken::Invalid);
    }
}
