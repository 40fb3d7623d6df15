//! Load clients that speak to any server, ours or a peer, and the comparison that is drawn from their results.
//!
//! Read [`publish`] (RTMP publishers from one file), [`hls`] and [`whep`] (viewers), [`api`] (callers), [`chat`] (people
//! in a room), [`cost`] (what a server spent meanwhile), [`report`] (table and plots). Each run has one thread, so that
//! pinning it to a core says what the load itself costs.

mod api;
mod bare;
mod chat;
mod cost;
mod hls;
mod http;
mod publish;
mod quantiles;
mod report;
mod whep;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Load clients for live-streaming servers.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// RTMP publishers, all from one MP4 file, paced by the clock
    Publish(publish::Arguments),
    /// HLS viewers: Low-Latency HLS with blocking reloads where the server offers it, else classic
    Hls(hls::Arguments),
    /// WHEP viewers
    Whep(whep::Arguments),
    /// Callers of the API
    Api(api::Arguments),
    /// People in a chat room: a few talk at a set rate, all listen
    Chat(chat::Arguments),
    /// Serves one axum route, to compare with
    Bare(bare::Arguments),
    /// Serves a room in the plainest way, to compare with: each message is sent to one socket after another
    BareChat(chat::bare::Arguments),
    /// Prints results as a table, and draws them
    Report(report::Arguments),
    /// Makes the file that a publisher of 720p30 with 2.5 Mbit/s sends, and prints its path (needs ffmpeg)
    Fixture {
        /// With Opus for sound instead of AAC
        #[arg(long)]
        opus: bool,
    },
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Publish(arguments) => in_one_thread(publish::run(arguments)),
        Command::Hls(arguments) => in_one_thread(hls::run(arguments)),
        Command::Whep(arguments) => in_one_thread(whep::run(arguments)),
        Command::Api(arguments) => in_one_thread(api::run(arguments)),
        Command::Chat(arguments) => {
            raise_file_limit();
            chat::run(&arguments)
        }
        Command::Bare(arguments) => bare::run(&arguments),
        Command::BareChat(arguments) => {
            raise_file_limit();
            chat::bare::run(&arguments)
        }
        Command::Report(arguments) => report::run(&arguments),
        Command::Fixture { opus } => {
            let path = if opus { weir_testkit::media::streamer_opus() } else { weir_testkit::media::streamer(false) };
            println!("{}", path.display());
            Ok(())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("weir-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Why a run gives no result.
type Failure = Box<dyn std::error::Error>;

fn in_one_thread(run: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    raise_file_limit();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, run)
}

/// Thousands of viewers have several sockets each.
fn raise_file_limit() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid rlimit for both calls.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
        }
    }
}
