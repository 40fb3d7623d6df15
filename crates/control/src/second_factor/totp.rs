//! Codes: time-based ones (RFC 6238: SHA-1, 6 digits, 30 s, which every authenticator app knows) and recovery codes.

use subtle::ConstantTimeEq;
use totp_rs::{Algorithm, TOTP};
use weir_identity::KeySecret;

use super::SecondFactor;
use crate::seal::{Seal, derive};

/// Seconds that one code counts.
const STEP_SECONDS: u64 = 30;
/// Steps before and after the present one whose codes count too: clocks of phones are not exact.
const STEPS_OFF: u64 = 1;
/// Bytes of a shared secret (RFC 4226 §4 recommends 160 bits).
const SECRET_BYTES: usize = 20;
/// Recovery codes that are made together.
pub const RECOVERY_CODES: usize = 10;

/// Makes and checks codes with the installation's secret.
#[derive(Debug)]
pub struct Codes {
    seal: Seal,
    secret: KeySecret,
}

/// What a device and its owner are shown once.
pub struct Shown {
    /// For an authenticator app, as a QR code or a link.
    pub url: String,
    /// The shared secret in base32, to be typed.
    pub secret: String,
    /// Each opens the account once without the device.
    pub recovery_codes: Vec<String>,
}

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shown(…)")
    }
}

impl Codes {
    /// Codes of one installation.
    #[must_use]
    pub fn new(secret: &KeySecret) -> Self {
        Self { seal: Seal::new(secret, "second factor"), secret: secret.clone() }
    }

    /// A new factor that waits for its first right code, for the account with id `account` and name `name`.
    ///
    /// # Panics
    /// When the operating system has no randomness to give.
    #[must_use]
    pub fn begin(&self, account: &[u8], name: &str) -> (SecondFactor, Shown) {
        let mut secret = vec![0; SECRET_BYTES];
        getrandom::fill(&mut secret).expect("the operating system gives random bytes");
        let recovery_codes: Vec<String> = (0..RECOVERY_CODES).map(|_| recovery_code()).collect();
        let recovery = recovery_codes.iter().map(|code| self.recovery_hash(account, code)).collect();
        let sealed = self.seal.seal(&secret, account);
        let totp = totp(secret, name);
        let shown = Shown { url: totp.get_url(), secret: totp.get_secret_base32(), recovery_codes };
        (SecondFactor { sealed, recovery, last_step: 0, confirmed: false }, shown)
    }

    /// The factor as it is after `code` was used at `now`, in seconds since 1970; `None` when the code is wrong or was
    /// used before.
    #[must_use]
    pub fn spend(&self, account: &[u8], factor: &SecondFactor, code: &str, now: u64) -> Option<SecondFactor> {
        let code: String = code.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
        if code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()) {
            let totp = totp(self.seal.open(&factor.sealed, account)?, "");
            let step = now / STEP_SECONDS;
            let step = (step.saturating_sub(STEPS_OFF)..=step + STEPS_OFF).find(|step| {
                *step > factor.last_step && same(totp.generate(step * STEP_SECONDS).as_bytes(), code.as_bytes())
            })?;
            return Some(SecondFactor { last_step: step, confirmed: true, ..factor.clone() });
        }
        let hash = self.recovery_hash(account, &code);
        let at = factor.recovery.iter().position(|known| same(&known[..], &hash)).filter(|_| factor.confirmed)?;
        let mut spent = factor.clone();
        spent.recovery.remove(at);
        Some(spent)
    }

    fn recovery_hash(&self, account: &[u8], code: &str) -> [u8; 32] {
        let code: String = code.chars().filter(|c| *c != '-').flat_map(char::to_lowercase).collect();
        derive(&self.secret, "recovery code", &[account, code.as_bytes()].concat())
    }
}

/// Compares without telling by time where two differ.
fn same(one: &[u8], two: &[u8]) -> bool {
    one.ct_eq(two).into()
}

fn totp(secret: Vec<u8>, name: &str) -> TOTP {
    // `new` would only check lengths that are fixed here.
    TOTP::new_unchecked(Algorithm::SHA1, 6, 1, STEP_SECONDS, secret, Some("Weir".into()), name.into())
}

/// 16 of 32 characters, in fours: 80 bits.
fn recovery_code() -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).expect("the operating system gives random bytes");
    let letters: Vec<char> = bits.iter().map(|bits| char::from(ALPHABET[usize::from(bits % 32)])).collect();
    letters.chunks(4).map(String::from_iter).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn codes() -> (Codes, SecondFactor, Shown, TOTP) {
        let codes = Codes::new(&KeySecret::random());
        let (factor, shown) = codes.begin(b"id", "anna");
        let secret = codes.seal.open(&factor.sealed, b"id").unwrap();
        (codes, factor, shown, totp(secret, "anna"))
    }

    #[test]
    fn a_code_counts_once_and_near_its_time() {
        let (codes, factor, _, totp) = codes();
        let code = totp.generate(NOW);
        let spent = codes.spend(b"id", &factor, &code, NOW + 29).unwrap();
        assert!(spent.confirmed);
        assert_eq!(codes.spend(b"id", &spent, &code, NOW), None, "it was used");
        assert!(codes.spend(b"id", &spent, &totp.generate(NOW + 30), NOW + 5).is_some());
        assert_eq!(codes.spend(b"id", &factor, &code, NOW + 90), None, "it is old");
        assert_eq!(codes.spend(b"other", &factor, &code, NOW), None, "the factor is somebody else's");
    }

    #[test]
    fn a_recovery_code_counts_once_however_it_is_typed() {
        let (codes, factor, shown, totp) = codes();
        assert_eq!(shown.recovery_codes.len(), RECOVERY_CODES);
        let typed = shown.recovery_codes[3].to_uppercase().replace('-', " ");
        assert_eq!(codes.spend(b"id", &factor, &typed, NOW), None, "the factor waits for its first code");
        let factor = codes.spend(b"id", &factor, &totp.generate(NOW), NOW).unwrap();
        let spent = codes.spend(b"id", &factor, &typed, NOW).unwrap();
        assert_eq!(spent.recovery.len(), RECOVERY_CODES - 1);
        assert_eq!(codes.spend(b"id", &spent, &typed, NOW), None);
    }

    #[test]
    fn nonsense_opens_nothing() {
        let (codes, factor, _, _) = codes();
        for code in ["", "000", "١٢٣٤٥٦", &"9".repeat(10_000), "abcd-abcd-abcd-abcd"] {
            assert_eq!(codes.spend(b"id", &factor, code, NOW), None, "{code}");
        }
    }

    #[test]
    fn the_url_names_server_and_account() {
        let (_, _, shown, _) = codes();
        assert!(shown.url.starts_with("otpauth://totp/Weir:anna?secret="), "{}", shown.url);
    }
}
