//! Asking another program whether a publish may begin, after its key was accepted.
//!
//! It is asked by a POST, signed as webhooks are: `{"type": "publish.admission", "timestamp": …, "data": {"channel": …,
//! "key": ID, "address": …}}`. Any 2xx lets the publisher in, unless its body says `{"allow": false}`; 401 and 403 keep
//! them out. `message` of the body is what the streamer reads. Everything else is no answer.

use std::{net::IpAddr, time::Duration};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use weir_identity::{ChannelName, DeliveryId, KeyId};

use crate::{
    store::Password,
    webhooks::{Answered, Client, Failed, Secret},
};

/// Most characters of the sentence for the streamer.
const MESSAGE_CHARS_MAX: usize = 200;

/// `[admission]`: another program that is asked before somebody publishes.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where it is asked, `https://` or `http://`; an address of a private network may be named here. Empty: nobody is
    /// asked.
    pub url: String,
    /// What the question is signed with (`webhook-signature`), `whsec_` and base64, or any text. Needed with `url`.
    pub secret: Password,
    /// How long it may take. Encoders wait some ten seconds at most.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub timeout: Duration,
    /// What becomes of a publisher when there is no answer: `closed` turns them away, `open` lets them in.
    pub without_answer: WithoutAnswer,
}

/// What becomes of a publisher when there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WithoutAnswer {
    /// They are let in.
    Open,
    /// They are turned away, and may try again.
    #[default]
    Closed,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: String::new(),
            secret: Password::default(),
            timeout: Duration::from_secs(3),
            without_answer: WithoutAnswer::default(),
        }
    }
}

impl Config {
    /// Says which value is impossible.
    ///
    /// # Errors
    /// The key, below `admission`, and what is wrong with its value.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        if self.url.is_empty() {
            return Ok(());
        }
        if !self.url.starts_with("http://") && !self.url.starts_with("https://") {
            return Err(("url", "must begin with https:// or http://".into()));
        }
        if self.secret.reveal().is_empty() {
            return Err(("secret", "is needed with `admission.url`".into()));
        }
        if !(Duration::from_millis(100)..=Duration::from_secs(8)).contains(&self.timeout) {
            return Err(("timeout", "must be 100 ms to 8 s".into()));
        }
        Ok(())
    }
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// They may publish.
    Allowed,
    /// They may not; a sentence for the streamer, if one was given.
    Denied(Option<String>),
    /// There was no answer, and without one nobody publishes.
    NoAnswer,
}

/// Asks.
#[derive(Debug, Clone)]
pub struct AdmissionCall {
    config: Config,
    secret: Secret,
    client: Client,
}

impl AdmissionCall {
    /// Asks as `config` says; nothing when nobody is to be asked.
    #[must_use]
    pub fn new(config: &Config) -> Option<Self> {
        (!config.url.is_empty()).then(|| Self {
            secret: Secret::parse(config.secret.reveal()),
            // The operator wrote the address.
            client: Client::new(true),
            config: config.clone(),
        })
    }

    /// Whether somebody who has a good key of `channel` may publish now.
    pub async fn ask(&self, channel: &ChannelName, key: KeyId, from: IpAddr) -> Decision {
        let now = crate::store_time(Timestamp::now());
        let data = json!({"channel": channel.as_str(), "key": key.to_string(), "address": from.to_string()});
        let body = json!({"type": "publish.admission", "timestamp": now.to_string(), "data": data}).to_string();
        let headers = self.secret.headers(&DeliveryId::new().to_string(), now.as_second(), &body);
        let answered = self.client.post(&self.config.url, &headers, body.into(), self.config.timeout).await;
        let decision = judge(answered.as_ref());
        let label = match &decision {
            Some(Decision::Allowed) => "allowed",
            Some(_) => "denied",
            None => "no_answer",
        };
        metrics::counter!("weir_admission_calls_total", "decision" => label).increment(1);
        decision.unwrap_or_else(|| {
            let why = answered.map_or_else(|failed| failed.to_string(), |answered| answered.status.to_string());
            tracing::warn!(why, policy = ?self.config.without_answer, "whoever is asked about publishers does not answer");
            match self.config.without_answer {
                WithoutAnswer::Open => Decision::Allowed,
                WithoutAnswer::Closed => Decision::NoAnswer,
            }
        })
    }
}

/// What may stand in the answer's body.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Reply {
    allow: Option<bool>,
    message: Option<String>,
}

/// What an answer means; nothing when it is none.
fn judge(answered: Result<&Answered, &Failed>) -> Option<Decision> {
    let answered = answered.ok()?;
    let reply: Reply = serde_json::from_slice(&answered.body).unwrap_or_default();
    let message = reply.message.map(|text| sentence(&text)).filter(|text| !text.is_empty());
    match answered.status {
        200..300 if reply.allow == Some(false) => Some(Decision::Denied(message)),
        200..300 => Some(Decision::Allowed),
        401 | 403 => Some(Decision::Denied(message)),
        _ => None,
    }
}

/// One line that an encoder can show.
fn sentence(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MESSAGE_CHARS_MAX).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, body: &str, decision: Option<Decision>) {
        let answered = Answered { status, body: body.to_owned().into() };
        assert_eq!(judge(Ok(&answered)), decision, "{status} {body}");
    }

    #[test]
    fn an_answer_lets_in_or_keeps_out() {
        check(200, "", Some(Decision::Allowed));
        check(204, "", Some(Decision::Allowed));
        check(200, "no JSON", Some(Decision::Allowed));
        check(200, r#"{"allow": true}"#, Some(Decision::Allowed));
        check(200, r#"{"allow": false}"#, Some(Decision::Denied(None)));
        let said = Some(Decision::Denied(Some("Not today.".into())));
        check(200, r#"{"allow": false, "message": "Not\n today.\u0000"}"#, said.clone());
        check(403, r#"{"message": "Not today."}"#, said);
        check(401, "<html>", Some(Decision::Denied(None)));
        check(500, r#"{"allow": true}"#, None);
        check(302, "", None);
        assert_eq!(judge(Err(&Failed::Timeout)), None);
        assert_eq!(sentence(&"a".repeat(999)).len(), MESSAGE_CHARS_MAX);
    }

    #[test]
    fn what_cannot_be_asked_is_refused() {
        let config = |url: &str, secret: &str| {
            let secret: Password = serde_json::from_value(json!(secret)).unwrap();
            Config { url: url.into(), secret, ..Config::default() }.validate().map_err(|(key, _)| key)
        };
        assert_eq!(config("", ""), Ok(()));
        assert_eq!(config("http://127.0.0.1:9/", "x"), Ok(()));
        assert_eq!(config("https://example.org/", ""), Err("secret"));
        assert_eq!(config("example.org", "x"), Err("url"));
    }
}
