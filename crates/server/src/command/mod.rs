//! Every command but `serve`: what they print goes to standard output, and nothing is logged.

pub(crate) mod admin;
pub(crate) mod channel;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod migrate;

use std::future::Future;

use crate::Failure;

/// Runs a command that asks the server.
pub(crate) fn block_on<T>(command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(command)
}
