//! A way to Redis on which some of what is published gets lost.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::{AbortHandle, JoinSet},
};

/// Listens until it is dropped, and loses every so many-th message of a sharded channel.
pub struct Proxy {
    address: SocketAddr,
    lost: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    /// Leads to `redis`, and loses one in `one_in`.
    ///
    /// # Panics
    /// When it cannot listen.
    pub async fn start(redis: &str, one_in: usize) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let (redis, lost) = (redis.to_owned(), Arc::<AtomicUsize>::default());
        let counts = Arc::new((AtomicUsize::default(), lost.clone()));
        let task = tokio::spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                let (redis, counts) = (redis.clone(), counts.clone());
                open.spawn(async move {
                    // Whoever is not there does not listen.
                    let Ok(far) = TcpStream::connect(redis).await else { return };
                    let ((mut asked, answers), (answered, mut asks)) = (near.into_split(), far.into_split());
                    // Where one way ends, both do.
                    tokio::select! {
                        _ = copy(&mut asked, &mut asks) => {}
                        () = forward(answered, answers, one_in, &counts) => {}
                    }
                });
                while open.try_join_next().is_some() {}
            }
        });
        Self { address, lost, task: task.abort_handle() }
    }

    /// The `redis.url` of this way.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Messages that were lost.
    #[must_use]
    pub fn lost(&self) -> usize {
        self.lost.load(Relaxed)
    }
}

async fn forward(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    one_in: usize,
    (published, lost): &(AtomicUsize, Arc<AtomicUsize>),
) {
    let mut waiting = Vec::new();
    let mut read = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut read).await {
        waiting.extend_from_slice(&read[..count]);
        let mut passes = Vec::new();
        let mut at = 0;
        while let Some(length) = value(&waiting[at..]) {
            let whole = &waiting[at..at + length];
            at += length;
            let is_published = whole.starts_with(b">3\r\n$8\r\nsmessage\r\n");
            if is_published && published.fetch_add(1, Relaxed) % one_in == one_in - 1 {
                lost.fetch_add(1, Relaxed);
            } else {
                passes.extend_from_slice(whole);
            }
        }
        waiting.drain(..at);
        if to.write_all(&passes).await.is_err() {
            return;
        }
    }
}

/// The length of the value that begins here, once it is whole (RESP3).
fn value(bytes: &[u8]) -> Option<usize> {
    let line = memchr::memmem::find(bytes, b"\r\n")? + 2;
    let count = || std::str::from_utf8(&bytes[1..line - 2]).ok().and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
    let values = match bytes[0] {
        b'$' | b'!' | b'=' => {
            let length = usize::try_from(count()).map_or(line, |length| line + length + 2);
            return (bytes.len() >= length).then_some(length);
        }
        b'*' | b'~' | b'>' => count().max(0),
        b'%' => count().max(0) * 2,
        // What belongs to the value behind it.
        b'|' => count().max(0) * 2 + 1,
        _ => 0,
    };
    (0..values).try_fold(line, |at, _| Some(at + value(&bytes[at..])?))
}

#[cfg(test)]
mod tests {
    use super::value;

    #[test]
    fn values_end_where_they_end() {
        for whole in [
            "+OK\r\n",
            ":7\r\n",
            "$5\r\na\r\nbc\r\n",
            "$-1\r\n",
            "*-1\r\n",
            "_\r\n",
            "*2\r\n$1\r\na\r\n*1\r\n:7\r\n",
            "%1\r\n+a\r\n$0\r\n\r\n",
            ">3\r\n$8\r\nsmessage\r\n$1\r\nc\r\n$2\r\nhi\r\n",
        ] {
            let more = format!("{whole}+next\r\n");
            assert_eq!(value(more.as_bytes()), Some(whole.len()), "{whole:?}");
            for short in 0..whole.len() {
                assert_eq!(value(&whole.as_bytes()[..short]), None, "{whole:?} {short}");
            }
        }
    }
}
