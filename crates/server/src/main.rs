//! `weir`: the server, and the commands that ask a running one.
//!
//! Read [`serve`] first: what is started in which order, and how it stops. The supervision tree is in [`supervise`],
//! one actor a file; [`wiring`] answers what the crates ask of each other (may this key publish? what is live?);
//! [`config`] reads settings; [`internal`] is the listener for the machine's operator; [`pages`] are the embedded web
//! pages; [`command`] holds every other command. This is the only crate where the others meet.

mod addresses;
mod cli;
mod command;
mod config;
mod data_dir;
mod health;
mod internal;
mod logs;
mod memory;
mod pages;
mod process;
mod serve;
mod shutdown;
mod supervise;
mod tls;
mod webrtc;
mod wiring;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("weir: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Any failure of a command, as the one sentence that is printed.
type Failure = Box<dyn std::error::Error + Send + Sync>;

fn run(command: cli::Command) -> Result<(), Failure> {
    use cli::Command;
    match command {
        Command::Serve { settings, role } => {
            memory::no_huge_pages();
            role.check()?;
            let loaded = config::load(&settings.sources())?;
            // As many worker threads as there are cores this process may use.
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("weir").build()?;
            runtime.block_on(serve::serve(loaded))
        }
        Command::Channel { settings, call } => command::block_on(command::channel::run(&settings, call)),
        Command::Admin { settings, call } => command::block_on(command::admin::run(&settings, call)),
        Command::Demo { settings, url, key } => command::demo::run(&settings, url, key),
        Command::Migrate { settings, call } => command::block_on(command::migrate::run(&settings, call)),
        Command::Config { call } => command::config::run(call),
        Command::Worker { call: cli::WorkerCall::Repair } => Ok(weir_packager::repair::worker::run()?),
        Command::Worker { call: cli::WorkerCall::Pictures } => Ok(weir_pictures::worker::run()?),
    }
}
