//! What a browser carries from one step of a login to the next, sealed: no node keeps anything of it, and any node goes
//! on with it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use weir_identity::{AccountId, FamilyId, KeySecret};

use super::return_to::ReturnTo;
use crate::{oidc_identities::OidcIdentity, seal::Seal};

/// How long somebody may take at the provider, and afterwards for a code or a name.
pub(super) const STEP_MAX: SignedDuration = SignedDuration::from_mins(10);
/// Browsers keep cookies of 4096 bytes; longer texts are not ours.
const SEALED_BYTES_MAX: usize = 4_096;

/// A step that is carried along.
pub(super) trait Step: Serialize + DeserializeOwned {
    /// What it is sealed as; one kind does not open as another.
    const KIND: &'static str;
}

/// Somebody is at the provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attempt {
    /// The provider's name in the settings.
    pub(crate) provider: String,
    /// What the provider must bring back.
    pub(crate) state: String,
    /// What its token must carry.
    pub(crate) nonce: String,
    /// Proves to the provider that the code was meant for us (RFC 7636).
    pub(crate) verifier: String,
    /// Where it was told to send the browser.
    pub(crate) redirect_uri: String,
    /// Where the browser goes in the end.
    pub(crate) return_to: ReturnTo,
    /// Who links what comes back to their account; nobody, if somebody logs in.
    pub(crate) link: Option<Link>,
}

/// Somebody who was logged in when they asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Link {
    pub(crate) account: AccountId,
    pub(crate) device: FamilyId,
}

/// Somebody the provider vouched for, who must say one more thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ticket {
    pub(super) provider: String,
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) return_to: ReturnTo,
    pub(super) wants: Wants,
}

/// What they must say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Wants {
    /// The code of the account's second factor.
    Code(AccountId),
    /// What their new account is called.
    Username { suggested: String, email: Option<String> },
}

impl Ticket {
    pub(super) fn identity(&self) -> OidcIdentity {
        OidcIdentity { issuer: self.issuer.clone(), subject: self.subject.clone() }
    }
}

impl Step for Attempt {
    const KIND: &'static str = "attempt";
}

impl Step for Ticket {
    const KIND: &'static str = "ticket";
}

#[derive(Serialize, Deserialize)]
struct Carried<T> {
    /// Seconds since 1970.
    until: i64,
    step: T,
}

/// Seals steps.
#[derive(Debug)]
pub(super) struct Steps(Seal);

impl Steps {
    pub(super) fn new(secret: &KeySecret) -> Self {
        Self(Seal::new(secret, "oidc"))
    }

    /// A step as a cookie's value. It counts for [`STEP_MAX`] from `now`.
    pub(super) fn seal<T: Step>(&self, step: T, now: Timestamp) -> String {
        let until = (now + STEP_MAX).as_second();
        let step = serde_json::to_vec(&Carried { until, step }).expect("texts and ids are JSON");
        URL_SAFE_NO_PAD.encode(self.0.seal(&step, T::KIND.as_bytes()))
    }

    /// The step of a cookie, if it is ours and not too old.
    pub(super) fn open<T: Step>(&self, sealed: &str, now: Timestamp) -> Option<T> {
        if sealed.len() > SEALED_BYTES_MAX {
            return None;
        }
        let opened = self.0.open(&URL_SAFE_NO_PAD.decode(sealed).ok()?, T::KIND.as_bytes())?;
        let carried: Carried<T> = serde_json::from_slice(&opened).ok()?;
        (now.as_second() < carried.until).then_some(carried.step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt() -> Attempt {
        Attempt {
            provider: "keycloak".into(),
            state: "s".into(),
            nonce: "n".into(),
            verifier: "v".into(),
            redirect_uri: "https://weir.example/api/v1/auth/oidc/keycloak/callback".into(),
            return_to: ReturnTo::of(Some("/anna")),
            link: Some(Link { account: AccountId::new(), device: FamilyId::new() }),
        }
    }

    #[test]
    fn a_step_opens_on_every_node_of_the_installation_until_its_time_is_over() {
        let (secret, now) = (KeySecret::random(), Timestamp::now());
        let sealed = Steps::new(&secret).seal(attempt(), now);
        let open = |secret: &KeySecret, at| Steps::new(secret).open::<Attempt>(&sealed, at);
        assert!(open(&secret, now).is_some_and(|opened| opened.return_to.as_str() == "/anna"));
        assert_eq!(open(&secret, now + STEP_MAX), None);
        assert_eq!(open(&KeySecret::random(), now), None);
        assert_eq!(Steps::new(&secret).open::<Ticket>(&sealed, now), None, "it is of another kind");
    }

    #[test]
    fn nothing_else_opens() {
        let (steps, now) = (Steps::new(&KeySecret::random()), Timestamp::now());
        let sealed = steps.seal(attempt(), now);
        let mut changed = sealed.clone().into_bytes();
        changed[40] ^= 1;
        for text in ["", "AAAA", "né", &sealed[1..], &String::from_utf8_lossy(&changed), &"A".repeat(5_000)] {
            assert_eq!(steps.open::<Attempt>(text, now), None);
        }
    }

    #[test]
    fn the_longest_step_fits_a_cookie() {
        let steps = Steps::new(&KeySecret::random());
        let long = Attempt {
            provider: "p".repeat(32),
            redirect_uri: "u".repeat(400),
            return_to: ReturnTo::of(Some(&format!("/{}", "r".repeat(500)))),
            verifier: "v".repeat(128),
            ..attempt()
        };
        assert!(steps.seal(long, Timestamp::now()).len() < SEALED_BYTES_MAX - 200);
        let wants = Wants::Username { suggested: "n".repeat(32), email: Some("e".repeat(254)) };
        let ticket = Ticket {
            provider: "p".repeat(32),
            issuer: "i".repeat(512),
            subject: "\"".repeat(255),
            return_to: ReturnTo::of(Some(&format!("/{}", "r".repeat(500)))),
            wants,
        };
        assert!(steps.seal(ticket, Timestamp::now()).len() < SEALED_BYTES_MAX - 200);
    }
}
