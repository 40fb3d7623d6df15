//! ICE over TCP: peers connect to us (RFC 6544 §4.5, passive) and frame their datagrams (RFC 4571).
//!
//! One task a connection, which reads and writes. Senders put datagrams into its bounded [`Outbox`] and never wait. A
//! connection lives as long as it belongs to a session: until its first request proves one, five seconds at most, and
//! less where there are too many: the oldest of those that proved nothing makes room.

use std::{
    collections::{BTreeSet, HashMap},
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::{Mutex, RwLock};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp},
    sync::Notify,
    task::JoinSet,
    time,
};

use super::{
    Batch, Delivery, Shared,
    framing::{self, Deframer},
    meters::Meters,
};
use crate::path::{Carrier, Path};

/// How long a new connection may take to prove itself.
const PROOF_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection that says nothing for this long is closed: its session, which ends after 15 s of silence, is gone.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Bytes that may wait for a connection beside those being written: at 2.5 Mbit/s, 0.8 s, or the keyframe that a slow
/// link takes longest for. What is beyond is lost, as on any full link, and repaired or skipped by those above.
const OUTBOX_BYTES_MAX: usize = 256 << 10;

/// Bytes that the kernel takes before they can leave. More would only age there.
const KERNEL_UNSENT_BYTES: u32 = 32 << 10;

/// An outbox that is empty keeps this much memory.
const OUTBOX_BYTES_KEPT: usize = 16 << 10;

/// How long a connection whose session ended may take for its last words.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(1);

/// Pause after a failed accept: too many open files do not go away sooner.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections that were not accepted yet, and wait in the kernel.
const BACKLOG: i32 = 1024;

/// All connections, for those who send.
pub(super) struct Connections {
    open: RwLock<HashMap<u64, Arc<Outbox>>>,
    /// Those that proved nothing yet, the oldest first.
    unproven: Mutex<BTreeSet<u64>>,
    next: AtomicU64,
}

/// What waits to be written to one connection.
#[derive(Default)]
struct Outbox {
    waiting: Mutex<Waiting>,
    /// There is something to write, or nothing will come any more.
    wake: Notify,
    /// The session is gone.
    farewell: Notify,
}

#[derive(Default)]
struct Waiting {
    /// Frames, end to end.
    frames: Vec<u8>,
    last: bool,
}

impl Connections {
    pub(super) fn new() -> Self {
        Self { open: RwLock::default(), unproven: Mutex::default(), next: AtomicU64::new(0) }
    }

    /// Queues one datagram for a connection, if there is room.
    pub(super) fn send(&self, connection: u64, datagram: &[u8], meters: &Meters) {
        self.queue(connection, [datagram].into_iter(), meters);
    }

    /// Queues every datagram of a batch for which there is room.
    pub(super) fn send_batch(&self, connection: u64, batch: &Batch, meters: &Meters) {
        self.queue(connection, batch.datagrams(), meters);
    }

    fn queue<'a>(&self, connection: u64, datagrams: impl Iterator<Item = &'a [u8]>, meters: &Meters) {
        let Some(outbox) = self.open.read().get(&connection).cloned() else {
            return meters.dropped_unreachable.increment(datagrams.count() as u64);
        };
        let (mut sent, mut bytes, mut dropped) = (0, 0, 0);
        let mut waiting = outbox.waiting.lock();
        for datagram in datagrams {
            if waiting.last || waiting.frames.len() + 2 + datagram.len() > OUTBOX_BYTES_MAX {
                dropped += 1;
            } else {
                framing::append(&mut waiting.frames, datagram);
                sent += 1;
                bytes += datagram.len() as u64;
            }
        }
        drop(waiting);
        outbox.wake.notify_one();
        meters.tcp.sent.increment(sent);
        meters.tcp.sent_bytes.increment(bytes);
        if dropped > 0 {
            meters.dropped_slow.increment(dropped);
        }
    }

    /// The session of this connection is gone: what waits may still leave.
    pub(super) fn close(&self, connection: u64) {
        let outbox = self.open.read().get(&connection).cloned();
        if let Some(outbox) = outbox {
            outbox.waiting.lock().last = true;
            outbox.wake.notify_one();
            outbox.farewell.notify_one();
        }
    }

    /// Ends the oldest connection that proved nothing, if there is one.
    fn make_room(&self) -> bool {
        let oldest = self.unproven.lock().pop_first();
        oldest.inspect(|oldest| self.close(*oldest)).is_some()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.open.read().len()
    }
}

/// Opens the port.
pub(super) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // A restarted server must not wait for connections of the one before.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Accepts forever. The connections end with this task.
pub(super) async fn accept(shared: Arc<Shared>, listener: TcpListener, connections_max: usize) {
    let mut tasks = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = tasks.join_next() => {
                shared.meters.connections.set(tasks.len() as f64);
                continue;
            }
        };
        match accepted {
            Ok((stream, remote)) if tasks.len() < connections_max || shared.tcp.make_room() => {
                shared.meters.connections_accepted.increment(1);
                // In the table before anybody else is accepted, so that it can be the one that makes room.
                if let Some(open) = Open::new(&shared, &stream, remote) {
                    tasks.spawn(open.serve(stream));
                }
                shared.meters.connections.set(tasks.len() as f64);
            }
            Ok(_) => shared.meters.connections_refused.increment(1),
            Err(error) => {
                tracing::debug!(%error, "a WebRTC connection over TCP could not be accepted");
                time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// A connection in the table. However its task ends, nobody sends there any more and its session hears of it.
struct Open {
    shared: Arc<Shared>,
    id: u64,
    path: Path,
    outbox: Arc<Outbox>,
}

impl Open {
    fn new(shared: &Arc<Shared>, stream: &TcpStream, remote: SocketAddr) -> Option<Self> {
        let local = prepare(stream).ok()?;
        let (shared, outbox) = (Arc::clone(shared), Arc::new(Outbox::default()));
        let id = shared.tcp.next.fetch_add(1, Ordering::Relaxed);
        let canonical = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
        let path = Path { carrier: Carrier::Tcp(id), local: canonical(local), remote: canonical(remote) };
        shared.tcp.open.write().insert(id, Arc::clone(&outbox));
        shared.tcp.unproven.lock().insert(id);
        Some(Self { shared, id, path, outbox })
    }

    /// Until the connection or its session ends.
    async fn serve(self, stream: TcpStream) {
        let (reader, writer) = stream.into_split();
        let farewell = async {
            self.outbox.farewell.notified().await;
            time::sleep(FAREWELL_TIMEOUT).await;
        };
        tokio::select! {
            () = read(&self.shared, self.path, self.id, reader) => {}
            () = write(&self.outbox, writer) => {}
            () = farewell => {}
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.shared.tcp.open.write().remove(&self.id);
        self.shared.tcp.unproven.lock().remove(&self.id);
        let orphans = self.shared.routes.closed(self.path);
        self.shared.close(orphans);
    }
}

fn prepare(stream: &TcpStream) -> io::Result<SocketAddr> {
    stream.set_nodelay(true)?;
    socket2::SockRef::from(stream).set_tcp_notsent_lowat(KERNEL_UNSENT_BYTES)?;
    stream.local_addr()
}

/// Reads until the peer ends, is silent, or says what is nobody's.
async fn read(shared: &Shared, path: Path, id: u64, mut reader: tcp::OwnedReadHalf) {
    let mut deframer = Deframer::default();
    let (accepted, mut proven) = (time::Instant::now(), false);
    loop {
        let deadline = if proven { time::Instant::now() + SILENCE_MAX } else { accepted + PROOF_TIMEOUT };
        match time::timeout_at(deadline, reader.read_buf(deframer.space())).await {
            Ok(Ok(1..)) => {}
            Ok(Ok(0) | Err(_)) | Err(_) => return,
        }
        let now = std::time::Instant::now();
        loop {
            let datagram = match deframer.next() {
                Ok(Some(datagram)) => datagram,
                Ok(None) => break,
                Err(framing::TooLong) => return shared.meters.unknown.increment(1),
            };
            shared.meters.tcp.received.increment(1);
            shared.meters.tcp.received_bytes.increment(datagram.len() as u64);
            match shared.deliver(now, path, &datagram) {
                Delivery::Proven if proven => {}
                Delivery::Proven => {
                    proven = true;
                    shared.tcp.unproven.lock().remove(&id);
                }
                Delivery::Taken => {}
                Delivery::Unknown => return shared.meters.unknown.increment(1),
            }
        }
    }
}

/// Writes what waits, all of it at once, until nothing more will come or the connection breaks.
async fn write(outbox: &Outbox, mut writer: tcp::OwnedWriteHalf) {
    let mut frames = Vec::new();
    loop {
        let last = {
            let mut waiting = outbox.waiting.lock();
            std::mem::swap(&mut waiting.frames, &mut frames);
            waiting.last
        };
        if !frames.is_empty() {
            if writer.write_all(&frames).await.is_err() {
                return;
            }
            frames.clear();
        } else if last {
            let _ = writer.shutdown().await;
            return;
        } else {
            frames.shrink_to(OUTBOX_BYTES_KEPT);
            outbox.wake.notified().await;
        }
    }
}
