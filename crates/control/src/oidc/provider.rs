//! One provider: what it says of itself, where people are sent, and who it says they are.

use std::{error::Error as StdError, sync::Arc, time::Instant};

use openidconnect::{
    AccessToken, AuthType, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret, CsrfToken,
    EndpointMaybeSet, EndpointNotSet, EndpointSet, IssuerUrl, Nonce, OAuth2TokenResponse, PkceCodeChallenge,
    PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope, SignatureVerificationError, StandardErrorResponse,
    TokenResponse,
    core::{
        CoreAuthenticationFlow, CoreClient, CoreClientAuthMethod, CoreErrorResponseType, CoreIdTokenClaims,
        CoreIdTokenVerifier, CoreJwsSigningAlgorithm, CoreProviderMetadata, CoreUserInfoClaims,
    },
};
use subtle::ConstantTimeEq;
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};

use super::{
    Refused,
    attempt::Attempt,
    cache::{Cache, Plan},
    config,
    http::{Failed, Http},
};
use crate::oidc_identities::OidcIdentity;

/// Calls that one provider is asked at once; those beyond are told to come back. A slow one holds no more than these.
const AT_ONCE: usize = 64;
/// Longest code that is passed on. Microsoft's have some 1 500 bytes.
const CODE_BYTES_MAX: usize = 4_096;
/// Longest `sub` (OpenID Connect Core §2).
const SUBJECT_BYTES_MAX: usize = 255;
/// Most bytes of what a provider says of somebody; more is not looked at.
const SAID_BYTES_MAX: usize = 254;

/// How ID tokens may be signed: by keys that only the provider has. `HS256` would take the client's secret for a key,
/// `none` nothing.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

type NotExchanged = RequestTokenError<Failed, StandardErrorResponse<CoreErrorResponseType>>;
type Client =
    CoreClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointMaybeSet, EndpointMaybeSet>;

/// A provider of the settings.
#[derive(Debug)]
pub(super) struct Provider {
    pub(super) name: String,
    config: config::Provider,
    http: Arc<Http>,
    /// Held while the provider is asked, so that all who wait ask once.
    known: Mutex<Cache<Known>>,
    turns: Semaphore,
}

/// What it says of itself, its keys included, and when it said so.
#[derive(Debug, Clone)]
struct Known {
    metadata: Arc<CoreProviderMetadata>,
    at: Instant,
}

/// Where a browser is sent, and what must come back.
pub(super) struct Departure {
    pub(super) url: String,
    pub(super) state: String,
    pub(super) nonce: String,
    pub(super) verifier: String,
}

/// Who somebody is, as the provider says.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) identity: OidcIdentity,
    /// What a user name could be made of, the best first.
    pub(super) names: Vec<String>,
    pub(super) email: Option<String>,
    /// For asking more.
    access: AccessToken,
}

/// What a token or an answer says of somebody: user name, e-mail address, nickname, name. Both kinds of claims have the
/// same methods and no trait.
macro_rules! names_in {
    ($claims:expr) => {
        [
            $claims.preferred_username().map(|name| name.as_str()),
            $claims.email().map(|email| email.as_str()),
            $claims.nickname().and_then(|name| name.get(None)).map(|name| name.as_str()),
            $claims.name().and_then(|name| name.get(None)).map(|name| name.as_str()),
        ]
    };
}

impl Person {
    fn hear(&mut self, said: [Option<&str>; 4]) {
        let usable = |text: &&str| !text.is_empty() && text.len() <= SAID_BYTES_MAX;
        self.names.extend(said.into_iter().flatten().filter(usable).map(str::to_owned));
        self.email = self.email.take().or_else(|| said[1].filter(usable).map(str::to_owned));
    }
}

impl Provider {
    pub(super) fn new(name: &str, config: config::Provider, http: Arc<Http>) -> Self {
        Self { name: name.into(), config, http, known: Mutex::default(), turns: Semaphore::new(AT_ONCE) }
    }

    /// What people read.
    pub(super) fn shown(&self) -> &str {
        self.config.shown(&self.name)
    }

    pub(super) fn issuer(&self) -> &str {
        &self.config.issuer
    }

    /// Sends a browser to the provider, to come back at `redirect_uri`.
    pub(super) async fn depart(&self, redirect_uri: &str) -> Result<Departure, Refused> {
        let _turn = self.turn()?;
        let client = self.client(&self.metadata(None).await?, redirect_uri)?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        // `openid` is asked for in any case.
        let scopes = self.config.scopes.iter().filter(|scope| *scope != "openid").cloned().map(Scope::new);
        let (url, state, nonce) = client
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
            .add_scopes(scopes)
            .set_pkce_challenge(challenge)
            .url();
        Ok(Departure {
            url: url.into(),
            state: state.into_secret(),
            nonce: nonce.secret().clone(),
            verifier: verifier.into_secret(),
        })
    }

    /// Who it is that came back with `code` from the departure of `attempt`.
    pub(super) async fn arrive(&self, code: String, attempt: &Attempt) -> Result<Person, Refused> {
        if code.len() > CODE_BYTES_MAX {
            return Err(Refused::Attempt);
        }
        let _turn = self.turn()?;
        let known = self.metadata(None).await?;
        let client = self.client(&known, &attempt.redirect_uri)?;
        let answer = client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|error| self.nonsense(&error))?
            .set_pkce_verifier(PkceCodeVerifier::new(attempt.verifier.clone()))
            .request_async(&*self.http)
            .await
            .map_err(|error| self.not_exchanged(&error))?;
        let token = answer.id_token().ok_or_else(|| self.nonsense(&Missing))?;
        let nonce = |given: Option<&Nonce>| match given {
            Some(given) if same(given.secret(), &attempt.nonce) => Ok(()),
            _ => Err("it is not the one that was sent".to_owned()),
        };
        let claims = match token.claims(&verifier(&client, &known), nonce) {
            Err(error) if is_unknown_key(&error) => {
                // The provider may have new keys.
                let newer = self.metadata(Some(known.at)).await.map_err(|_| self.nonsense(&error))?;
                let client = self.client(&newer, &attempt.redirect_uri)?;
                token.claims(&verifier(&client, &newer), nonce).cloned()
            }
            claims => claims.cloned(),
        };
        let claims = claims.map_err(|error| self.nonsense(&error))?;
        self.person(&claims, answer.access_token().clone())
    }

    /// Asks what the ID token did not say. What the provider does not answer stays unknown.
    pub(super) async fn ask_more(&self, person: &mut Person) {
        if !person.names.is_empty() && person.email.is_some() {
            return;
        }
        let Ok(_turn) = self.turn() else { return };
        let Ok(known) = self.metadata(None).await else { return };
        let Ok(client) = self.client(&known, "http://unused.invalid/") else { return };
        let subject = openidconnect::SubjectIdentifier::new(person.identity.subject.clone());
        // A provider without that address has said everything.
        let Ok(request) = client.user_info(person.access.clone(), Some(subject)) else { return };
        let claims: CoreUserInfoClaims = match request.request_async(&*self.http).await {
            Ok(claims) => claims,
            Err(error) => {
                tracing::debug!(provider = self.name, error = chain(&error), "nothing more is said of somebody");
                return;
            }
        };
        person.hear(names_in!(claims));
    }

    fn person(&self, claims: &CoreIdTokenClaims, access: AccessToken) -> Result<Person, Refused> {
        let subject = claims.subject().as_str();
        if subject.is_empty() || subject.len() > SUBJECT_BYTES_MAX || subject.chars().any(char::is_control) {
            return Err(self.nonsense(&Missing));
        }
        let identity = OidcIdentity { issuer: self.config.issuer.clone(), subject: subject.to_owned() };
        let mut person = Person { identity, names: Vec::new(), email: None, access };
        person.hear(names_in!(claims));
        Ok(person)
    }

    /// What the provider says of itself; newer than `seen`, if that was not enough.
    async fn metadata(&self, seen: Option<Instant>) -> Result<Known, Refused> {
        let mut known = self.known.lock().await;
        let plan = match seen {
            None => known.plan(Instant::now()),
            Some(seen) => known.plan_newer(seen, Instant::now()),
        };
        match plan {
            Plan::Use(known) => return Ok(known),
            Plan::GiveUp => return Err(self.unavailable()),
            Plan::Ask => {}
        }
        let issuer = IssuerUrl::new(self.config.issuer.clone()).map_err(|error| self.nonsense(&error))?;
        match CoreProviderMetadata::discover_async(issuer, &*self.http).await {
            Ok(metadata) => {
                let now = Instant::now();
                let metadata = Known { metadata: Arc::new(metadata), at: now };
                known.answered(metadata.clone(), now);
                Ok(metadata)
            }
            Err(error) => {
                tracing::warn!(provider = self.name, error = chain(&error), "a login provider does not say what it is");
                known.failed(Instant::now()).ok_or_else(|| self.unavailable())
            }
        }
    }

    fn client(&self, Known { metadata, .. }: &Known, redirect_uri: &str) -> Result<Client, Refused> {
        let secret = self.config.client_secret.reveal().map(|secret| ClientSecret::new(secret.to_owned()));
        let redirect = RedirectUrl::new(redirect_uri.to_owned()).map_err(|_| Refused::Place)?;
        let client = CoreClient::from_provider_metadata(
            (**metadata).clone(),
            ClientId::new(self.config.client_id.clone()),
            secret,
        );
        Ok(client.set_redirect_uri(redirect).set_auth_type(auth_type(metadata)))
    }

    fn turn(&self) -> Result<SemaphorePermit<'_>, Refused> {
        self.turns.try_acquire().map_err(|_| Refused::Crowded)
    }

    fn unavailable(&self) -> Refused {
        Refused::Unavailable(self.shown().to_owned())
    }

    /// The provider's answer cannot be used.
    fn nonsense(&self, error: &dyn StdError) -> Refused {
        tracing::warn!(provider = self.name, error = chain(error), "a login provider's answer is refused");
        Refused::Answer(self.shown().to_owned())
    }

    /// The provider gave no token for a code.
    fn not_exchanged(&self, error: &NotExchanged) -> Refused {
        match error {
            RequestTokenError::Request(_) => {
                tracing::warn!(provider = self.name, error = chain(error), "a login provider does not answer");
                self.unavailable()
            }
            // The code was made up, used before, or is not this browser's.
            RequestTokenError::ServerResponse(said) if *said.error() == CoreErrorResponseType::InvalidGrant => {
                tracing::debug!(provider = self.name, error = chain(error), "a login provider refuses a code");
                Refused::Attempt
            }
            // Others are about us: a wrong secret, an address that it does not know.
            _ => self.nonsense(error),
        }
    }
}

/// The answer lacks what it must have.
#[derive(Debug, thiserror::Error)]
#[error("it has no ID token, or one of nobody")]
struct Missing;

/// How the client says who it is at the provider. Kakao takes the secret in the body only; without a word, the header
/// is what every provider takes (OpenID Connect Core §9).
fn auth_type(metadata: &CoreProviderMetadata) -> AuthType {
    use CoreClientAuthMethod::{ClientSecretBasic, ClientSecretPost};
    let methods = metadata.token_endpoint_auth_methods_supported();
    let takes = |method| methods.is_some_and(|methods| methods.contains(&method));
    if takes(ClientSecretPost) && !takes(ClientSecretBasic) { AuthType::RequestBody } else { AuthType::BasicAuth }
}

fn verifier<'a>(client: &'a Client, Known { metadata, .. }: &Known) -> CoreIdTokenVerifier<'a> {
    let signed_with = metadata.id_token_signing_alg_values_supported();
    client.id_token_verifier().set_allowed_algs(ALGORITHMS.into_iter().filter(|one| signed_with.contains(one)))
}

fn is_unknown_key(error: &ClaimsVerificationError) -> bool {
    matches!(error, ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey))
}

/// Compares without telling how far two texts agree.
pub(super) fn same(one: &str, other: &str) -> bool {
    !one.is_empty() && one.as_bytes().ct_eq(other.as_bytes()).into()
}

/// An error with its causes.
fn chain(error: &dyn StdError) -> String {
    let causes = std::iter::successors(error.source(), |error| (*error).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
