//! Who is there, by name.

use super::*;

/// How many there are, and who.
async fn who(client: &mut Client) -> (u64, Option<Vec<String>>) {
    client.send(json!({"type": "viewers"})).await;
    let told = client.until("viewers").await;
    let names = |people: &Vec<Value>| people.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect();
    (told["count"].as_u64().unwrap(), told["people"].as_array().map(names))
}

#[tokio::test(start_paused = true)]
async fn people_of_two_nodes_are_named_once_each_and_whoever_may_do_more_first() {
    let fabric = Arc::new(Local::new(10));
    let one = Server::over(fabric.clone(), Config::default()).await;
    let two = Server::over(fabric, Config::default()).await;
    let mut zoe = one.reader("zoe").await;
    assert_eq!(who(&mut zoe).await, (1, Some(vec!["zoe".into()])));
    let (_again, mut nobody) = (one.reader("zoe").await, one.reader(Value::Null).await);
    let (_same, mut owner) = (two.reader("zoe").await, two.reader("owner:mia").await);
    let _guard = two.reader("mod:bob").await;
    let all = ["mia", "bob", "zoe"].map(str::to_owned).to_vec();
    for client in [&mut zoe, &mut nobody, &mut owner] {
        assert_eq!(who(client).await.1, Some(all.clone()));
    }
    drop(owner);
    // What was told is believed for a moment.
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(who(&mut zoe).await.1, Some(all[1..].to_vec()));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_does_not_answer_holds_nobody_up() {
    let fabric = Arc::new(Local::new(10));
    let server = Server::over(fabric.clone(), Config::default()).await;
    let mut zoe = server.reader("zoe").await;
    fabric.signal(ChannelId::from_bytes([7; 16]), Signal::Presence { node: 9, count: 40 });
    assert_eq!(who(&mut zoe).await, (41, Some(vec!["zoe".into()])));
}

#[tokio::test(start_paused = true)]
async fn a_room_of_many_is_only_counted() {
    let server = Server::start(|config| config.rate_limit = crate::config::RateLimit::Off).await;
    let mut all = Vec::new();
    for number in 0..200 {
        all.push(server.reader(format!("user_{number}")).await);
    }
    let mut last = all.pop().unwrap();
    assert_eq!(who(&mut last).await.1.map(|people| people.len()), Some(200));
    let mut late = server.reader("one_more").await;
    assert_eq!(who(&mut late).await, (201, None));
}

#[tokio::test(start_paused = true)]
async fn clients_hear_that_there_are_other_emotes() {
    let server = Server::start(|_| {}).await;
    let mut zoe = server.reader("zoe").await;
    server.chat.emotes_changed(Some(ChannelId::from_bytes([7; 16])));
    assert_eq!(zoe.until("emotes").await, json!({"type": "emotes"}));
    server.chat.emotes_changed(None);
    zoe.until("emotes").await;
}
