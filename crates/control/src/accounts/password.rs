//! Passwords, kept as Argon2id (RFC 9106).

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc},
};

/// Fewest characters of a password that is set by hand.
pub const PASSWORD_CHARS_MIN: usize = 8;
/// Most bytes of a password: hashing costs the same for all, reading a longer one does not.
pub const PASSWORD_BYTES_MAX: usize = 1024;

/// What hashing costs. A hash carries its own, so that it can be raised at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
}

impl Default for Cost {
    /// What OWASP recommends: 19 MiB, 2 passes.
    fn default() -> Self {
        Self { memory_kib: 19_456, passes: 2 }
    }
}

/// A password's hash in PHC format, salt and cost included.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

/// The text cannot be a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a password has at least {PASSWORD_CHARS_MIN} characters and at most {PASSWORD_BYTES_MAX} bytes")]
pub struct InvalidPassword;

impl PasswordHash {
    /// Hashes a password. Takes tens of milliseconds of a core: not for an async thread.
    ///
    /// # Errors
    /// [`InvalidPassword`] for one that is too short or too long.
    ///
    /// # Panics
    /// When the operating system has no randomness to give, or `cost` is none that Argon2 allows.
    pub fn of(password: &str, cost: Cost) -> Result<Self, InvalidPassword> {
        if password.chars().count() < PASSWORD_CHARS_MIN || password.len() > PASSWORD_BYTES_MAX {
            return Err(InvalidPassword);
        }
        let params = Params::new(cost.memory_kib, cost.passes, 1, None).expect("the configuration was validated");
        let hash = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password(password.as_bytes())
            .expect("valid parameters, a salt from the operating system and a bounded password hash");
        Ok(Self(hash.to_string()))
    }

    /// The hash as it was stored.
    #[must_use]
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The hash, for the store.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `password` is the one. As slow as hashing. A damaged hash matches nothing.
    #[must_use]
    pub fn matches(&self, password: &str) -> bool {
        let Ok(hash) = phc::PasswordHash::new(&self.0) else { return false };
        password.len() <= PASSWORD_BYTES_MAX && Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
    }
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_matches_its_password_only() {
        let hash = PasswordHash::of("correct horse", Cost::default()).unwrap();
        assert!(hash.as_str().starts_with("$argon2id$"));
        assert!(hash.matches("correct horse"));
        assert!(!hash.matches("correct mule"));
        assert!(!PasswordHash::from_stored("damaged".into()).matches("correct horse"));
    }

    #[test]
    fn short_and_endless_passwords_are_refused() {
        assert_eq!(PasswordHash::of("short", Cost::default()).unwrap_err(), InvalidPassword);
        assert_eq!(
            PasswordHash::of(&"a".repeat(PASSWORD_BYTES_MAX + 1), Cost::default()).unwrap_err(),
            InvalidPassword
        );
    }
}
