//! Tokens that were verified: a signature costs some fifty microseconds to check, and the same token comes with every
//! request of ten minutes.

use std::{collections::HashMap, sync::Arc};

use parking_lot::RwLock;
use weir_identity::token::{Claims, InvalidToken};

/// Tokens remembered; some 6 MB. When there are more, all are forgotten, and verified again as they come.
const TOKENS_MAX: usize = 10_000;

/// Remembers what good tokens say. Bad ones are never remembered: they cost their check each time.
#[derive(Debug, Default)]
pub(super) struct Verified(RwLock<HashMap<Box<str>, Arc<Claims>>>);

impl Verified {
    /// What `token` says at `now`, in seconds since 1970, by `verify` where it is not known.
    pub(super) fn claims(
        &self,
        token: &str,
        now: u64,
        verify: impl FnOnce(&str) -> Result<Claims, InvalidToken>,
    ) -> Result<Arc<Claims>, InvalidToken> {
        if let Some(claims) = self.0.read().get(token) {
            return if claims.exp > now { Ok(claims.clone()) } else { Err(InvalidToken::Expired) };
        }
        let claims = Arc::new(verify(token)?);
        let mut known = self.0.write();
        if known.len() >= TOKENS_MAX {
            known.clear();
        }
        known.insert(token.into(), claims.clone());
        Ok(claims)
    }
}

#[cfg(test)]
mod tests {
    use weir_identity::{
        AccountId, ChannelName, FamilyId,
        token::{LIFETIME_SECONDS, Subject, TokenKeys},
    };

    use super::*;

    #[test]
    fn a_known_token_is_not_verified_again_and_expires_all_the_same() {
        let keys = TokenKeys::new("weir-test", &[("k".into(), [1; 32])]).unwrap();
        let name = ChannelName::parse("anna").unwrap();
        let subject = Subject { account: AccountId::new(), family: FamilyId::new(), name, role: "user".into() };
        let (token, verified) = (keys.sign(&subject, 1_000), Verified::default());
        verified.claims(&token, 1_000, |token| keys.verify(token, 1_000)).unwrap();
        assert!(verified.claims(&token, 1_100, |_| panic!("it is known")).is_ok());
        let late = verified.claims(&token, 1_000 + LIFETIME_SECONDS, |_| panic!("it is known"));
        assert_eq!(late, Err(InvalidToken::Expired));
        assert_eq!(verified.claims("bad", 1_000, |token| keys.verify(token, 1_000)), Err(InvalidToken::Invalid));
        assert_eq!(verified.0.read().len(), 1);
    }
}
