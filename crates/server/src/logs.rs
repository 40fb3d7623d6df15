//! Log lines, to standard error: standard output belongs to what a person asked for.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// What is not logged unless the settings name it: the DTLS library warns of every extension that it does not know, a
/// dozen lines for each browser that connects.
const QUIET: &str = "rtc_dtls=off";

/// Begins logging. Called once.
pub(crate) fn start(config: &Log) {
    // The filter passed the settings' check.
    let filter = EnvFilter::builder().parse_lossy(format!("{QUIET},{}", config.filter));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match config.format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(true).with_span_list(false).init(),
    }
    // A panic ends an actor and not the server, so it is a line of log like others, in the same format.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(why = panic.payload_as_str(), place, "a part of the server panicked");
    }));
}
