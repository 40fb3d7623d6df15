//! `weir migrate`: moves a store, while no server runs on it.
#![expect(clippy::print_stdout, reason = "this is what the command is for")]

use weir_control::transfer::{self, Progress};

use crate::{
    Failure,
    cli::{MigrateCall, Settings},
    config::load,
};

/// Rows of one table between two lines about it.
const ROWS_A_LINE: u64 = 10_000;

pub(crate) async fn run(settings: &Settings, call: MigrateCall) -> Result<(), Failure> {
    let MigrateCall::SqliteToCql { from, to } = call;
    let mut store = load(&settings.sources())?.config.store;
    store.url = to;
    store.validate().map_err(|(key, why)| format!("store.{key}: {why}"))?;
    let mut lines = Lines::default();
    let mut hear = |progress: Progress<'_>| {
        lines.hear(progress);
        Ok(())
    };
    transfer::sqlite_to_cql(&from, &store, &mut hear).await?;
    println!("Moved and verified. Start the servers with store.url = {:?}, and keep {}", store.url, from.display());
    println!("until you have seen them work.");
    Ok(())
}

/// Says now and then how far it is.
#[derive(Default)]
struct Lines {
    table: String,
    rows: u64,
    said: u64,
}

impl Lines {
    fn hear(&mut self, progress: Progress<'_>) {
        match progress {
            Progress::Copied { table, rows } => {
                if table != self.table {
                    self.end();
                    (self.table, self.said) = (table.to_owned(), 0);
                }
                self.rows = rows;
                if rows >= self.said + ROWS_A_LINE {
                    println!("copying {table}: {rows} rows");
                    self.said = rows;
                }
            }
            Progress::Verified { table, rows } => {
                self.end();
                self.table.clear();
                println!("verified {table}: {rows} rows");
            }
        }
    }

    fn end(&self) {
        if !self.table.is_empty() {
            println!("copied {}: {} rows", self.table, self.rows);
        }
    }
}
