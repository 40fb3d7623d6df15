//! The cryptography that DTLS, SRTP and STUN share.

use std::sync::{Arc, LazyLock};

use rtc::crypto::RTCCryptoProvider;
use rtc::crypto::providers::RingProvider;

static PROVIDER: LazyLock<Arc<dyn RTCCryptoProvider>> = LazyLock::new(|| Arc::new(RingProvider::new()));

/// `ring`, as `rtc` wraps it (its SHA-1 and counter mode are RustCrypto's, which are faster).
pub(super) fn provider() -> &'static Arc<dyn RTCCryptoProvider> {
    &PROVIDER
}
