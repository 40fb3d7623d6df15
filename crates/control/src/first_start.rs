//! The first start: an empty store gets the account `admin`, its channel and one stream key.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use weir_identity::{ChannelName, KeySecret, StreamKey};

use crate::{
    accounts::{Account, Cost, PasswordHash, Role},
    channels::Channel,
    error::Error,
    keys::Key,
    store::{Foundation, Store},
};

/// The name of the first account and of its channel.
pub const ADMIN: &str = "admin";

/// `[first_start]`: presets for unattended installs. Only read while the store is empty.
#[derive(Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The password of the account `admin`, at least 8 characters. Empty: a random one is made and printed once.
    pub admin_password: String,
    /// The stream key of the channel `admin`, 8 to 128 of `[A-Za-z0-9_-]`. Empty: a random one is made and printed once.
    pub stream_key: String,
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("first_start::Config(…)")
    }
}

impl Config {
    /// Says which value is impossible, without repeating it.
    ///
    /// # Errors
    /// The key, below `first_start`, and what is wrong with its value.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        if !self.admin_password.is_empty() && self.admin_password.chars().count() < crate::accounts::PASSWORD_CHARS_MIN
        {
            return Err((
                "admin_password",
                format!("needs at least {} characters", crate::accounts::PASSWORD_CHARS_MIN),
            ));
        }
        if !self.stream_key.is_empty()
            && let Err(error) = StreamKey::parse(&self.stream_key)
        {
            return Err(("stream_key", error.to_string()));
        }
        Ok(())
    }
}

/// What to print once. `Debug` hides the secrets.
pub struct Credentials {
    /// The channel that was made.
    pub channel: ChannelName,
    /// The password of the account `admin`.
    pub password: String,
    /// The key of its channel.
    pub key: StreamKey,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("channel", &self.channel).finish_non_exhaustive()
    }
}

/// Fills an empty store. Gives what must be shown once, or nothing when the store was not empty.
///
/// # Errors
/// [`Error`] of the store. The presets must have passed [`Config::validate`].
pub async fn run(store: &dyn Store, secret: &KeySecret, config: &Config) -> Result<Option<Credentials>, Error> {
    let channel = ChannelName::parse(ADMIN).expect("`admin` is a valid name");
    if store.account_named(&channel).await?.is_some() {
        return Ok(None);
    }
    let password = if config.admin_password.is_empty() { random_password() } else { config.admin_password.clone() };
    let key = if config.stream_key.is_empty() {
        StreamKey::random()
    } else {
        StreamKey::parse(&config.stream_key).map_err(|error| Error::Other(error.to_string()))?
    };
    let to_hash = password.clone();
    let hash = tokio::task::spawn_blocking(move || PasswordHash::of(&to_hash, Cost::default()))
        .await
        .map_err(|panic| Error::Other(panic.to_string()))?
        .map_err(|error| Error::Other(error.to_string()))?;
    let account = Account::new(channel.clone(), Some(hash), Role::Admin);
    let owned = Channel::new(channel.clone(), Some(account.id));
    let kept = Key::new(owned.id, "first key", secret.hash(&key));
    let first = store.found(Foundation { account, channel: owned, key: kept }).await?;
    Ok(first.then_some(Credentials { channel, password, key }))
}

/// 20 characters of 62: 119 bits. The alphabet can be typed and pasted anywhere; it has no need of symbols.
fn random_password() -> String {
    // A made stream key is uniformly random text of letters, digits, '_' and '-'.
    let mut password = String::new();
    while password.len() < 20 {
        let more = StreamKey::random();
        let letters = more.reveal().chars().filter(char::is_ascii_alphanumeric);
        password.extend(letters.take(20 - password.len()));
    }
    password
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_password_is_long_and_never_the_same() {
        let (one, two) = (random_password(), random_password());
        assert_eq!(one.len(), 20);
        assert_ne!(one, two);
    }

    #[test]
    fn weak_presets_are_refused_without_being_repeated() {
        let config = Config { stream_key: "my key".into(), ..Config::default() };
        let (key, why) = config.validate().unwrap_err();
        assert_eq!(key, "stream_key");
        assert!(!why.contains("my key"));
        let config = Config { admin_password: "1234567".into(), ..Config::default() };
        assert_eq!(config.validate().unwrap_err().0, "admin_password");
        Config::default().validate().unwrap();
    }
}
