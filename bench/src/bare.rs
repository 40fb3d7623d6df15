//! The least that a server of this kind can spend: one axum route that answers what it always answers.

use std::net::SocketAddr;

use axum::{Json, Router, extract::Path, routing::get};
use serde::Serialize;

use crate::Failure;

/// Where to serve.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Address and port
    #[arg(long)]
    listen: SocketAddr,
}

/// As much as Weir says of a channel that is not live.
#[derive(Serialize)]
struct Channel {
    name: String,
    title: &'static str,
    description: &'static str,
    tags: [&'static str; 0],
    category: &'static str,
    language: &'static str,
    visibility: &'static str,
    latency: &'static str,
    conflict: &'static str,
    live: bool,
    started_at: Option<&'static str>,
    viewers: u64,
    renditions: [&'static str; 0],
    playback: Playback,
}

#[derive(Serialize)]
struct Playback {
    hls: &'static str,
    dash: Option<&'static str>,
    whep: &'static str,
}

async fn channel(Path(name): Path<String>) -> Json<Channel> {
    Json(Channel {
        title: "A channel of the bench",
        description: "",
        tags: [],
        category: "",
        language: "",
        visibility: "public",
        latency: "low",
        conflict: "take_over",
        live: false,
        started_at: None,
        viewers: 0,
        renditions: [],
        playback: Playback { hls: "/live/bench_channel/index.m3u8", dash: None, whep: "/whep/bench_channel" },
        name,
    })
}

/// Serves until it is killed, with as many threads as it has cores, as Weir does.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(arguments.listen).await?;
        println!("http://{}", listener.local_addr()?);
        axum::serve(listener, Router::new().route("/api/v1/channels/{name}", get(channel))).await?;
        Ok(())
    })
}
