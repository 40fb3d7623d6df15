//! `[limits]`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Class;

/// `[limits]`: how much of the API one caller may use. A network of IPv6 (/64) counts as one address. What was not used
/// adds up to one minute's worth. 0 means without limit.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Registrations a minute from one address. A campus or a proxy that is not listed in `http.trusted_proxies` is one.
    pub registrations_per_minute: u32,
    /// Logins, renewals and logouts a minute from one address, right or wrong.
    pub logins_per_minute: u32,
    /// Messages of rooms that one account may report in a minute.
    pub reports_per_minute: u32,
    /// Requests a minute of one account that change something.
    pub writes_per_minute: u32,
    /// Requests a minute of one account that only ask.
    pub reads_per_minute: u32,
    /// Requests a minute from one address by callers that are not logged in. They are the audience as well, and many
    /// may sit behind one address.
    pub anonymous_per_minute: u32,
    /// Wrong passwords or codes in a row for one account. Then one more each `wrong_password_every`. Addresses where
    /// the account is logged in have as many of their own, so that guessing elsewhere does not lock its owner out.
    /// 0 lets anyone guess.
    pub wrong_passwords: u32,
    /// After how long one more wrong password is taken.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub wrong_password_every: Duration,
    /// Wrong passwords or codes in a row from one address, for whichever accounts. Then one more each second. As many wrong
    /// stream keys; what comes then is answered slowly, and a right key always opens.
    pub wrong_passwords_per_address: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            registrations_per_minute: 30,
            logins_per_minute: 600,
            reports_per_minute: 20,
            writes_per_minute: 600,
            reads_per_minute: 6_000,
            anonymous_per_minute: 60_000,
            wrong_passwords: 10,
            wrong_password_every: Duration::from_secs(30),
            wrong_passwords_per_address: 100,
        }
    }
}

impl Config {
    /// Says which value is impossible.
    ///
    /// # Errors
    /// The key, below `limits`, and what is wrong with its value.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        if !(Duration::from_secs(1)..=Duration::from_secs(3_600)).contains(&self.wrong_password_every) {
            return Err(("wrong_password_every", "must be 1 s to 1 h".into()));
        }
        if self.wrong_passwords > 1_000 {
            return Err(("wrong_passwords", "must be at most 1000: beyond it guessing is not slowed".into()));
        }
        Ok(())
    }

    /// What one account may have of a class a minute; 0 is without limit.
    pub(super) fn per_account(&self, class: Class) -> u32 {
        match class {
            Class::Register => self.registrations_per_minute,
            Class::Login => self.logins_per_minute,
            Class::Report => self.reports_per_minute,
            Class::Write => self.writes_per_minute,
            Class::Read => self.reads_per_minute,
        }
    }

    /// What one address may have of a class a minute; 0 is without limit.
    pub(super) fn per_address(&self, class: Class) -> u32 {
        if class.by_address() { self.per_account(class) } else { self.anonymous_per_minute }
    }
}
