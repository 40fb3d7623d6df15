//! May this key publish? Ingest asks, the store knows.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::sync::Semaphore;
use tracing::{info, warn};
use weir_control::{
    Error, Store, admission,
    admission_call::{AdmissionCall, Decision},
    channels,
    keys::Grant,
    limits::Limits,
};
use weir_identity::{KeySecret, StreamKey};
use weir_ingest::Denied;
use weir_media::{Publish, registry::Conflict};

/// How long an address that tries too many wrong keys waits for each further answer.
const DELAY: Duration = Duration::from_secs(1);
/// Answers that are delayed at once. Beyond it they are given at once, so that whoever guesses holds no more of us.
const DELAYED_MAX: usize = 256;

/// Answers ingest from the store. Streams that run do not ask again: they go on while the store is away.
pub(crate) struct Gate {
    store: Arc<dyn Store>,
    secret: KeySecret,
    /// Another program that has a say.
    asked: Option<AdmissionCall>,
    limits: Arc<Limits>,
    delayed: Semaphore,
}

impl Gate {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        secret: KeySecret,
        asked: Option<AdmissionCall>,
        limits: Arc<Limits>,
    ) -> Self {
        Self { store, secret, asked, limits, delayed: Semaphore::new(DELAYED_MAX) }
    }

    /// Whether the channel may go live: its owner is not suspended, and whoever else is asked agrees.
    async fn may_go_live(&self, grant: &Grant, from: SocketAddr) -> Result<(), Denied> {
        let away = |error: Error| {
            warn!(%error, "the store does not answer: a publisher is turned away");
            Denied::Unavailable
        };
        let channel = self.store.channel_named(&grant.channel).await.map_err(away)?;
        if let Some(owner) = channel.and_then(|channel| channel.owner) {
            let owner = self.store.account(owner).await.map_err(away)?;
            if owner.is_some_and(|owner| owner.suspended_at.is_some()) {
                info!(%from, channel = %grant.channel, "a publisher is turned away: the account is suspended");
                return Err(Denied::Suspended);
            }
        }
        let Some(asked) = &self.asked else { return Ok(()) };
        match asked.ask(&grant.channel, grant.key.id, from.ip().to_canonical()).await {
            Decision::Allowed => Ok(()),
            Decision::NoAnswer => Err(Denied::Unavailable),
            Decision::Denied(said) => {
                info!(%from, channel = %grant.channel, "a publisher is turned away: whoever is asked said no");
                Err(said.map_or(Denied::Suspended, |said| Denied::Refused(said.into())))
            }
        }
    }

    /// What is said to a key that nobody made. Guessing gets slow, and nobody is locked out: a key is looked at first, so
    /// that a studio goes on publishing while one of its encoders, or a stranger in the same network, tries wrong ones.
    async fn unknown(&self, from: SocketAddr) -> Denied {
        if self.limits.wrong_key(from.ip()).await.is_ok() {
            return Denied::UnknownKey;
        }
        if let Ok(_turn) = self.delayed.try_acquire() {
            tokio::time::sleep(DELAY).await;
        }
        Denied::TooManyAttempts
    }
}

impl weir_ingest::Gate for Gate {
    async fn admit(&self, key: StreamKey, from: SocketAddr) -> Result<Publish, Denied> {
        let now = Timestamp::now();
        let grant = match admission::admit(&*self.store, &self.secret, &key, now).await {
            Ok(grant) => grant,
            Err(admission::Refusal::Unavailable(error)) => {
                warn!(%error, "the store does not answer: a publisher is turned away");
                return Err(Denied::Unavailable);
            }
            Err(refusal) => {
                info!(%from, %refusal, "a publisher is turned away");
                return Err(match refusal {
                    admission::Refusal::Revoked => Denied::Revoked,
                    admission::Refusal::Expired => Denied::Expired,
                    _ => self.unknown(from).await,
                });
            }
        };
        self.may_go_live(&grant, from).await?;
        let (store, channel, id) = (self.store.clone(), grant.key.channel, grant.key.id);
        // The publisher does not wait for a note about it.
        tokio::spawn(async move {
            if let Err(error) = store.key_used(channel, id, now).await {
                warn!(%error, key = %id, "could not note that a key was used");
            }
        });
        let conflict = match grant.conflict {
            channels::Conflict::TakeOver => Conflict::TakeOver,
            channels::Conflict::Refuse => Conflict::Refuse,
        };
        Ok(Publish {
            channel: grant.channel,
            key: id,
            conflict,
            private: grant.visibility.is_closed(),
            protocol: "rtmp",
        })
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use weir_control::{
        accounts::{Account, Role},
        admission_call::{self, WithoutAnswer},
        channels::Channel,
        keys::Key,
        limits,
    };
    use weir_ingest::Gate as _;

    use super::*;

    /// Wrong keys of one address that are answered at once.
    const WRONG: u32 = 20;

    /// A gate that knows one key, and a directory to be removed.
    async fn gate() -> (Gate, StreamKey, std::path::PathBuf) {
        let directory = std::env::temp_dir().join(format!("weir-{}", weir_identity::PublishId::random()));
        std::fs::create_dir(&directory).unwrap();
        let store = weir_control::open(&weir_control::Config::default(), &directory).await.unwrap();
        let secret = store.key_secret().await.unwrap();
        let (channel, key) = (Channel::new("anna".parse().unwrap(), None), StreamKey::random());
        let kept = Key::new(channel.id, "obs", secret.hash(&key));
        store.open_channel(channel, kept).await.unwrap();
        let config = limits::Config { wrong_passwords_per_address: WRONG, ..limits::Config::default() };
        let limits = Limits::new(&config, secret.clone());
        (Gate::new(store, secret, None, limits), key, directory)
    }

    #[tokio::test]
    async fn an_address_that_guesses_is_slowed_and_its_right_key_opens_all_the_same() {
        let (gate, right, directory) = gate().await;
        let guesser = SocketAddr::from(([192, 0, 2, 1], 5));
        let other = SocketAddr::from(([192, 0, 2, 2], 5));
        for _ in 0..WRONG {
            assert_eq!(gate.admit(StreamKey::random(), guesser).await.unwrap_err(), Denied::UnknownKey);
        }
        // A slow machine has given some back meanwhile.
        while gate.limits.wrong_key(guesser.ip()).await.is_ok() {}
        tokio::time::pause();
        let asked = tokio::time::Instant::now();
        assert_eq!(gate.unknown(guesser).await, Denied::TooManyAttempts);
        assert!(asked.elapsed() >= DELAY);
        {
            let _all = gate.delayed.try_acquire_many(u32::try_from(DELAYED_MAX).unwrap()).unwrap();
            let asked = tokio::time::Instant::now();
            assert_eq!(gate.unknown(guesser).await, Denied::TooManyAttempts);
            assert!(asked.elapsed() < DELAY, "when many wait, the next is answered at once");
        }
        // The store's threads work in real time.
        tokio::time::resume();
        assert_eq!(gate.admit(StreamKey::random(), other).await.unwrap_err(), Denied::UnknownKey);
        assert_eq!(gate.admit(right, guesser).await.unwrap().channel.as_str(), "anna");
        std::fs::remove_dir_all(directory).unwrap();
    }
    /// Another program that is asked, and answers so.
    async fn asked(answer: &'static str, without_answer: WithoutAnswer) -> admission_call::Config {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let answers = axum::Router::new().fallback(async move || match answer {
            "" => axum::http::StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            body => body.into_response(),
        });
        tokio::spawn(async move { axum::serve(listener, answers).await.unwrap() });
        admission_call::Config { url, without_answer, ..admission_call::Config::default() }
    }

    #[tokio::test]
    async fn another_program_has_a_say() {
        let (open, closed) = (WithoutAnswer::Open, WithoutAnswer::Closed);
        let no = Denied::Refused("Not on Mondays.".into());
        for (answer, policy, denied) in [
            (r#"{"allow": true}"#, closed, None),
            (r#"{"allow": false, "message": "Not on Mondays."}"#, open, Some(no)),
            (r#"{"allow": false}"#, open, Some(Denied::Suspended)),
            ("", closed, Some(Denied::Unavailable)),
            ("", open, None),
        ] {
            let (gate, right, directory) = gate().await;
            let gate = Gate { asked: AdmissionCall::new(&asked(answer, policy).await), ..gate };
            let admitted = gate.admit(right, SocketAddr::from(([192, 0, 2, 1], 5))).await;
            assert_eq!(admitted.err(), denied, "{answer} {policy:?}");
            std::fs::remove_dir_all(directory).unwrap();
        }
    }

    #[tokio::test]
    async fn a_suspended_account_does_not_go_live() {
        let (gate, _, directory) = gate().await;
        let account = Account::new("berta".parse().unwrap(), None, Role::User);
        let channel = Channel::new("berta".parse().unwrap(), Some(account.id));
        let key = StreamKey::random();
        let kept = Key::new(channel.id, "obs", gate.secret.hash(&key));
        gate.store.register(account.clone(), channel).await.unwrap();
        gate.store.add_key(kept).await.unwrap();
        let from = SocketAddr::from(([192, 0, 2, 1], 5));
        assert!(gate.admit(key.clone(), from).await.is_ok());
        let suspended = Account { suspended_at: Some(Timestamp::now()), ..account };
        assert!(gate.store.update_account(suspended).await.unwrap());
        assert_eq!(gate.admit(key, from).await.unwrap_err(), Denied::Suspended);
        std::fs::remove_dir_all(directory).unwrap();
    }
}
