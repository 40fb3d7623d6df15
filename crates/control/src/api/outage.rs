//! The store hangs, as clients see it.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::{breaker::CALL_MAX, testing::Server};

#[tokio::test]
async fn while_the_store_hangs_callers_are_told_at_once_to_come_back() {
    let server = Server::start().await;
    let token = server.token("anna").await;
    let held = server.sqlite.stall();

    // The store's threads work in real time, and all of them are held.
    tokio::time::pause();
    let (asked, path) = (Instant::now(), "/api/v1/channels/anna");
    assert_eq!(server.get(path).await.status, 503);
    let waited = asked.elapsed();
    assert!(waited >= CALL_MAX, "the first waits");
    for _ in 0..100 {
        let refused = server.get(path).await;
        assert_eq!((refused.status, refused.text("type")), (503, "urn:weir:problem:store-unavailable"));
        assert_eq!(refused.retry_after, Some(2));
    }
    assert_eq!(server.with(&token, "GET", "/api/v1/me", Value::Null).await.status, 503);
    assert_eq!(asked.elapsed(), waited, "nobody else does");
    assert!(server.auth.verify(&token).is_ok(), "tokens are verified as before");

    drop(held);
    tokio::time::advance(Duration::from_secs(1)).await;
    tokio::time::resume();
    assert_eq!(server.get(path).await.status, 200);
    assert_eq!(server.with(&token, "GET", "/api/v1/me", Value::Null).await.status, 200);
}
