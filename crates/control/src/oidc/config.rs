//! `[auth.oidc.NAME]`.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use url::Url;

/// Most providers. Each has a button.
pub const PROVIDERS_MAX: usize = 16;
/// Longest name of a provider: it stands in addresses.
const NAME_CHARS_MAX: usize = 32;
/// Longest display name: it stands on a button.
const DISPLAY_NAME_CHARS_MAX: usize = 50;

/// Longest address of a provider: browsers carry it in a cookie.
const ISSUER_BYTES_MAX: usize = 512;

/// Providers by their names.
pub type Providers = BTreeMap<String, Provider>;

/// `[auth.oidc.NAME]`: a provider of OpenID Connect that people may log in with, such as Google, Kakao or a Keycloak of
/// your own; one section each, with a NAME of a-z, 0-9, `_` and `-`. Register
/// `https://YOUR-SERVER/api/v1/auth/oidc/NAME/callback` there as the address to come back to.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Provider {
    /// What people read on the button. Empty: the section's name.
    pub display_name: String,
    /// The provider's address, exactly as it names itself: `https://accounts.google.com`, `https://kauth.kakao.com`,
    /// `https://HOST/realms/REALM` of a Keycloak. `/.well-known/openid-configuration` below it says the rest. It may be
    /// in a private network. `http://` is for tests only.
    pub issuer: String,
    /// What the provider calls this server.
    pub client_id: String,
    /// The secret it gave for that name. Empty: a public client, which has none. Never printed; better put into a file
    /// that `WEIR__AUTH__OIDC__NAME__CLIENT_SECRET_FILE` names.
    pub client_secret: ClientSecret,
    /// What is asked for beside `openid`: what a new account's user name is suggested from, and its e-mail address. Kakao
    /// takes `profile_nickname` and `account_email` instead.
    pub scopes: Vec<String>,
}

impl Default for Provider {
    fn default() -> Self {
        Self {
            display_name: String::new(),
            issuer: String::new(),
            client_id: String::new(),
            client_secret: ClientSecret::default(),
            scopes: vec!["profile".into(), "email".into()],
        }
    }
}

/// A client's secret. Neither `Debug` nor serializing gives it away.
#[derive(Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ClientSecret(String);

impl ClientSecret {
    /// The secret in clear, for the provider; `None` for a public client.
    pub(super) fn reveal(&self) -> Option<&str> {
        Some(self.0.as_str()).filter(|secret| !secret.is_empty())
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "ClientSecret(none)" } else { "ClientSecret(…)" })
    }
}

impl Serialize for ClientSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("")
    }
}

impl Provider {
    /// What people read.
    #[must_use]
    pub fn shown<'a>(&'a self, name: &'a str) -> &'a str {
        if self.display_name.is_empty() { name } else { &self.display_name }
    }
}

/// Says which provider cannot be one.
///
/// # Errors
/// What is wrong.
pub fn validate(providers: &Providers) -> Result<(), String> {
    if providers.len() > PROVIDERS_MAX {
        return Err(format!("must be at most {PROVIDERS_MAX} providers"));
    }
    for (name, provider) in providers {
        check(name, provider).map_err(|what| format!("provider `{name}`: {what}"))?;
    }
    let mut issuers: Vec<_> = providers.values().map(|provider| &provider.issuer).collect();
    issuers.sort_unstable();
    match issuers.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("two providers have the `issuer` {}", pair[0])),
        None => Ok(()),
    }
}

fn check(name: &str, provider: &Provider) -> Result<(), &'static str> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    if !(1..=NAME_CHARS_MAX).contains(&name.len()) || !name.bytes().all(plain) {
        return Err("its name must be 1 to 32 of a-z, 0-9, `_` and `-`");
    }
    let shown = provider.display_name.chars();
    if shown.clone().count() > DISPLAY_NAME_CHARS_MAX || shown.clone().any(char::is_control) {
        return Err("`display_name` must have at most 50 characters, no control ones");
    }
    let issuer =
        Url::parse(&provider.issuer).map_err(|_| "`issuer` must be an address such as https://id.example.org")?;
    if provider.issuer.len() > ISSUER_BYTES_MAX {
        return Err("`issuer` must have at most 512 bytes");
    }
    // OpenID Connect Discovery 1.0 §3.
    if !matches!(issuer.scheme(), "https" | "http") || issuer.query().is_some() || issuer.fragment().is_some() {
        return Err("`issuer` must begin with https:// and have neither `?` nor `#`");
    }
    if !issuer.username().is_empty() || issuer.password().is_some() {
        return Err("`issuer` must not carry a password");
    }
    if provider.client_id.is_empty() {
        return Err("`client_id` is missing");
    }
    // RFC 6749 §3.3.
    let token = |scope: &String| {
        !scope.is_empty() && scope.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
    };
    if !provider.scopes.iter().all(token) {
        return Err("`scopes` must be words without spaces, quotes and backslashes");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Provider {
        Provider { issuer: "https://id.example.org/realms/a".into(), client_id: "weir".into(), ..Provider::default() }
    }

    #[track_caller]
    fn refused(name: &str, provider: Provider, what: &str) {
        let error = validate(&[(name.to_owned(), provider)].into()).unwrap_err();
        assert!(error.contains(what), "{error}");
    }

    #[test]
    fn a_provider_is_an_issuer_and_a_client() {
        validate(&[("keycloak".to_owned(), good())].into()).unwrap();
        refused("Keycloak", good(), "its name");
        refused("", good(), "its name");
        refused("a/b", good(), "its name");
        refused("a", Provider { issuer: "id.example.org".into(), ..good() }, "`issuer`");
        refused("a", Provider { issuer: "ftp://id.example.org".into(), ..good() }, "`issuer`");
        refused("a", Provider { issuer: "https://id.example.org?x".into(), ..good() }, "`issuer`");
        refused("a", Provider { issuer: "https://me:secret@id.example.org".into(), ..good() }, "`issuer`");
        refused("a", Provider { client_id: String::new(), ..good() }, "`client_id`");
        refused("a", Provider { scopes: vec!["two words".into()], ..good() }, "`scopes`");
        refused("a", Provider { display_name: "x\n".into(), ..good() }, "`display_name`");
    }

    #[test]
    fn one_issuer_is_one_provider() {
        let error = validate(&[("a".to_owned(), good()), ("b".to_owned(), good())].into()).unwrap_err();
        assert!(error.contains("two providers"), "{error}");
    }

    #[test]
    fn the_secret_is_never_printed() {
        let secret = ClientSecret("hush".into());
        let provider = Provider { client_secret: secret, ..good() };
        let json = serde_json::to_string(&provider).unwrap();
        assert!(!json.contains("hush") && !format!("{provider:?}").contains("hush"));
        assert_eq!(provider.client_secret.reveal(), Some("hush"));
        let read: Provider = serde_json::from_str(r#"{"client_secret": "hush"}"#).unwrap();
        assert_eq!(read.client_secret, provider.client_secret);
    }
}
