//! The second factor: time-based codes (RFC 6238), and recovery codes for who lost the device.

mod totp;

use serde::{Deserialize, Serialize};

pub use totp::{Codes, RECOVERY_CODES, Shown};

/// A second factor that was set up, as it is kept with its account.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecondFactor {
    /// The shared secret, sealed under the installation's secret.
    pub sealed: Vec<u8>,
    /// HMAC-SHA256 of each recovery code that was not used yet.
    pub recovery: Vec<[u8; 32]>,
    /// The last time step whose code was used: a code counts once (RFC 6238 §5.2).
    pub last_step: u64,
    /// False while it waits for its first right code; only a confirmed one is asked for.
    pub confirmed: bool,
}

impl std::fmt::Debug for SecondFactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecondFactor").field("confirmed", &self.confirmed).finish_non_exhaustive()
    }
}
