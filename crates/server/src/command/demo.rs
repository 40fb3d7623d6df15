//! `weir demo`: a moving test picture, published over real RTMP.
#![expect(clippy::print_stdout, reason = "this is what the command is for")]

use http::Method;
use serde_json::json;

use crate::{
    Failure,
    cli::Settings,
    config::load,
    internal::{Created, client},
};

pub(crate) fn run(settings: &Settings, url: Option<String>, key: Option<String>) -> Result<(), Failure> {
    let (url, key) = match (url, key) {
        (Some(url), Some(key)) => (url, key),
        (url, None) if url.is_some() => return Err("--url needs --key".into()),
        (None, Some(key)) => {
            let config = load(&settings.sources())?.config;
            (local_rtmp(config.ingest.rtmp.listen), key)
        }
        _ => {
            let config = load(&settings.sources())?.config;
            let created: Created = super::block_on(client::call(&config, Method::POST, "/demo", &json!({})))?;
            println!("Publishing to channel {}. Watch: {}", created.channel, created.page);
            (local_rtmp(config.ingest.rtmp.listen), created.key)
        }
    };
    println!("Ctrl-C ends it.");
    let _ = (url, key);
    Err("this build has no test picture".into())
}

/// How this machine reaches its own listener.
fn local_rtmp(listen: std::net::SocketAddr) -> String {
    let ip = match listen.ip() {
        ip if ip.is_unspecified() => std::net::Ipv4Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("rtmp://{}/live", std::net::SocketAddr::new(ip, listen.port()))
}
