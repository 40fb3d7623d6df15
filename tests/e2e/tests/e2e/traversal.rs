//! No name and no id leads to a file: every route with a parameter, asked for odd ones, by a page of another site.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
};

use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner},
};
use serde_json::Value;
use weir_testkit::{
    clock::ClockPublisher,
    hls, http,
    server::{ADMIN_KEY, PATIENCE},
};

use crate::api;

/// Stands in files that nobody may read.
const SECRET: &str = "the-word-that-no-answer-has";
/// What else would tell that a file was read: the store, and a file of every machine.
const OF_FILES: [&str; 3] = [SECRET, "SQLite format 3", "root:x:0:0"];

/// The page that asks, as far as the browser tells.
const ELSEWHERE: &str = "https://elsewhere.example";

/// Requests of a run; each is a connection.
const CASES: u32 = 1_500;

/// Parts of which parameters are put together, as a request would have them.
const PARTS: &[&str] = &[
    "..",
    ".",
    "/",
    "%2e",
    "%2e%2e",
    "%2E%2e",
    "%2f",
    "%2F",
    "..%2f",
    "..%5c",
    "\\",
    "%5c",
    "%00",
    "%0a",
    "%0d%0a",
    "%ff",
    "%c0%ae",
    "%c0%af",
    "%252e%252e%252f",
    "....//",
    "~",
    "%7e",
    ":",
    ";",
    "?",
    "%3f",
    "%23",
    "*",
    "%",
    "%2",
    "C:",
    "file:%2f%2f",
    "etc",
    "passwd",
    "etc%2fpasswd",
    "data",
    "spool",
    "weir.db",
    "secret.txt",
    "token",
    "index.html",
    "index.m3u8",
    "admin",
    "ADMIN",
    "proc%2fself%2fenviron",
    "00000000000000000000000000000000",
    "01a1fe5c-9f41-76e1-b65b-593d68c99544",
    "-1",
];

/// A route: what stands between its parameters, and a value of each that leads on.
type Route = (String, Vec<Piece>);

#[derive(Debug, Clone)]
enum Piece {
    Fixed(String),
    Parameter { good: String },
}

/// `path` with its `{parameters}`; a good one is in `known`, or is the operator's name.
fn route(method: &str, path: &str, known: &[(&str, &str)]) -> Route {
    let mut pieces = Vec::new();
    for (number, part) in path.split(['{', '}']).enumerate() {
        pieces.push(match number % 2 {
            0 => Piece::Fixed(part.to_owned()),
            _ => {
                let good = known.iter().find(|(name, _)| *name == part).map_or("admin", |(_, good)| good);
                Piece::Parameter { good: good.to_owned() }
            }
        });
    }
    (method.to_owned(), pieces)
}

/// A parameter: parts that lead out of folders, any bytes at all, or the whole way to the secret.
fn odd(secret: &Path) -> impl Strategy<Value = String> + use<> {
    let whole = secret.to_str().expect("a path of text").replace('/', "%2f");
    let up = (1_usize..12, select(vec!["..%2f", "%2e%2e%2f", "../", "..%5c", "%252e%252e%252f", "....//"]));
    prop_oneof![
        4 => vec(select(PARTS), 1..8).prop_map(|parts| parts.concat()),
        2 => (up, select(vec!["secret.txt", "data/secret.txt", "data/weir.db", "etc/passwd", "etc%2fpasswd"]))
            .prop_map(|((times, step), to)| step.repeat(times) + to),
        1 => vec(any::<u8>(), 0..24).prop_map(|bytes| bytes.iter().map(|byte| format!("%{byte:02x}")).collect()),
        1 => Just(whole),
    ]
}

/// A request: a route with each parameter good or odd.
fn requests(routes: Vec<Route>, secret: &Path) -> impl Strategy<Value = (String, String)> + use<> {
    let parameters = vec((any::<bool>(), odd(secret)), 6);
    (select(routes), parameters).prop_map(|((method, pieces), parameters)| {
        let mut parameters = parameters.into_iter();
        let path = pieces.iter().map(|piece| match piece {
            Piece::Fixed(text) => text.clone(),
            Piece::Parameter { good } => match parameters.next() {
                Some((true, odd)) => odd,
                _ => good.clone(),
            },
        });
        (method, path.collect())
    })
}

/// Sends what a client of HTTP would never send.
fn ask(address: SocketAddr, method: &str, path: &str, token: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\
         origin: {ELSEWHERE}\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}"
    );
    stream.write_all(head.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

fn check(method: &str, path: &str, answer: &[u8]) -> Result<(), TestCaseError> {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status: u16 = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    prop_assert!((200..500).contains(&status), "{method} {path}: {head}");
    for word in OF_FILES {
        prop_assert!(!body.contains(word), "{method} {path}: {body}");
    }
    let head = head.to_ascii_lowercase();
    // Players of other sites may read what is public, and never as the visitor.
    prop_assert!(
        !head.contains("access-control-allow-credentials") && !head.contains(ELSEWHERE),
        "{method} {path}: {head}"
    );
    if path.starts_with("/api/") {
        prop_assert!(!head.contains("access-control-allow-origin"), "{method} {path}: {head}");
    }
    // Where programs call, every refusal is a problem document; what is no HTTP at all is refused without words.
    if path.starts_with("/api/v1/") && status >= 400 {
        prop_assert!(head.contains("application/problem+json") || body.is_empty(), "{method} {path}: {text}");
    }
    Ok(())
}

#[tokio::test]
async fn no_name_and_no_id_leads_to_a_file_or_to_an_error_of_the_server() {
    let server = api::server().await;
    let secret = server.dir.path().join("secret.txt");
    for folder in ["", "data", "data/spool"] {
        let folder = server.dir.path().join(folder);
        std::fs::create_dir_all(&folder).expect("our own folder");
        std::fs::write(folder.join("secret.txt"), SECRET).expect("our own folder");
    }
    let publisher = ClockPublisher::start(&server.rtmp_url(ADMIN_KEY), &[]);
    let playlist = hls::open(&server.playlist("admin")).await.variant;
    let way: Vec<&str> = playlist.split("/live/").nth(1).expect("below /live/").split('/').collect();
    let known = [("name", "admin"), ("session", way[1]), ("rendition", way[2]), ("file", "part-1.m4s")];

    let described = http::get(&server.url("/api/openapi.json")).await.expect("an answer");
    let described: Value = serde_json::from_slice(&described.body).expect("JSON");
    let mut routes = Vec::new();
    for (path, calls) in described["paths"].as_object().expect("paths") {
        // One ends the stream that the others are asked about; its name is read as theirs are.
        if path.contains('{') && !path.ends_with("/session") {
            let methods = calls.as_object().expect("calls").keys();
            routes.extend(methods.map(|method| route(&method.to_uppercase(), path, &known)));
        }
    }
    assert!(routes.len() > 15, "{routes:?}");
    for path in [
        "/{name}",
        "/assets/{file}",
        "/api/docs/{file}",
        "/api/v1/{name}",
        "/live/{name}/index.m3u8",
        "/live/{name}/{file}",
        "/live/{name}/{session}/{rendition}/index.m3u8",
        "/live/{name}/{session}/{rendition}/{file}",
        "/vod/{name}/index.m3u8",
    ] {
        routes.extend(["GET", "OPTIONS"].map(|method| route(method, path, &known)));
    }
    for path in ["/whep/{name}", "/whep/{name}/{session}", "/whip/{session}"] {
        routes.extend(["OPTIONS", "POST", "PATCH", "DELETE"].map(|method| route(method, path, &known)));
    }

    let (address, token) = (server.http, api::operator(&server).await);
    let run = tokio::task::spawn_blocking(move || {
        let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
        let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
        runner.run(&requests(routes, &secret), |(method, path)| {
            let answer = ask(address, &method, &path, &token);
            check(&method, &path, &answer.map_err(|error| TestCaseError::fail(format!("{method} {path}: {error}")))?)
        })
    });
    let result: Result<(), TestError<_>> = run.await.expect("it ends");
    assert!(result.is_ok(), "{}", result.unwrap_err());
    assert!(!server.output().contains("panicked"), "{}", server.output());
    publisher.stop().await;
}
