//! One room on three servers while things break: whatever was acknowledged is there, once, and everywhere in one order.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::sleep;
use weir_testkit::{
    cassandra::Cassandra,
    chat::{
        regular::{Habits, Regular},
        transcript,
    },
    http,
    redis::{Proxy, Redis},
    server::Server,
};

const CLIENTS: usize = 300;
/// Every so many-th client speaks.
const SPEAKS_EVERY: usize = 6;
/// How long it is silent in between.
const SILENT: Duration = Duration::from_secs(1);
/// Accounts that they share: what is tested is not how they log in.
const ACCOUNTS: usize = 6;
/// One in so many messages of Redis to each server is lost.
const LOST_ONE_IN: usize = 20;
/// How long Redis hangs.
const PAUSE: Duration = Duration::from_secs(10);
/// The end of hope for 300 clients on a machine that has more to do.
const PATIENCE: Duration = Duration::from_secs(120);

struct Room {
    clients: Vec<Regular>,
}

impl Room {
    fn speakers(&self) -> impl Iterator<Item = &Regular> {
        self.clients.iter().step_by(SPEAKS_EVERY)
    }

    /// Waits until something holds for all clients of it.
    async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let since = Instant::now();
        while !holds(self) {
            if since.elapsed() > PATIENCE {
                let places: Vec<_> = self.clients.iter().map(|client| (client.place(), client.is_alone())).collect();
                panic!("waited for {what}: {places:?}");
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until everybody who speaks was acknowledged so often again.
    async fn talk_on(&self, what: &str, times: usize) {
        let before: Vec<usize> = self.speakers().map(Regular::acknowledged).collect();
        let went_on = |room: &Self| {
            room.speakers().zip(&before).all(|(speaker, before)| speaker.acknowledged() >= before + times)
        };
        self.until(what, went_on).await;
    }

    /// Waits until all are in the room, in one epoch that is another than `not`. Gives it.
    async fn together(&self, what: &str, not: &str) -> String {
        let is_one = |room: &Self| {
            let mut epochs = room.clients.iter().map(|client| client.place().map(|(epoch, _)| epoch));
            let Some(Some(first)) = epochs.next() else { return false };
            first != not && epochs.all(|epoch| epoch.as_deref() == Some(&first))
        };
        self.until(what, is_one).await;
        let (epoch, _) = self.clients[0].place().unwrap_or_default();
        epoch
    }
}

async fn register(server: &Server, name: &str) -> String {
    let body = json!({"username": name, "password": "correct horse battery"}).to_string();
    let headers = [("content-type", "application/json")];
    let answer = http::send("POST", &server.url("/api/v1/auth/register"), &headers, body.into()).await;
    let answer = answer.expect("the server answers");
    assert_eq!(answer.status, 201, "{}", answer.text());
    let session: Value = serde_json::from_slice(&answer.body).expect("JSON");
    session["access_token"].as_str().expect("a token").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_servers_tell_three_hundred_clients_the_same_whatever_breaks() {
    let store = tokio::task::spawn_blocking(Cassandra::shared).await.expect("Cassandra starts").url("weir_chaos");
    let redis = tokio::task::spawn_blocking(Redis::single).await.expect("Redis starts");
    let (mut servers, mut ways) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let way = Proxy::start(redis.address(1), LOST_ONE_IN).await;
        servers.push(Server::start_with(&settings(&store, &way.url())).await);
        ways.push(way);
    }
    let mut tokens = Vec::new();
    for number in 0..ACCOUNTS {
        tokens.push(register(&servers[0], &format!("anna{number}")).await);
    }
    let clients = (0..CLIENTS).map(|number| {
        let mut servers: Vec<_> = servers.iter().map(|server| server.http).collect();
        servers.rotate_left(number % 3);
        Regular::start(Habits {
            name: format!("c{number}"),
            channel: "anna0".to_owned(),
            servers,
            token: Some(tokens[number % ACCOUNTS].clone()),
            says_every: (number % SPEAKS_EVERY == 0).then_some(SILENT),
        })
    });
    let room = Room { clients: clients.collect() };
    let first = room.together("everybody in one room", "").await;
    room.talk_on("a quiet beginning", 2).await;

    // A server dies, its clients go to the others, and it is started again.
    let mut dead = servers.pop().expect("three servers");
    dead.signal("KILL").await;
    dead.ended().await;
    room.talk_on("talk on two servers", 2).await;
    let (dir, http, way) = (dead.dir.clone(), dead.http.to_string(), ways[2].url());
    let again = [&settings(&store, &way)[..], &[("WEIR__HTTP__LISTEN", &http)]].concat();
    servers.push(Server::start_in(dir, &again).await);
    room.clients.iter().skip(2).step_by(3).for_each(Regular::go_home);
    room.talk_on("talk on three servers", 2).await;
    assert_eq!(room.together("nothing happened to the room", "").await, first);

    // Redis hangs.
    let connections: usize = room.clients.iter().map(Regular::connections).sum();
    redis.pause(1);
    let paused = Instant::now();
    room.until("each server alone", |room| room.clients.iter().all(Regular::is_alone)).await;
    room.talk_on("talk without Redis", 2).await;
    sleep(PAUSE.saturating_sub(paused.elapsed())).await;
    redis.resume(1);
    assert_eq!(room.together("one room again", "").await, first, "Redis had kept it");
    room.talk_on("talk after the pause", 2).await;

    // Redis is started again, and has nothing.
    redis.kill(1);
    redis.revive(1);
    let second = room.together("one room again, given to Redis", &first).await;
    room.talk_on("talk after that", 2).await;
    // And again, after a while without.
    redis.kill(1);
    room.until("each server alone", |room| room.clients.iter().all(Regular::is_alone)).await;
    room.talk_on("talk without Redis", 1).await;
    redis.revive(1);
    room.together("one room again, put together", &second).await;
    room.talk_on("talk at the end", 2).await;
    let now: usize = room.clients.iter().map(Regular::connections).sum();
    assert_eq!(now, connections, "nobody had to connect again since the server died");

    room.until("everything acknowledged", |room| room.speakers().all(Regular::is_quiet)).await;
    let last = |room: &Room| room.clients.iter().map(|client| client.place()).max().flatten();
    let is_still = |room: &Room| room.clients.iter().all(|client| client.place() == last(room));
    room.until("everybody at the end", is_still).await;
    let transcripts: Vec<_> = room.clients.into_iter().map(Regular::end).collect();
    let faults = transcript::check(&transcripts);
    let said: usize = transcripts.iter().map(transcript::Transcript::acknowledged).sum();
    let lost: Vec<usize> = ways.iter().map(Proxy::lost).collect();
    println!("{said} said, {lost:?} messages of Redis lost, {connections} connections");
    assert!(faults.is_empty(), "{} faults, such as {:#?}", faults.len(), &faults[..faults.len().min(10)]);
    assert!(said > CLIENTS && lost.iter().all(|lost| *lost > 20), "{said} {lost:?}");
}

fn settings<'a>(store: &'a str, redis: &'a str) -> [(&'static str, &'a str); 4] {
    [
        ("WEIR__STORE__URL", store),
        ("WEIR__REDIS__URL", redis),
        ("WEIR__CHAT__RATE_LIMIT", "off"),
        // Whoever was away for some seconds misses more here than where people talk.
        ("WEIR__CHAT__HISTORY", "10000"),
    ]
}
