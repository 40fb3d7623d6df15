//! DTLS 1.2 for its SRTP keys (RFC 6347, RFC 5764, RFC 8827 §6.5): `rtc`'s state machine behind a [`gate`].
//!
//! The association is one value whatever path its records take, so `rtc` is told one made-up address for the peer; the
//! real path is ICE's business. A panic in it would be a peer's way to end a task that serves others, and its sources
//! index and slice what the peer sent in more places than can be guarded from outside, so every call into it is fenced
//! by `catch_unwind`; a panic fails this one handshake, and nothing of the association is touched afterwards.

use std::net::{Ipv4Addr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use rtc::dtls::cipher_suite::CipherSuiteId;
use rtc::dtls::config::{ClientAuthType, ConfigBuilder, HandshakeConfig};
use rtc::dtls::endpoint::{Endpoint, EndpointEvent};
use rtc::dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc::shared::TransportProtocol;

use super::certificate::{Certificate, Fingerprint, matches_any};
use super::gate::Gate;
use super::hello::offers_gcm;
use super::provider::provider;
use super::srtp::{Keys, Profile};
use super::{Error, Side};

/// Until a flight is repeated (RFC 6347 §4.2.4.1). Seven repeats without an answer end the handshake.
const REPEAT: Duration = Duration::from_secs(1);

/// Bytes of a datagram of ours, without the carrier's headers.
const MTU: usize = 1_200;

/// The address that `rtc` takes the peer for.
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// The SRTP profiles, the one we prefer first.
const PROFILES: [SrtpProtectionProfile; 2] =
    [SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm, SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80];

/// What a step of the association led to.
pub(super) enum Step {
    /// Nothing yet, or nothing new.
    Going,
    /// The handshake is done and the peer is who the other side's SDP said.
    Done(Box<Keys>),
    /// The peer said goodbye.
    Closed,
    /// It cannot go on; the text is for a log.
    Failed(String),
}

/// One association.
pub(super) struct Dtls {
    endpoint: Endpoint,
    gate: Gate,
    side: Side,
    certificate: Certificate,
    fingerprints: Arc<[Fingerprint]>,
    /// The handshake has its configuration.
    begun: bool,
    done: bool,
    /// It ended or panicked: it is not called again.
    over: bool,
}

impl Dtls {
    pub(super) fn new(side: Side, certificate: &Certificate, expected: Vec<Fingerprint>) -> Result<Self, Error> {
        if expected.is_empty() {
            return Err(Error::NoFingerprint);
        }
        let endpoint = Endpoint::new(PEER, TransportProtocol::UDP, None);
        Ok(Self {
            endpoint,
            gate: Gate::new(side),
            side,
            certificate: certificate.clone(),
            fingerprints: expected.into(),
            begun: false,
            done: false,
            over: false,
        })
    }

    /// Sends the client's first flight. Of no effect the second time.
    pub(super) fn connect(&mut self, now: Instant) -> Step {
        if std::mem::replace(&mut self.begun, true) {
            return Step::Going;
        }
        match self.config(&PROFILES) {
            Ok(config) => self.fenced(|endpoint| {
                endpoint.connect(now, PEER, config, None).map(|()| Vec::new()).map_err(|error| error.to_string())
            }),
            Err(error) => self.fail(error.to_string()),
        }
    }

    /// A datagram with records came over a known path.
    pub(super) fn receive(&mut self, now: Instant, datagram: &[u8]) -> Step {
        if self.side == Side::Client && !self.begun {
            return Step::Going;
        }
        let admitted = self.gate.admit(datagram, self.done);
        if admitted.is_empty() {
            return Step::Going;
        }
        if !std::mem::replace(&mut self.begun, true) {
            let profiles = if offers_gcm(&admitted) { PROFILES.get(..1) } else { None };
            match self.config(profiles.unwrap_or(&PROFILES)) {
                Ok(config) => self.endpoint.set_server_config(Some(config)),
                Err(error) => return self.fail(error.to_string()),
            }
        }
        self.fenced(|endpoint| {
            endpoint.read(now, PEER, None, BytesMut::from(&admitted[..])).map_err(|error| error.to_string())
        })
    }

    /// The next datagram to send.
    pub(super) fn poll_transmit(&mut self) -> Option<Bytes> {
        self.endpoint.poll_transmit().map(|transmit| transmit.message.freeze())
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        if self.over || self.done { None } else { self.endpoint.poll_timeout(&PEER) }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Step {
        if self.poll_timeout().is_none_or(|due| due > now) {
            return Step::Going;
        }
        self.fenced(|endpoint| {
            endpoint.handle_timeout(PEER, now).map(|()| Vec::new()).map_err(|error| error.to_string())
        })
    }

    /// Queues close_notify.
    pub(super) fn close(&mut self, now: Instant) {
        let _ = self.fenced(|endpoint| endpoint.close(now).map(|()| Vec::new()).map_err(|error| error.to_string()));
        self.over = true;
    }

    /// One call into `rtc`, and what it led to.
    fn fenced(&mut self, call: impl FnOnce(&mut Endpoint) -> Result<Vec<EndpointEvent>, String>) -> Step {
        if self.over {
            return Step::Going;
        }
        let endpoint = &mut self.endpoint;
        let events = match catch_unwind(AssertUnwindSafe(|| call(endpoint))) {
            Ok(Ok(events)) => events,
            Ok(Err(error)) => return self.fail(error),
            Err(_) => return self.fail("the DTLS library panicked".to_owned()),
        };
        let mut step = Step::Going;
        for event in events {
            match event {
                EndpointEvent::HandshakeComplete => match self.keys() {
                    Ok(keys) => {
                        self.done = true;
                        step = Step::Done(Box::new(keys));
                    }
                    Err(error) => return self.fail(error.to_string()),
                },
                EndpointEvent::PeerClosed => {
                    self.over = true;
                    return Step::Closed;
                }
                // Application data (a data channel) was not agreed on.
                _ => {}
            }
        }
        step
    }

    fn fail(&mut self, error: String) -> Step {
        self.over = true;
        Step::Failed(error)
    }

    /// The keys of a finished handshake.
    fn keys(&self) -> Result<Keys, Error> {
        let state = self.endpoint.get_connection_state(PEER).ok_or(Error::NotConnected)?;
        // The handshake's callback compared it; a handshake without a certificate would not have called it.
        if !state.peer_certificates.first().is_some_and(|peer| matches_any(peer, &self.fingerprints)) {
            return Err(Error::WrongCertificate);
        }
        let profile = match state.srtp_protection_profile() {
            SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => Profile::AeadAes128Gcm,
            SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80 => Profile::Aes128CmSha1,
            _ => return Err(Error::NoProfile),
        };
        let material = state
            .export_keying_material("EXTRACTOR-dtls_srtp", &[], profile.material_len())
            .map_err(|error| Error::Crypto(error.to_string()))?;
        Keys::new(profile, material.as_ref(), self.side == Side::Client)
    }

    fn config(&self, profiles: &[SrtpProtectionProfile]) -> Result<Arc<HandshakeConfig>, Error> {
        let fingerprints = self.fingerprints.clone();
        let config = ConfigBuilder::default()
            .with_crypto_provider(provider().clone())
            .with_certificates(vec![self.certificate.dtls().clone()])
            .with_cipher_suites(vec![
                CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_128_Gcm_Sha256,
                CipherSuiteId::Tls_Ecdhe_Ecdsa_With_ChaCha20_Poly1305_Sha256,
            ])
            .with_srtp_protection_profiles(profiles.to_vec())
            .with_client_auth(ClientAuthType::RequireAnyClientCert)
            // No CA signs these certificates; the fingerprint in the SDP is what is compared (RFC 8122 §5).
            .with_insecure_skip_verify(true)
            .with_verify_peer_certificate(Some(Arc::new(move |chain, _| {
                let matches = chain.first().is_some_and(|peer| matches_any(peer, &fingerprints));
                if matches { Ok(()) } else { Err(rtc::shared::error::Error::ErrInvalidCertificate) }
            })))
            .with_server_name("weir".to_owned())
            .with_flight_interval(REPEAT)
            .with_mtu(MTU)
            .build(self.side == Side::Client, None)
            .map_err(|error| Error::Crypto(error.to_string()))?;
        Ok(Arc::new(config))
    }
}

#[cfg(test)]
mod tests;
