use std::{path::PathBuf, sync::Arc};

use axum::{body::Body, http::Request};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;
use weir_control::{
    Store,
    accounts::{Account, Role},
    auth::Auth,
    channels::Channel,
};
use weir_identity::StreamKey;
use weir_ingest::{Denied, Gate as _};
use weir_media::{Registry, registry::Kick};

use super::*;
use crate::{
    addresses::Addresses,
    health,
    wiring::{gate::Gate, nodes::Nodes, running::Running},
};

/// A server without sockets, in a directory that goes with it.
struct Inside {
    directory: PathBuf,
    store: Arc<dyn Store>,
    gate: Gate,
    registry: Registry,
    health: Health,
    token: Token,
    router: Router,
}

impl Inside {
    async fn start() -> Self {
        let directory = std::env::temp_dir().join(format!("weir-{}", weir_identity::PublishId::random()));
        std::fs::create_dir(&directory).unwrap();
        let store = weir_control::open(&weir_control::Config::default(), &directory).await.unwrap();
        let secret = store.key_secret().await.unwrap();
        let registry = Registry::new(9);
        let playlists = weir_hls::Store::new(weir_hls::Limits::default());
        let at = |port: u16| ([127, 0, 0, 1], port).into();
        let addresses = Addresses { public_host: String::new(), http: at(1), https: None, rtmp: at(2) };
        let (health, token) = (Health::starting(store.clone()), Token::create(&directory).unwrap());
        let nodes = Nodes::new(registry.clone());
        let streams = Streams {
            playlists,
            registry: registry.clone(),
            nodes: nodes.clone(),
            running: Running::default(),
            whep: None,
        };
        let auth = Auth::open(store.clone(), &secret, weir_control::auth::Config::default()).await.unwrap();
        let router = router(Internal {
            token: token.clone(),
            health: health.clone(),
            metrics: metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder().handle(),
            operators: Operators::new(store.clone(), auth, Arc::new(streams.clone())),
            streams,
            admin: Admin::new(store.clone(), secret.clone(), registry.clone(), nodes, addresses),
        });
        let limits = weir_control::limits::Limits::new(&Default::default(), secret.clone());
        Self { directory, gate: Gate::new(store.clone(), secret, None, limits), store, registry, health, token, router }
    }

    async fn ask(&self, method: &str, path: &str, token: &str, body: &str) -> (u16, Value) {
        let request = Request::builder().method(method).uri(path).header("authorization", token);
        let request = request.header("content-type", "application/json").body(Body::from(body.to_owned())).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&body)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into_owned()));
        (status, body)
    }

    async fn call(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        self.ask(method, path, &self.token.bearer(), body).await
    }

    async fn admit(&self, key: &Value) -> Result<weir_media::Publish, Denied> {
        let key = StreamKey::parse(key.as_str().unwrap()).unwrap();
        self.gate.admit(key, ([127, 0, 0, 1], 9).into()).await
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

#[tokio::test]
async fn calls_need_the_token() {
    let inside = Inside::start().await;
    for token in ["", "Bearer ", "Bearer wrong", "Basic abc"] {
        let (status, problem) = inside.ask("GET", "/internal/v1/channels", token, "").await;
        assert_eq!((status, &problem["type"]), (401, &json!("urn:weir:problem:unauthorized")), "{token}");
        assert_eq!(inside.ask("POST", "/internal/v1/demo", token, "{}").await.0, 401);
    }
    assert_eq!(inside.call("GET", "/internal/v1/channels", "").await.0, 200);
}

#[tokio::test]
async fn a_channel_is_made_once_and_its_key_opens_it() {
    let inside = Inside::start().await;
    let (status, made) = inside.call("POST", "/internal/v1/channels", r#"{"name":"Anna"}"#).await;
    assert_eq!((status, &made["channel"]), (201, &json!("anna")));
    assert_eq!(inside.admit(&made["key"]).await.unwrap().channel.as_str(), "anna");
    assert_eq!(inside.call("POST", "/internal/v1/channels", r#"{"name":"anna"}"#).await.0, 409);
    let (_, list) = inside.call("GET", "/internal/v1/channels", "").await;
    assert_eq!(list["items"], json!([{ "name": "anna", "title": "anna", "live": false, "keys": 1 }]));
}

#[tokio::test]
async fn what_cannot_be_a_channel_or_a_key_is_refused_in_words() {
    let inside = Inside::start().await;
    for body in [r#"{"name":"api"}"#, r#"{"name":"a b"}"#, r#"{"name":"anna","key":"short"}"#, "{}", "nonsense"] {
        let (status, problem) = inside.call("POST", "/internal/v1/channels", body).await;
        assert_eq!((status, &problem["type"]), (400, &json!("urn:weir:problem:bad-request")), "{body}");
    }
    assert_eq!(inside.call("POST", "/internal/v1/channels/nobody/rotate-key", "{}").await.0, 404);
}

#[tokio::test]
async fn rotating_cuts_who_publishes_and_refuses_the_old_key() {
    let inside = Inside::start().await;
    let (_, made) = inside.call("POST", "/internal/v1/channels", r#"{"name":"anna"}"#).await;
    let publisher = inside.registry.publish(inside.admit(&made["key"]).await.unwrap()).unwrap();
    let (status, rotated) = inside.call("POST", "/internal/v1/channels/anna/rotate-key", "{}").await;
    assert_eq!((status, &rotated["cut"]), (200, &json!(1)));
    assert_eq!(publisher.kicked().await, Kick::KeyRevoked);
    assert_eq!(inside.admit(&made["key"]).await.unwrap_err(), Denied::Revoked);
    assert!(inside.admit(&rotated["key"]).await.is_ok());
    let again = format!(r#"{{"key":{}}}"#, made["key"]);
    assert_eq!(inside.call("POST", "/internal/v1/channels/anna/rotate-key", &again).await.0, 409, "a used key");
}

#[tokio::test]
async fn a_channel_has_several_keys_and_revoking_one_cuts_its_publisher_only() {
    let inside = Inside::start().await;
    let path = "/internal/v1/channels/anna/keys";
    let (_, first) = inside.call("POST", "/internal/v1/channels", r#"{"name":"anna"}"#).await;
    let (status, second) = inside.call("POST", path, r#"{"name":"phone","expires":"30d"}"#).await;
    assert_eq!((status, second["channel"].as_str()), (201, Some("anna")), "{second}");
    let publisher = inside.registry.publish(inside.admit(&second["key"]).await.unwrap()).unwrap();

    let (_, list) = inside.call("GET", path, "").await;
    let names = |list: &Value| -> Vec<_> {
        let text = |key: &Value, field: &str| key[field].as_str().unwrap_or("-").to_owned();
        let items = list["items"].as_array().unwrap().iter();
        items.map(|key| format!("{} {} {}", text(key, "id"), text(key, "name"), text(key, "state"))).collect()
    };
    let [first_id, second_id] = [&first, &second].map(|made| made["key_id"].as_str().unwrap().to_owned());
    assert_eq!(names(&list), [format!("{first_id} command line usable"), format!("{second_id} phone live")]);
    assert_eq!(list["items"][1]["expires_at"], second["expires_at"]);
    for made in [&first, &second] {
        assert!(!list.to_string().contains(made["key"].as_str().unwrap()), "the key itself is never shown again");
    }

    let delete = async |id: &str| inside.call("DELETE", &format!("{path}/{id}"), "").await;
    assert_eq!(delete(&first_id).await, (200, json!({ "cut": 0 })));
    assert!(inside.registry.get(&"anna".parse().unwrap()).unwrap().end_reason().is_none(), "the other key goes on");
    assert_eq!(delete(&second_id).await, (200, json!({ "cut": 1 })));
    assert_eq!(publisher.kicked().await, Kick::KeyRevoked);
    assert_eq!(inside.admit(&second["key"]).await.unwrap_err(), Denied::Revoked);
    let (_, list) = inside.call("GET", path, "").await;
    assert_eq!(names(&list), [format!("{first_id} command line revoked"), format!("{second_id} phone revoked")]);
}

#[tokio::test]
async fn a_key_that_cannot_be_is_refused_in_words() {
    let inside = Inside::start().await;
    let path = "/internal/v1/channels/anna/keys";
    let (_, anna) = inside.call("POST", "/internal/v1/channels", r#"{"name":"anna"}"#).await;
    inside.call("POST", "/internal/v1/channels", r#"{"name":"berta"}"#).await;
    for body in [r#"{"key":"short"}"#, r#"{"name":"a\nb"}"#, r#"{"expires":"0s"}"#, r#"{"expires":"400y"}"#, "[]x"] {
        let (status, problem) = inside.call("POST", path, body).await;
        assert_eq!((status, &problem["type"]), (400, &json!("urn:weir:problem:bad-request")), "{body}");
    }
    let again = format!(r#"{{"key":{}}}"#, anna["key"]);
    assert_eq!(inside.call("POST", path, &again).await.0, 409, "a used key");
    for number in 1..weir_control::keys::KEYS_PER_CHANNEL_MAX {
        assert_eq!(inside.call("POST", path, "{}").await.0, 201, "{number}");
    }
    assert_eq!(inside.call("POST", path, "{}").await.0, 409, "one too many");
    let of_anna = format!("/internal/v1/channels/berta/keys/{}", anna["key_id"].as_str().unwrap());
    assert_eq!(inside.call("DELETE", &of_anna, "").await.0, 404, "another channel's key");
    assert_eq!(inside.call("DELETE", &format!("{path}/nonsense"), "").await.0, 400);
    assert_eq!(inside.call("GET", "/internal/v1/channels/nobody/keys", "").await.0, 404);
    assert!(inside.admit(&anna["key"]).await.is_ok());
}

#[tokio::test]
async fn a_channel_may_refuse_a_second_publisher() {
    let inside = Inside::start().await;
    let (_, made) = inside.call("POST", "/internal/v1/channels", r#"{"name":"anna"}"#).await;
    let _first = inside.registry.publish(inside.admit(&made["key"]).await.unwrap()).unwrap();
    let path = "/internal/v1/channels/anna/second-publisher";
    assert_eq!(inside.call("POST", path, r#"{"refuse":true}"#).await.0, 200);
    assert!(inside.registry.publish(inside.admit(&made["key"]).await.unwrap()).is_err());
    assert_eq!(inside.call("POST", path, r#"{"refuse":false}"#).await.0, 200);
    assert!(inside.registry.publish(inside.admit(&made["key"]).await.unwrap()).is_ok());
}

#[tokio::test]
async fn the_demo_gets_a_key_of_its_own_each_time() {
    let inside = Inside::start().await;
    let (_, mine) = inside.call("POST", "/internal/v1/channels", r#"{"name":"demo"}"#).await;
    let (_, first) = inside.call("POST", "/internal/v1/demo", "{}").await;
    let (_, second) = inside.call("POST", "/internal/v1/demo", "{}").await;
    assert_eq!(inside.admit(&first["key"]).await.unwrap_err(), Denied::Revoked);
    assert!(inside.admit(&second["key"]).await.is_ok());
    assert!(inside.admit(&mine["key"]).await.is_ok(), "the operator's key stays");
}

#[tokio::test]
async fn a_store_that_is_gone_is_said_to_encoders_and_probes() {
    let inside = Inside::start().await;
    let (_, made) = inside.call("POST", "/internal/v1/channels", r#"{"name":"anna"}"#).await;
    assert_eq!(inside.call("GET", "/readyz", "").await.0, 503, "it is starting");
    inside.health.clear(health::STARTING);
    assert_eq!(inside.call("GET", "/readyz", "").await.0, 200);
    std::fs::remove_file(inside.directory.join("weir.db")).unwrap();
    let (status, why) = inside.call("GET", "/readyz", "").await;
    assert_eq!(status, 503);
    assert!(why.as_str().unwrap().contains("removed or replaced"), "{why}");
    assert_eq!(inside.call("GET", "/livez", "").await.0, 200, "it is alive all the same");
    // The file is still open, so that keys are still known until the restart.
    assert!(inside.admit(&made["key"]).await.is_ok());
    assert!(inside.store.ping().await.is_err());
}

#[tokio::test]
async fn a_draining_server_is_not_ready() {
    let inside = Inside::start().await;
    inside.health.clear(health::STARTING);
    inside.health.because(health::DRAINING);
    assert_eq!(inside.call("GET", "/readyz", "").await, (503, json!("draining\n")));
}

#[tokio::test]
async fn operators_suspend_accounts_and_it_stands_in_the_log() {
    let inside = Inside::start().await;
    let account = Account::new("anna".parse().unwrap(), None, Role::User);
    inside.store.register(account.clone(), Channel::new("anna".parse().unwrap(), Some(account.id))).await.unwrap();
    let (status, made) = inside.call("POST", "/internal/v1/channels/anna/keys", "{}").await;
    assert_eq!(status, 201, "{made}");
    let publisher = inside.registry.publish(inside.admit(&made["key"]).await.unwrap()).unwrap();
    assert_eq!(inside.call("PUT", "/internal/v1/accounts/ANNA/suspension", "").await.0, 200);
    assert_eq!(publisher.kicked().await, Kick::Ended);
    assert_eq!(inside.admit(&made["key"]).await.unwrap_err(), Denied::Suspended);
    let (_, listed) = inside.call("GET", "/internal/v1/accounts", "").await;
    assert!(listed["items"][0]["suspended_at"].is_string(), "{listed}");
    assert_eq!(inside.call("DELETE", "/internal/v1/accounts/anna/suspension", "").await.0, 200);
    assert!(inside.admit(&made["key"]).await.is_ok());
    assert_eq!(inside.call("PUT", "/internal/v1/accounts/nobody/suspension", "").await.0, 404);

    let (_, ended) = inside.call("DELETE", "/internal/v1/channels/anna/session", "").await;
    assert_eq!(ended["was_live"], false);
    let (_, log) = inside.call("GET", "/internal/v1/audit", "").await;
    let deeds: Vec<_> = log["items"].as_array().unwrap().iter().map(|it| (&it["action"], &it["actor"])).collect();
    let operator = Value::String("operator".into());
    let named = |action: &str| Value::String(action.into());
    let [end, lift, suspend] = ["session.end", "account.unsuspend", "account.suspend"].map(named);
    assert_eq!(deeds, [(&end, &operator), (&lift, &operator), (&suspend, &operator)]);
}
