//! Several servers on one store, which is a real Cassandra.

use bytes::Bytes;
use serde_json::{Value, json};
use weir_testkit::{
    cassandra::Cassandra,
    clock::ClockPublisher,
    hls, http,
    redis::Redis,
    server::{ADMIN_KEY, PATIENCE, Server},
};

const OTHER_KEY: &str = "a-key-that-was-made-on-the-first-server";

/// The Cassandra that the tests of this process share.
async fn cassandra() -> &'static Cassandra {
    tokio::task::spawn_blocking(Cassandra::shared).await.expect("Cassandra starts")
}

async fn post(server: &Server, path: &str, body: Value) -> Value {
    let headers = [("content-type", "application/json")];
    let answer = http::send("POST", &server.url(path), &headers, Bytes::from(body.to_string())).await;
    let answer = answer.expect("the server answers");
    assert!(answer.status < 300, "{path}: {} {}", answer.status, answer.text());
    serde_json::from_slice(&answer.body).expect("JSON")
}

#[tokio::test]
async fn two_servers_on_one_store_know_the_same() {
    let url = cassandra().await.url("weir_two");
    let settings = [("WEIR__STORE__URL", url.as_str())];
    let one = Server::start_with(&settings).await;
    assert!(one.output().contains(ADMIN_KEY), "the first start prints its key: {}", one.output());
    let two = Server::start_with(&settings).await;
    assert!(!two.output().contains(ADMIN_KEY), "there is one first start");

    let registered = json!({"username": "lena", "password": "correct horse battery"});
    post(&one, "/api/v1/auth/register", registered.clone()).await;
    let session = post(&two, "/api/v1/auth/login", registered).await;
    let token = session["access_token"].as_str().expect("a token");
    let bearer = format!("Bearer {token}");
    let me = http::get_with(&one.url("/api/v1/me"), &[("authorization", &bearer)]).await.expect("it answers");
    assert_eq!(me.status, 200, "a token of one is good at the other: {}", me.text());

    one.channel("berta", OTHER_KEY).await;
    let _publisher = ClockPublisher::start(&two.rtmp_url(OTHER_KEY), &[]);
    hls::open(&two.playlist("berta")).await;
    let _other = ClockPublisher::start(&one.rtmp_url(ADMIN_KEY), &[]);
    hls::open(&one.playlist("admin")).await;
}

#[tokio::test]
async fn a_server_that_outgrew_its_file_goes_on_in_a_cluster() {
    let url = cassandra().await.url("weir_moved");
    let mut small = Server::start().await;
    small.channel("berta", OTHER_KEY).await;
    let file = small.dir.path().join("data/weir.db").display().to_string();
    let moving = ["migrate", "sqlite-to-cql", "--from", &file, "--to", &url];
    let (well, said) = small.weir(&moving).await;
    assert!(!well && said.contains("lock"), "a server runs on it: {said}");
    small.signal("TERM").await;
    assert!(small.ended().await.success());
    let (well, said) = small.weir(&moving).await;
    assert!(well && said.contains("verified channels: 2 rows"), "{said}");

    let large = Server::start_with(&[("WEIR__STORE__URL", &url)]).await;
    let _publisher = ClockPublisher::start(&large.rtmp_url(OTHER_KEY), &[]);
    hls::open(&large.playlist("berta")).await;
}

#[tokio::test]
async fn two_servers_with_one_redis_share_limits_and_go_on_when_it_is_gone() {
    let redis = tokio::task::spawn_blocking(Redis::single).await.expect("Redis starts");
    let store = cassandra().await.url("weir_limits");
    let settings = [
        ("WEIR__STORE__URL", store.as_str()),
        ("WEIR__REDIS__URL", redis.url()),
        ("WEIR__LIMITS__REGISTRATIONS_PER_MINUTE", "2"),
    ];
    let servers = [Server::start_with(&settings).await, Server::start_with(&settings).await];
    for server in &servers {
        tokio::time::timeout(PATIENCE, async {
            while server.metric(r#"weir_redis_connected{for="limits"}"#).await < 1.0 {}
        })
        .await
        .expect("it connects to Redis");
    }
    let register = async |server: &Server, name: &str| {
        let body = json!({"username": name, "password": "correct horse battery"}).to_string();
        let headers = [("content-type", "application/json")];
        let sent = http::send("POST", &server.url("/api/v1/auth/register"), &headers, Bytes::from(body)).await;
        sent.expect("the server answers").status
    };
    let [one, two] = &servers;
    assert_eq!([register(one, "anna").await, register(two, "berta").await], [201, 201]);
    assert_eq!(register(one, "carla").await, 429, "together they made two");
    redis.kill(1);
    assert_eq!(register(two, "dora").await, 201, "it made one, and counts by itself");
}

/// Publishes to one server and revokes the key over the other.
async fn a_revoked_key_is_cut_elsewhere(servers: &[Server; 2], name: &str) {
    let [one, two] = servers;
    let session =
        post(one, "/api/v1/auth/register", json!({"username": name, "password": "correct horse battery"})).await;
    let bearer = format!("Bearer {}", session["access_token"].as_str().expect("a token"));
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let made = http::send("POST", &two.url("/api/v1/me/keys"), &headers, Bytes::from_static(b"{}")).await;
    let made: Value = serde_json::from_slice(&made.expect("the server answers").body).expect("JSON");
    let (id, key) = (made["id"].as_str().expect("an id"), made["key"].as_str().expect("a key"));
    let publisher = ClockPublisher::start(&one.rtmp_url(key), &[]);
    hls::open(&one.playlist(name)).await;
    let revoked = http::send("DELETE", &two.url(&format!("/api/v1/me/keys/{id}")), &headers, Bytes::new()).await;
    assert_eq!(revoked.expect("the server answers").status, 204);
    publisher.cut().await;
}

#[tokio::test]
async fn a_key_that_one_server_revokes_cuts_its_publisher_at_the_other() {
    let redis = tokio::task::spawn_blocking(Redis::single).await.expect("Redis starts");
    let store = cassandra().await.url("weir_cut");
    let alone = [("WEIR__STORE__URL", store.as_str())];
    let servers = [Server::start_with(&alone).await, Server::start_with(&alone).await];
    a_revoked_key_is_cut_elsewhere(&servers, "emma").await;
    drop(servers);

    let told = [alone[0], ("WEIR__REDIS__URL", redis.url())];
    let servers = [Server::start_with(&told).await, Server::start_with(&told).await];
    a_revoked_key_is_cut_elsewhere(&servers, "frida").await;
}
