//! Logging in through a real provider, as a browser sees it: over the routes, on a real store.

mod entering;
mod linking;
mod refusing;

use std::{collections::BTreeMap, sync::OnceLock};

use http_body_util::BodyExt;
use serde_json::{Value, json};
use url::Url;
use weir_testkit::oidc_provider::{CLIENT_ID, CLIENT_SECRET, OidcProvider};

use super::Providers;
use crate::testing::Server;

/// Where the provider sends browsers back to: the `Host` that they say, and the provider's name.
const CALLBACK: &str = "http://weir.test/api/v1/auth/oidc/home/callback";

/// One provider for all tests of this process.
fn provider() -> &'static OidcProvider {
    static SHARED: OnceLock<OidcProvider> = OnceLock::new();
    SHARED.get_or_init(|| OidcProvider::start(CALLBACK))
}

/// The settings for a provider called `home`, and one that nobody runs.
fn providers(issuer: &str) -> Providers {
    let home = json!({
        "display_name": "Home", "issuer": issuer, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET,
    });
    // Nobody listens at the discard port.
    let dead = json!({"issuer": "http://127.0.0.1:9", "client_id": "weir"});
    serde_json::from_value(json!({"home": home, "dead": dead})).unwrap()
}

/// A browser with its cookies.
struct Browser {
    server: Server,
    cookies: BTreeMap<String, String>,
}

/// What it got.
struct Page {
    status: u16,
    location: String,
    body: Value,
}

impl Page {
    #[track_caller]
    fn is_problem(&self, status: u16, slug: &str) {
        let kind = format!("urn:weir:problem:{slug}");
        assert_eq!((self.status, self.body["type"].as_str()), (status, Some(kind.as_str())), "{}", self.body);
    }
}

impl Browser {
    fn new(server: &Server) -> Self {
        Self { server: server.clone(), cookies: BTreeMap::new() }
    }

    async fn ask(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: Value) -> Page {
        let carried: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let carried = carried.join("; ");
        let headers = [&[("host", "weir.test"), ("cookie", carried.as_str())], headers].concat();
        let response = self.server.respond(method, path, &headers, body).await;
        for set in response.headers().get_all("set-cookie") {
            let set = set.to_str().unwrap();
            assert!(
                set.contains("HttpOnly") && set.contains("SameSite=") && set.contains("Path=/api/v1/auth"),
                "{set}"
            );
            let (name, value) = set.split(';').next().unwrap().split_once('=').unwrap();
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let location = response.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Page { status, location: location.unwrap_or_default(), body }
    }

    async fn post(&mut self, path: &str, body: Value) -> Page {
        self.ask("POST", path, &[("sec-fetch-site", "same-origin")], body).await
    }

    /// Presses a provider's button. Gives where it leads.
    async fn begin(&mut self) -> String {
        let page = self.post("/api/v1/auth/oidc/home", json!({})).await;
        assert_eq!(page.status, 200, "{}", page.body);
        page.body["url"].as_str().unwrap().to_owned()
    }

    /// Comes back from the provider to `url`.
    async fn come_back(&mut self, url: &str) -> Page {
        let url = Url::parse(url).unwrap();
        let path = &url[url::Position::BeforePath..];
        self.ask("GET", path, &[("sec-fetch-site", "cross-site")], Value::Null).await
    }

    /// Presses the button, says who it is there, and comes back.
    async fn through(&mut self, provider: &OidcProvider, person: &str) -> Page {
        let away = self.begin().await;
        let back = provider.log_in(&away, person).await;
        self.come_back(&back).await
    }

    /// Somebody new: through the provider, and their name is `name`. Gives their access token.
    async fn register(&mut self, person: &str, name: &str) -> String {
        let page = self.through(provider(), person).await;
        assert_eq!((page.status, page.location.as_str()), (303, "/register?ticket"), "{}", page.body);
        let done = self.post("/api/v1/auth/ticket", json!({"username": name})).await;
        assert_eq!((done.status, &done.body["user"]["username"]), (201, &json!(name)), "{}", done.body);
        done.body["access_token"].as_str().unwrap().to_owned()
    }

    /// Who it is logged in as, by its cookie alone, as a page finds out.
    async fn name(&mut self) -> Option<String> {
        let page = self.post("/api/v1/auth/refresh", json!({})).await;
        page.body["user"]["username"].as_str().map(str::to_owned)
    }
}
