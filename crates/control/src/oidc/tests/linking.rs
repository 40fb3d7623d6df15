//! Linking and unlinking.

use serde_json::{Value, json};

use super::{Browser, Page, provider, providers};
use crate::testing::Server;

const IDENTITIES: &str = "/api/v1/me/identities";

/// Links the provider's `person` to the account of `token`, in a browser.
async fn link(server: &Server, token: &str, person: &str) -> Page {
    let mut browser = Browser::new(server);
    let bearer = format!("Bearer {token}");
    let wanted = json!({"provider": "home", "password": "correct horse", "return_to": "/studio#account"});
    let begun = browser.ask("POST", IDENTITIES, &[("authorization", &bearer)], wanted).await;
    assert_eq!(begun.status, 200, "{}", begun.body);
    let back = provider().log_in(begun.body["url"].as_str().unwrap(), person).await;
    browser.come_back(&back).await
}

async fn identities(server: &Server, token: &str) -> Vec<Value> {
    server.with(token, "GET", IDENTITIES, Value::Null).await.body["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn an_identity_is_linked_logs_in_and_is_unlinked() {
    let server = Server::with_providers(providers(&provider().issuer)).await;
    let token = server.token("anna").await;
    let wrong = json!({"provider": "home", "password": "wrong horse"});
    assert_eq!(server.with(&token, "POST", IDENTITIES, wrong).await.status, 403, "a browser alone is not its owner");

    let page = link(&server, &token, "anna_elsewhere").await;
    assert_eq!((page.status, page.location.as_str()), (303, "/studio#account"), "{}", page.body);
    assert_eq!(link(&server, &token, "anna_elsewhere").await.status, 303, "it is linked already");
    let linked = identities(&server, &token).await;
    assert_eq!(linked.len(), 1);
    let (provider_name, shown) = (&linked[0]["provider"], &linked[0]["display_name"]);
    assert_eq!((provider_name, shown), (&json!("home"), &json!("Home")));

    let mut browser = Browser::new(&server);
    assert_eq!(browser.through(provider(), "anna_elsewhere").await.location, "/studio");
    assert_eq!(browser.name().await.as_deref(), Some("anna"));

    let other = server.token("berta").await;
    link(&server, &other, "anna_elsewhere").await.is_problem(409, "identity-taken");
    let path = format!("{IDENTITIES}/{}", linked[0]["id"].as_str().unwrap());
    assert_eq!(server.with(&other, "DELETE", &path, Value::Null).await.status, 404, "it is somebody else's");
    assert_eq!(server.with(&token, "DELETE", &path, Value::Null).await.status, 204, "there is a password");
    assert_eq!(server.with(&token, "DELETE", &path, Value::Null).await.status, 404);
    assert_eq!(browser.through(provider(), "anna_elsewhere").await.location, "/register?ticket");
}

#[tokio::test]
async fn the_last_way_in_stays() {
    let server = Server::with_providers(providers(&provider().issuer)).await;
    let token = Browser::new(&server).register("carla", "carla").await;
    let first = identities(&server, &token).await[0]["id"].as_str().unwrap().to_owned();
    let path = format!("{IDENTITIES}/{first}");
    let refused = server.with(&token, "DELETE", &path, Value::Null).await;
    assert_eq!((refused.status, refused.text("type")), (409, "urn:weir:problem:last-way-in"));

    assert_eq!(link(&server, &token, "carla_too").await.status, 303);
    let ids: Vec<_> =
        identities(&server, &token).await.iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect();
    let unlink = |id: &String| {
        let (server, token, path) = (server.clone(), token.clone(), format!("{IDENTITIES}/{id}"));
        async move { server.with(&token, "DELETE", &path, Value::Null).await.status }
    };
    let statuses = tokio::join!(unlink(&ids[0]), unlink(&ids[1]));
    assert!(matches!(statuses, (204, 409) | (409, 204)), "{statuses:?}");
    assert_eq!(identities(&server, &token).await.len(), 1);

    let set = server.with(&token, "POST", "/api/v1/me/password", json!({"new": "correct horse"})).await;
    assert_eq!(set.status, 204);
    let last = identities(&server, &token).await[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(unlink(&last).await, 204, "the password opens it");
}

#[tokio::test]
async fn who_logged_out_meanwhile_links_nothing() {
    let server = Server::with_providers(providers(&provider().issuer)).await;
    let made = server.register("doris").await;
    let token = made.text("access_token").to_owned();
    let mut browser = Browser::new(&server);
    let bearer = format!("Bearer {token}");
    let wanted = json!({"provider": "home", "password": "correct horse"});
    let begun = browser.ask("POST", IDENTITIES, &[("authorization", &bearer)], wanted).await;
    let back = provider().log_in(begun.body["url"].as_str().unwrap(), "doris").await;
    let refresh = json!({"refresh_token": made.body["refresh_token"]});
    assert_eq!(server.post("/api/v1/auth/logout", refresh).await.status, 204);
    browser.come_back(&back).await.is_problem(400, "login-attempt");
    assert!(identities(&server, &token).await.is_empty());
}

#[tokio::test]
async fn a_removed_account_gives_its_identity_free() {
    let server = Server::with_providers(providers(&provider().issuer)).await;
    let token = Browser::new(&server).register("elsa", "elsa").await;
    assert_eq!(server.with(&token, "DELETE", "/api/v1/me", json!({})).await.status, 204);
    Browser::new(&server).register("elsa", "elsa_again").await;
}
