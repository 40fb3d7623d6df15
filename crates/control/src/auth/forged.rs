//! Access tokens that were not given by this installation, presented to its routes. What they are made of is laid bare
//! here: whoever forges one has no library that holds them back.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::{
    seal::Seal,
    signing::{GENERATIONS_KEPT, SigningKey},
    testing::Server,
};

/// The installation's own key, and what it would sign for anna.
struct Forger {
    key: Ed25519KeyPair,
    header: Value,
    claims: Value,
}

impl Forger {
    /// Holds what nobody should: the installation's private key.
    async fn of(server: &Server, token: &str) -> Self {
        let kept = server.store.signing_keys().await.unwrap().remove(0);
        let seed = Seal::new(&server.secret, "signing key").open(&kept.seed, kept.kid.as_bytes()).unwrap();
        let part = |number| {
            let part = token.split('.').nth(number).unwrap();
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
        };
        Self { key: Ed25519KeyPair::from_seed_unchecked(&seed).unwrap(), header: part(0), claims: part(1) }
    }

    fn unsigned(header: &Value, claims: &Value) -> String {
        [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".")
    }

    fn signed(key: &Ed25519KeyPair, header: &Value, claims: &Value) -> String {
        let text = Self::unsigned(header, claims);
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(key.sign(text.as_bytes())))
    }

    /// A token that is right but for one claim.
    fn claiming(&self, name: &str, value: Value) -> String {
        let mut claims = self.claims.clone();
        claims[name] = value;
        Self::signed(&self.key, &self.header, &claims)
    }

    /// A token that is right but for one field of its header.
    fn heading(&self, name: &str, value: Value) -> String {
        let mut header = self.header.clone();
        header[name] = value;
        Self::signed(&self.key, &header, &self.claims)
    }
}

/// The token opens nothing: neither what needs one nor what takes one.
async fn check_refused(server: &Server, what: &str, token: &str) {
    for path in ["/api/v1/me", "/api/v1/channels/anna", "/api/v1/admin/accounts"] {
        let answer = server.with(token, "GET", path, Value::Null).await;
        let seen = (answer.status, answer.body["type"].as_str().unwrap_or_default());
        assert_eq!(seen, (401, "urn:weir:problem:unauthorized"), "{what}: {path}");
    }
}

#[tokio::test]
async fn no_forged_token_opens_anything() {
    let server = Server::start().await;
    let good = server.token("anna").await;
    let forger = Forger::of(&server, &good).await;
    let same = Forger::signed(&forger.key, &forger.header, &forger.claims);
    assert_eq!(server.with(&same, "GET", "/api/v1/me", Value::Null).await.status, 200, "so the table tells something");

    let now = Timestamp::now().as_second();
    let (header, claims) = (&forger.header, &forger.claims);
    let none = json!({"alg": "none", "typ": "JWT", "kid": header["kid"]});
    let hs256 = json!({"alg": "HS256", "typ": "JWT", "kid": header["kid"]});
    let hmac = |secret: &[u8]| {
        let text = Forger::unsigned(&hs256, claims);
        let mac = Hmac::<Sha256>::new_from_slice(secret).unwrap().chain_update(text.as_bytes()).finalize();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(mac.into_bytes()))
    };
    let public = forger.key.public_key().as_ref();
    let stranger = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(stranger.public_key().as_ref())});
    let with_jwk = json!({"alg": "EdDSA", "typ": "JWT", "kid": header["kid"], "jwk": jwk});
    let table = [
        ("no token", String::new()),
        ("not signed", format!("{}.", Forger::unsigned(&none, claims))),
        ("`none`, signed all the same", Forger::signed(&forger.key, &none, claims)),
        ("the public key as a secret", hmac(public)),
        ("the public key's text as a secret", hmac(URL_SAFE_NO_PAD.encode(public).as_bytes())),
        ("an empty secret", hmac(&[])),
        ("RS256", forger.heading("alg", json!("RS256"))),
        ("ES256", forger.heading("alg", json!("ES256"))),
        ("another key under our `kid`", Forger::signed(&stranger, header, claims)),
        ("another key that it brings along", Forger::signed(&stranger, &with_jwk, claims)),
        ("an unknown `kid`", forger.heading("kid", json!("9-AAAAAAAAAAA"))),
        ("a `kid` that is a path", forger.heading("kid", json!("../../../../dev/null"))),
        ("a `kid` that is a statement", forger.heading("kid", json!("' OR 1=1 --"))),
        ("no `kid`", forger.heading("kid", Value::Null)),
        ("another issuer", forger.claiming("iss", json!("weir-AAAAAAAAAAAAAAAA"))),
        ("no issuer", forger.claiming("iss", Value::Null)),
        ("another audience", forger.claiming("aud", json!("somebody"))),
        ("audiences beside ours in an odd shape", forger.claiming("aud", json!({"weir": true}))),
        ("no account's id", forger.claiming("sub", json!("admin"))),
        ("a name that is none", forger.claiming("name", json!("../anna"))),
        ("expired", forger.claiming("exp", json!(now - 60))),
        ("never expires", forger.claiming("exp", json!(u64::MAX))),
        ("expires before time began", forger.claiming("exp", json!(-1))),
        ("not yet valid", forger.claiming("nbf", json!(now + 60))),
        ("huge", forger.claiming("role", json!("a".repeat(32_000)))),
        ("three dots", format!("{good}.{good}")),
    ];
    for (what, token) in &table {
        check_refused(&server, what, token).await;
    }
    for place in [0, good.len() / 2, good.len() - 2] {
        let mut changed = good.clone().into_bytes();
        changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
        check_refused(&server, "one letter changed", &String::from_utf8(changed).unwrap()).await;
    }
}

#[tokio::test]
async fn what_a_forgotten_key_signed_opens_nothing() {
    let server = Server::start().await;
    let good = server.token("anna").await;
    let seal = Seal::new(&server.secret, "signing key");
    for generation in 2..=GENERATIONS_KEPT + 1 {
        let kid = format!("{generation}-new");
        let seed = seal.seal(&[u8::try_from(generation).unwrap(); 32], kid.as_bytes());
        let key = SigningKey { generation, seed, kid, created_at: Timestamp::now() };
        assert!(server.store.add_signing_key(key).await.unwrap());
        let later = super::Auth::open(server.store.clone(), &server.secret, super::Config::default()).await.unwrap();
        assert_eq!(later.verify(&good).is_ok(), generation <= GENERATIONS_KEPT, "after {generation}");
    }
}
