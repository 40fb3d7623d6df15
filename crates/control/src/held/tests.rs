//! Messages that wait, as moderators see them.

use serde_json::{Value, json};
use weir_identity::HeldId;

use super::Held;
use crate::testing::Server;

const PATH: &str = "/api/v1/channels/carla/held";

struct Queue {
    server: Server,
    owner: String,
    author: String,
}

impl Queue {
    /// Carla's channel, in which Trudy wants to say something.
    async fn start() -> Self {
        let server = Server::start().await;
        let (owner, author) = (server.token("carla").await, server.token("trudy").await);
        Self { server, owner, author }
    }

    async fn hold(&self, text: &str) -> HeldId {
        let store = &self.server.store;
        let channel = store.channel_named(&"carla".parse().unwrap()).await.unwrap().unwrap().id;
        let author = store.account_named(&"trudy".parse().unwrap()).await.unwrap().unwrap();
        let (id, at) = (HeldId::new(), crate::store_time(jiff::Timestamp::now()));
        let held = Held { id, author: author.id, author_name: author.name, text: text.into(), reply_to: None, at };
        store.hold(channel, held).await.unwrap();
        self.server.told();
        id
    }

    async fn call(&self, method: &str, path: &str) -> (u16, Value) {
        let answer = self.server.with(&self.owner, method, &format!("{PATH}{path}"), Value::Null).await;
        (answer.status, answer.body)
    }
}

#[tokio::test]
async fn what_is_allowed_is_said_once() {
    let queue = Queue::start().await;
    let (one, two) = (queue.hold("one").await, queue.hold("two").await);
    let (status, page) = queue.call("GET", "?limit=1").await;
    assert_eq!((status, &page["items"][0]["text"], &page["next"]), (200, &json!("one"), &json!(one)));
    assert_eq!(page["items"][0]["user"]["name"], "trudy");
    assert_eq!(page["items"][0]["user"]["role"], "viewer");
    let (_, rest) = queue.call("GET", &format!("?cursor={one}")).await;
    assert_eq!((&rest["items"][0]["id"], &rest["next"]), (&json!(two), &Value::Null));

    let (allow, path) = (async |id: HeldId| queue.call("POST", &format!("/{id}/allow")).await.0, format!("/{two}"));
    let both = tokio::join!(allow(one), allow(one));
    assert_eq!([both.0.min(both.1), both.0.max(both.1)], [204, 404]);
    assert_eq!(queue.server.told(), ["said one", "Held(1)"]);
    assert_eq!(queue.call("DELETE", &path).await.0, 204);
    assert_eq!(queue.server.told(), ["Held(0)"], "nobody hears of it");
    assert_eq!((queue.call("DELETE", &path).await.0, allow(two).await), (404, 404));
    assert_eq!(queue.call("DELETE", "/nonsense").await.0, 404);
    let log = queue.server.with(&queue.owner, "GET", "/api/v1/channels/carla/audit", Value::Null).await;
    let actions: Vec<_> = log.body["items"].as_array().unwrap().iter().map(|entry| &entry["action"]).collect();
    assert_eq!(actions, ["held.refuse", "held.allow"]);
}

#[tokio::test]
async fn what_cannot_be_said_waits_again() {
    let queue = Queue::start().await;
    let id = queue.hold("of somebody banned").await;
    for _ in 0..2 {
        let (status, problem) = queue.call("POST", &format!("/{id}/allow")).await;
        assert_eq!((status, problem["type"].as_str().unwrap()), (409, "urn:weir:problem:author-may-not-speak"));
    }
    assert_eq!(queue.call("DELETE", &format!("/{id}")).await.0, 204);
}

#[tokio::test]
async fn only_moderators_read_what_waits() {
    let queue = Queue::start().await;
    let id = queue.hold("mine").await;
    for (method, path) in [("GET", String::new()), ("POST", format!("/{id}/allow")), ("DELETE", format!("/{id}"))] {
        let answer = queue.server.with(&queue.author, method, &format!("{PATH}{path}"), Value::Null).await;
        assert_eq!(answer.status, 403, "{method} {path}");
    }
}
