//! A file published in real time, until dropped.

use std::{path::Path, sync::Arc};

use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until},
};

use super::{Client, Error, Options, Playout, flv::Style};
use crate::media::Movie;

/// A publisher that runs in the background; it ends when this is dropped.
#[derive(Debug)]
pub struct Playing(JoinHandle<Result<(), Error>>);

impl Drop for Playing {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Publishes `file` to `url`, looped, as fast as it plays.
///
/// # Errors
/// When the server refuses, or is not there.
pub async fn play(url: &str, file: &Path, style: Style) -> Result<Playing, Error> {
    let mut playout = Playout::new(Arc::new(Movie::open(file)), style);
    let mut client = Client::publish(url, &Options::default()).await?;
    for header in playout.headers() {
        client.send(&header).await?;
    }
    Ok(Playing(tokio::spawn(async move {
        let start = Instant::now();
        loop {
            let due = playout.advance();
            sleep_until(start + due.at).await;
            client.send_due(&due).await?;
        }
    })))
}
