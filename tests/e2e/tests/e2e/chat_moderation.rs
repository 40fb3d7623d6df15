//! Moderation of rooms, end to end: what waits, what is reported, words, addresses, and rights that change while people
//! are there.

use serde_json::{Value, json};
use weir_testkit::{cassandra::Cassandra, chat::Chatter, http, redis::Redis, server::Server};

const PASSWORD: &str = "correct horse battery";

/// Somebody with an account.
struct Person {
    id: String,
    token: String,
}

/// Calls the API, and gives status and body.
async fn call(server: &Server, token: &str, method: &str, path: &str, body: Value) -> (u16, Value) {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let headers = if token.is_empty() { &headers[1..] } else { &headers[..] };
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = http::send(method, &server.url(path), headers, body.into()).await.expect("an answer");
    (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
}

async fn register(server: &Server, name: &str) -> Person {
    let account = json!({"username": name, "password": PASSWORD});
    let (status, made) = call(server, "", "POST", "/api/v1/auth/register", account).await;
    assert_eq!(status, 201, "{made}");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    Person { id: text(&made["user"]["id"]), token: text(&made["access_token"]) }
}

async fn enter(server: &Server, channel: &str, person: &Person) -> Chatter {
    Chatter::join(server, channel, json!({"token": person.token})).await.0
}

/// Sets the words of Anna's room.
async fn set_words(server: &Server, anna: &Person, words: Value) {
    let (status, said) = call(server, &anna.token, "PUT", "/api/v1/channels/anna/words", json!({"words": words})).await;
    assert_eq!(status, 200, "{said}");
}

#[tokio::test]
async fn what_is_held_is_said_when_a_moderator_allows_it() {
    let server = Server::start().await;
    let (anna, berta, carla) =
        (register(&server, "anna").await, register(&server, "berta").await, register(&server, "carla").await);
    set_words(&server, &anna, json!([{"word": "cabbage", "action": "hold"}])).await;
    let (mut owner, mut author) = (enter(&server, "anna", &anna).await, enter(&server, "anna", &berta).await);
    let mut reader = enter(&server, "anna", &carla).await;
    assert_eq!(author.say("1", "I like c-a-b-b-a-g-e").await, "held");
    owner.hears("held", 1).await;
    let (_, held) = call(&server, &anna.token, "GET", "/api/v1/channels/anna/held", Value::Null).await;
    let item = &held["items"][0];
    assert_eq!((&item["text"], &item["user"]["name"]), (&json!("I like c-a-b-b-a-g-e"), &json!("berta")));
    let path = format!("/api/v1/channels/anna/held/{}", item["id"].as_str().expect("an id"));
    let allow = format!("{path}/allow");
    let allow = || call(&server, &anna.token, "POST", &allow, Value::Null);
    let (one, two) = tokio::join!(allow(), allow());
    let mut both = [one.0, two.0];
    both.sort_unstable();
    assert_eq!(both, [204, 404], "of two who click at once one says it");
    owner.hears("held", 0).await;
    let said = reader.until("message").await;
    assert_eq!((&said["text"], &said["user"]["name"]), (&json!("I like c-a-b-b-a-g-e"), &json!("berta")));
    assert_eq!(author.say("2", "and carrots").await, "ack 2", "it was said once");
    assert_eq!(author.say("3", "more cabbage").await, "held");
    let (_, held) = call(&server, &anna.token, "GET", "/api/v1/channels/anna/held", Value::Null).await;
    let path = format!("/api/v1/channels/anna/held/{}", held["items"][0]["id"].as_str().expect("an id"));
    assert_eq!(call(&server, &anna.token, "DELETE", &path, Value::Null).await.0, 204);
    assert_eq!(author.say("4", "nothing").await, "ack 3");
    let (_, log) = call(&server, &anna.token, "GET", "/api/v1/channels/anna/audit", Value::Null).await;
    let actions: Vec<_> = log["items"].as_array().expect("a list").iter().map(|deed| deed["action"].clone()).collect();
    assert_eq!(actions, ["held.refuse", "held.allow", "words.change"]);
}

#[tokio::test]
async fn a_report_shows_what_was_said_though_it_is_gone() {
    let server = Server::start().await;
    let (anna, berta, carla) =
        (register(&server, "anna").await, register(&server, "berta").await, register(&server, "carla").await);
    let (mut owner, mut author) = (enter(&server, "anna", &anna).await, enter(&server, "anna", &berta).await);
    assert_eq!(author.say("1", "something rude").await, "ack 1");
    let id = owner.until("message").await["id"].clone();
    let report = json!({"message": id, "reason": "rude"});
    for person in [&carla, &carla, &anna] {
        let path = "/api/v1/channels/anna/reports";
        assert_eq!(call(&server, &person.token, "POST", path, report.clone()).await.0, 201);
    }
    owner.hears("reported", 1).await;
    author.send(&json!({"type": "delete", "id": id})).await;
    owner.until("deleted").await;
    let (_, page) = call(&server, &anna.token, "GET", "/api/v1/channels/anna/reports", Value::Null).await;
    let item = &page["items"][0];
    assert_eq!((&item["message"]["text"], &item["count"]), (&json!("something rude"), &json!(2)));
    let path = format!("/api/v1/channels/anna/reports/{}", id.as_str().expect("an id"));
    assert_eq!(call(&server, &anna.token, "DELETE", &path, Value::Null).await.0, 204);
    owner.hears("reported", 0).await;
    let late = call(&server, &carla.token, "POST", "/api/v1/channels/anna/reports", report).await;
    assert_eq!(late.0, 404, "it is there no more: {}", late.1);
}

#[tokio::test]
async fn words_of_a_channel_change_while_people_talk() {
    let server = Server::start_with(&[("WEIR__CHAT__RATE_LIMIT", "off")]).await;
    let (anna, berta) = (register(&server, "anna").await, register(&server, "berta").await);
    let (mut author, mut elsewhere) = (enter(&server, "anna", &berta).await, enter(&server, "berta", &anna).await);
    assert_eq!(author.say("1", "cabbage").await, "ack 1");
    set_words(&server, &anna, json!([{"word": "cabbage", "action": "block"}])).await;
    let mut id = 2;
    while author.say(&id.to_string(), "cabbage").await != "blocked" {
        id += 1;
    }
    assert_eq!(author.say("x", "c a b b a g e").await, "blocked");
    assert_eq!(elsewhere.say("1", "cabbage").await, "ack 1", "another channel's words are others");
    set_words(&server, &anna, json!([{"word": "cabbage", "action": "mask"}])).await;
    while !author.say(&id.to_string(), "a cabbage").await.starts_with("ack") {
        id += 1;
    }
    while author.until("message").await["text"] != "a *******" {}
    let (status, problem) = call(
        &server,
        &anna.token,
        "PUT",
        "/api/v1/channels/anna/words",
        json!({"words": [{"word": "**", "action": "mask"}]}),
    )
    .await;
    assert_eq!((status, &problem["type"]), (422, &json!("urn:weir:problem:invalid-words")));
}

#[tokio::test]
async fn a_second_account_at_a_banned_address_is_held_back_too() {
    let server = Server::start_with(&[("WEIR__HTTP__TRUSTED_PROXIES", r#"["127.0.0.0/8"]"#)]).await;
    let mut people = Vec::new();
    for name in ["anna", "troll", "sock", "other", "friend"] {
        people.push(register(&server, name).await);
    }
    let [anna, troll, sock, other, friend] = &people[..] else { unreachable!("five people") };
    let from = async |person: &Person, address: &str| {
        Chatter::join_from(&server, "anna", address, json!({"token": person.token})).await.0
    };
    let role = json!({"role": "vip"});
    assert_eq!(call(&server, &anna.token, "PUT", "/api/v1/channels/anna/roles/friend", role).await.0, 200);
    let mut owner = from(anna, "2001:db8::1").await;
    let mut bad = from(troll, "2001:db8::2").await;
    let mut second = from(sock, "2001:db8::3").await;
    let mut vip = from(friend, "2001:db8::4").await;
    let mut far = from(other, "2001:db8:0:1::1").await;
    assert_eq!(bad.say("1", "rude").await, "ack 1");
    assert_eq!(second.say("1", "hello").await, "ack 2");
    owner.send(&json!({"type": "ban", "user": troll.id, "address": true})).await;
    second.until("cleared").await;
    assert_eq!(bad.say("2", "again").await, "banned");
    assert_eq!(second.say("2", "again").await, "banned", "while connected");
    assert_eq!(from(sock, "2001:db8::5").await.say("3", "again").await, "banned", "and who comes");
    assert_eq!(vip.say("1", "a friend").await, "ack 4");
    assert_eq!(far.say("1", "from elsewhere").await, "ack 5");
    let (_, bans) = call(&server, &anna.token, "GET", "/api/v1/channels/anna/bans", Value::Null).await;
    assert_eq!((&bans["items"][0]["username"], &bans["items"][0]["address"]), (&json!("troll"), &json!(true)));
    assert_eq!(call(&server, &anna.token, "DELETE", "/api/v1/channels/anna/bans/troll", Value::Null).await.0, 204);
    for (chatter, id) in [(&mut bad, "4"), (&mut second, "5")] {
        while !chatter.say(id, "both may again").await.starts_with("ack") {}
    }
}

#[tokio::test]
async fn rights_change_while_people_are_there() {
    let server = Server::start().await;
    let (anna, berta) = (register(&server, "anna").await, register(&server, "berta").await);
    let role = "/api/v1/channels/anna/roles/berta";
    assert_eq!(call(&server, &anna.token, "PUT", role, json!({"role": "moderator"})).await.0, 200);
    let mut owner = enter(&server, "anna", &anna).await;
    let mut moderator = enter(&server, "anna", &berta).await;
    let (mut reader, _) = Chatter::join(&server, "anna", json!({})).await;
    moderator.send(&json!({"type": "settings", "settings": {"slow": 5}})).await;
    reader.until("settings").await;
    assert_eq!(call(&server, &anna.token, "DELETE", role, Value::Null).await.0, 204);
    assert_eq!(moderator.until("you").await["you"]["role"], "viewer");
    assert_eq!(moderator.answer(&json!({"type": "clear"})).await, "forbidden");

    let closed = json!({"visibility": "private"});
    assert_eq!(call(&server, &anna.token, "PATCH", "/api/v1/channels/anna", closed).await.0, 200);
    for gone in [&mut reader, &mut moderator] {
        assert_eq!(gone.until("error").await["code"], "forbidden");
        assert_eq!(gone.next().await["type"], "close");
    }
    assert_eq!(owner.say("1", "alone").await, "ack 1");
    let open = json!({"visibility": "public"});
    assert_eq!(call(&server, &anna.token, "PATCH", "/api/v1/channels/anna", open).await.0, 200);
    let mut back = enter(&server, "anna", &berta).await;
    let (well, said) = server.weir(&["admin", "suspend", "berta"]).await;
    assert!(well, "{said}");
    assert_eq!(back.until("error").await["code"], "forbidden");
}

#[tokio::test]
async fn what_moderators_do_at_one_server_counts_at_the_other() {
    let store = tokio::task::spawn_blocking(Cassandra::shared).await.expect("Cassandra starts").url("weir_moderated");
    let redis = tokio::task::spawn_blocking(Redis::single).await.expect("Redis starts");
    let settings =
        [("WEIR__STORE__URL", store.as_str()), ("WEIR__REDIS__URL", redis.url()), ("WEIR__CHAT__RATE_LIMIT", "off")];
    let (one, two) = (Server::start_with(&settings).await, Server::start_with(&settings).await);
    let (anna, berta, carla) =
        (register(&one, "anna").await, register(&one, "berta").await, register(&two, "carla").await);
    let (mut owner, mut author) = (enter(&one, "anna", &anna).await, enter(&two, "anna", &berta).await);
    set_words(&one, &anna, json!([{"word": "cabbage", "action": "hold"}])).await;
    let mut id = 1;
    while author.say(&id.to_string(), "cabbage").await != "held" {
        id += 1;
    }
    owner.hears("held", 1).await;
    let (_, held) = call(&one, &anna.token, "GET", "/api/v1/channels/anna/held", Value::Null).await;
    let path = format!("/api/v1/channels/anna/held/{}/allow", held["items"][0]["id"].as_str().expect("an id"));
    let allow = |server| call(server, &anna.token, "POST", &path, Value::Null);
    let (here, there) = tokio::join!(allow(&one), allow(&two));
    let mut both = [here.0, there.0];
    both.sort_unstable();
    assert_eq!(both, [204, 404], "{} {}", here.1, there.1);
    let said = format!("ack {}", id + 1);
    assert_eq!(author.say("x", "carrots").await, said, "it was said once");

    let mut reader = enter(&two, "anna", &carla).await;
    let role = "/api/v1/channels/anna/roles/carla";
    assert_eq!(call(&one, &anna.token, "PUT", role, json!({"role": "moderator"})).await.0, 200);
    assert_eq!(reader.until("you").await["you"]["role"], "moderator");
    owner.send(&json!({"type": "ban", "user": berta.id, "address": true})).await;
    author.until("cleared").await;
    assert_eq!(author.say("y", "again").await, "banned");
    assert_eq!(call(&one, &anna.token, "DELETE", role, Value::Null).await.0, 204);
    assert_eq!(reader.until("you").await["you"]["role"], "viewer");
    assert_eq!(reader.say("z", "from the same address").await, "banned");
    let closed = json!({"visibility": "private"});
    assert_eq!(call(&one, &anna.token, "PATCH", "/api/v1/channels/anna", closed).await.0, 200);
    assert_eq!(reader.until("error").await["code"], "forbidden");
}
