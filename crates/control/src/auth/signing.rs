//! Which keys sign and verify access tokens, out of the store.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use weir_identity::{KeySecret, token::TokenKeys};

use crate::{
    error::Error,
    seal::{Seal, derive},
    signing::SigningKey,
    store::Store,
};

/// How often a server looks for keys that others made. A token of a key that is not known yet is refused so long.
pub(super) const LOOKED_AT_EVERY: Duration = Duration::from_secs(30);
/// A key must be known everywhere before it signs.
const SIGNS_AFTER: Duration = Duration::from_secs(90);

/// What tokens of an installation name as their issuer: the same on all its nodes, another elsewhere.
pub(super) fn issuer(secret: &KeySecret) -> String {
    format!("weir-{}", URL_SAFE_NO_PAD.encode(&derive(secret, "issuer", b"")[..12]))
}

/// The installation's keys at `now`. Makes the first one, and the next when the newest is older than `lifetime`.
pub(super) async fn keys(
    store: &dyn Store,
    secret: &KeySecret,
    issuer: &str,
    lifetime: Duration,
    now: Timestamp,
) -> Result<TokenKeys, Error> {
    let seal = Seal::new(secret, "signing key");
    let mut kept = store.signing_keys().await?;
    let is_old = |key: &SigningKey| age(key, now) >= lifetime;
    if kept.first().is_none_or(is_old) {
        let generation = kept.first().map_or(1, |newest| newest.generation + 1);
        // False: another node was first, and its key is as good.
        store.add_signing_key(new_key(generation, now, &seal)).await?;
        kept = store.signing_keys().await?;
    }
    // The newest signs once every node has had the time to see it; the very first signs at once.
    let ready = kept.iter().position(|key| age(key, now) >= SIGNS_AFTER).unwrap_or(kept.len().saturating_sub(1));
    if ready < kept.len() {
        kept[..=ready].rotate_right(1);
    }
    let open = |key: &SigningKey| {
        let seed = seal.open(&key.seed, key.kid.as_bytes())?;
        Some((key.kid.clone(), <[u8; 32]>::try_from(seed).ok()?))
    };
    let seeds: Vec<_> = kept.iter().filter_map(open).collect();
    TokenKeys::new(issuer, &seeds)
        .ok_or_else(|| Error::Other("the signing keys in the store do not open: were two installations mixed?".into()))
}

fn age(key: &SigningKey, now: Timestamp) -> Duration {
    now.duration_since(key.created_at).unsigned_abs()
}

fn new_key(generation: u32, now: Timestamp, seal: &Seal) -> SigningKey {
    let mut random = [0; 40];
    getrandom::fill(&mut random).expect("the operating system gives random bytes");
    let (seed, name) = random.split_at(32);
    let kid = format!("{generation}-{}", URL_SAFE_NO_PAD.encode(name));
    SigningKey { generation, seed: seal.seal(seed, kid.as_bytes()), kid, created_at: crate::store_time(now) }
}
