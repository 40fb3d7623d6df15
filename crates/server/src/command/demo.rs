//! `weir demo`: a moving test picture, published over real RTMP.
#![expect(clippy::print_stdout, reason = "this is what the command is for")]

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use http::Method;
use serde_json::json;

use crate::{
    Failure,
    cli::Settings,
    config::load,
    internal::{Created, client},
    shutdown::Signals,
};

pub(crate) fn run(settings: &Settings, url: Option<String>, key: Option<String>) -> Result<(), Failure> {
    let (url, key) = match (url, key) {
        (Some(url), Some(key)) => (url, key),
        (None, Some(key)) => {
            let config = load(&settings.sources())?.config;
            (local_rtmp(config.ingest.rtmp.listen), key)
        }
        (_, None) => {
            let config = load(&settings.sources())?.config;
            let created: Created = super::block_on(client::call(&config, Method::POST, "/demo", &json!({})))?;
            println!("Publishing to channel {}. Watch: {}", created.channel, created.page);
            (local_rtmp(config.ingest.rtmp.listen), created.key)
        }
    };
    println!("Ctrl-C ends it.");
    let stopped = Arc::new(AtomicBool::new(false));
    let stop = stopped.clone();
    // The publisher blocks this thread; signals are waited for on another.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async move {
        let mut signals = Signals::listen()?;
        tokio::spawn(async move {
            signals.next().await;
            stop.store(true, Relaxed);
        });
        Ok::<_, Failure>(())
    })?;
    match weir_packager::demo::publish(&url, &key, || stopped.load(Relaxed)) {
        // Ctrl-C in a terminal also reaches a server there, which may be gone first.
        Err(_) if stopped.load(Relaxed) => Ok(()),
        published => Ok(published?),
    }
}

/// How this machine reaches its own listener.
fn local_rtmp(listen: std::net::SocketAddr) -> String {
    let ip = match listen.ip() {
        ip if ip.is_unspecified() => std::net::Ipv4Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("rtmp://{}/live", std::net::SocketAddr::new(ip, listen.port()))
}
