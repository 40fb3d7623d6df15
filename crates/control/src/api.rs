//! `/api/v1`, as JSON, described by `/api/openapi.json`. The routes stand in the domain folders.

mod answers;
mod calls;
#[cfg(test)]
mod cross_site;
#[cfg(test)]
mod outage;
mod readable;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::header,
    middleware::{from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};
use weir_identity::{ChannelName, KeySecret};

use crate::{
    accounts::Account,
    admin, audit,
    auth::{self, Auth},
    bans, channels, emotes, follows, held,
    json::BODY_BYTES_MAX,
    keys,
    limits::{self, Limits},
    me, messages,
    oidc::{self, Oidc},
    places::Places,
    playback::PlaybackTokens,
    presence::Presence,
    problem::Problem,
    reports, roles,
    store::Store,
    vods,
    webhooks::{self, Announcer},
    words,
};

/// What the routes ask.
#[derive(Clone)]
pub struct Api {
    /// Where channels are kept.
    pub store: Arc<dyn Store>,
    /// What is live.
    pub presence: Arc<dyn Presence>,
    /// Who is logged in.
    pub auth: Arc<Auth>,
    /// Logs people in through providers.
    pub oidc: Arc<Oidc>,
    /// Under which addresses the server is reached.
    pub places: Arc<dyn Places>,
    /// The installation's secret.
    pub secret: KeySecret,
    /// Signed addresses of closed channels.
    pub playback: PlaybackTokens,
    /// How much one caller may ask.
    pub limits: Arc<Limits>,
    /// Tells hooks what happens.
    pub announcer: Announcer,
    /// Knows which addresses hooks may name.
    pub webhooks: webhooks::Client,
    /// How many emotes there may be.
    pub emotes: emotes::Config,
    /// Makes their pictures.
    pub pictures: Arc<dyn emotes::Maker>,
    /// Gives their pictures out.
    pub images: emotes::Images,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Api")
    }
}

impl Api {
    /// The account of that name, or a problem of status 404.
    pub(crate) async fn account_called(&self, name: &str) -> Result<Account, Problem> {
        let valid = ChannelName::parse(name).map_err(|_| Problem::account_not_found(name))?;
        self.store.account_named(&valid).await?.ok_or_else(|| Problem::account_not_found(name))
    }
}

/// The routes below `/api`. Anything else there is a problem document.
pub fn router(api: Api) -> Router {
    let routes = Router::new()
        .merge(channels::health::router())
        .merge(channels::routes::router())
        .merge(auth::routes::router())
        .merge(oidc::routes::router())
        .merge(keys::routes::router())
        .merge(me::router())
        .merge(webhooks::routes::router())
        .merge(roles::routes::router())
        .merge(bans::routes::router())
        .merge(held::routes::router())
        .merge(reports::routes::router())
        .merge(words::routes::router())
        .merge(vods::routes::router())
        .merge(follows::routes::router())
        .merge(emotes::routes::router(api.emotes.upload_bytes_max))
        .merge(audit::routes::router())
        .merge(messages::routes::router())
        .merge(admin::routes::router())
        .route("/openapi.json", get(description))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .with_state(api.clone());
    let routes = Router::new().nest("/api", routes).layer(from_fn(readable::readable));
    routes.layer(from_fn_with_state(api, limits::limited))
}

/// What `/api/openapi.json` says.
#[derive(OpenApi)]
#[openapi(
    info(title = "Weir", description = "Live streams. Errors are problem documents (RFC 9457) with a stable `type`."),
    components(schemas(Problem)),
    modifiers(&Access)
)]
pub struct Description;

/// How callers say who they are.
struct Access;

impl Modify for Access {
    fn modify(&self, description: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        let components = description.components.get_or_insert_default();
        components.add_security_scheme("access", SecurityScheme::Http(bearer));
    }
}

async fn description() -> Response {
    static TEXT: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let text = TEXT.get_or_init(openapi_json);
    ([(header::CONTENT_TYPE, "application/json")], text.as_str()).into_response()
}

/// The description as it is served and committed.
fn openapi_json() -> String {
    let mut all = Description::openapi();
    all.merge(channels::health::Description::openapi());
    all.merge(channels::routes::Description::openapi());
    all.merge(keys::routes::Description::openapi());
    all.merge(auth::routes::Description::openapi());
    all.merge(oidc::routes::Description::openapi());
    all.merge(me::description());
    all.merge(webhooks::routes::Description::openapi());
    all.merge(roles::routes::Description::openapi());
    all.merge(bans::routes::Description::openapi());
    all.merge(held::routes::Description::openapi());
    all.merge(reports::routes::Description::openapi());
    all.merge(words::routes::Description::openapi());
    all.merge(vods::routes::Description::openapi());
    all.merge(follows::routes::Description::openapi());
    all.merge(emotes::routes::Description::openapi());
    all.merge(audit::routes::Description::openapi());
    all.merge(messages::routes::Description::openapi());
    all.merge(admin::routes::Description::openapi());
    answers::spell_out(&mut all);
    calls::name(&mut all);
    let mut text = all.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}
