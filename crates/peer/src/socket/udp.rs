//! The UDP socket: segmentation offload both ways, and answers that leave from the address that was asked.

use std::{
    io::{self, IoSliceMut},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{io::Interest, net::UdpSocket, task, time};

use super::{Batch, meters::Meters};
use crate::{
    config::Config,
    path::{Carrier, Path},
};

/// Longest datagram there is. With receive offload the kernel fills a buffer of this size with many.
const DATAGRAM_BYTES_MAX: usize = u16::MAX as usize;

/// Pause after an error of the socket that is nobody's datagram, so that one that stays does not take the core.
const ERROR_PAUSE: Duration = Duration::from_millis(50);

/// The socket.
pub(super) struct Udp {
    socket: UdpSocket,
    state: UdpSocketState,
    bound: SocketAddr,
    /// Datagrams that the kernel cuts out of one run at most. Asked once: the state's own figure falls to one for good
    /// over any invalid argument, such as an address of ours that went away.
    segments_max: usize,
    /// Whether the kernel cuts runs of datagrams for us. Off for good once it refused what it took one by one.
    offload: AtomicBool,
}

impl Udp {
    /// Opens the socket. Must be called within a runtime.
    pub(super) fn bind(listen: SocketAddr, config: &Config) -> io::Result<Self> {
        let socket = open(listen).or_else(|error| match listen.ip() {
            // A machine without IPv6 still has all its IPv4 addresses.
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => {
                open((Ipv4Addr::UNSPECIFIED, listen.port()).into())
            }
            _ => Err(error),
        })?;
        enlarge(&socket, config);
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        let socket = UdpSocket::from_std(socket.into())?;
        let bound = socket.local_addr()?;
        let segments_max = state.max_gso_segments().max(1);
        Ok(Self { socket, state, bound, segments_max, offload: AtomicBool::new(true) })
    }

    /// What it is bound to, with the real port.
    pub(super) fn bound(&self) -> SocketAddr {
        self.bound
    }

    /// Sends one datagram, now or never.
    pub(super) fn send(&self, path: &Path, datagram: &[u8], meters: &Meters) {
        let result = self.transmit(path, datagram, None);
        account(&result, 1, datagram.len(), meters);
    }

    /// Sends every datagram of a batch, now or never.
    pub(super) fn send_batch(&self, path: &Path, batch: &Batch, meters: &Meters) {
        for run in batch.runs(self.segments_max()) {
            if run.count == 1 {
                self.send(path, run.bytes, meters);
                continue;
            }
            let result = self.transmit(path, run.bytes, Some(run.size));
            if result.as_ref().is_err_and(is_refusal) {
                self.send_one_by_one(path, run.bytes.chunks(run.size), meters);
            } else {
                account(&result, run.count, run.bytes.len(), meters);
            }
        }
    }

    fn segments_max(&self) -> usize {
        if self.offload.load(Ordering::Relaxed) { self.segments_max } else { 1 }
    }

    /// After a refused run: if the kernel takes its first datagram alone, it was the offload that it refused. The last
    /// one says nothing, being shorter.
    fn send_one_by_one<'a>(&self, path: &Path, datagrams: impl Iterator<Item = &'a [u8]>, meters: &Meters) {
        for (index, datagram) in datagrams.enumerate() {
            let result = self.transmit(path, datagram, None);
            account(&result, 1, datagram.len(), meters);
            if index == 0 && result.is_ok() && self.offload.swap(false, Ordering::Relaxed) {
                tracing::info!(
                    "the kernel refuses to segment UDP datagrams for this network; they are sent one by one"
                );
            }
        }
    }

    fn transmit(&self, path: &Path, contents: &[u8], segment_size: Option<usize>) -> io::Result<()> {
        let src_ip = (!path.local.ip().is_unspecified()).then(|| self.on_the_wire(path.local).ip());
        let destination = self.on_the_wire(path.remote);
        let transmit = Transmit { destination, ecn: None, contents, segment_size, src_ip };
        // Not through the runtime: after one full buffer it would hold everything back until half of it is empty.
        self.state.try_send(UdpSockRef::from(&self.socket), &transmit)
    }

    /// An IPv6 socket speaks to IPv4 addresses as mapped ones.
    fn on_the_wire(&self, address: SocketAddr) -> SocketAddr {
        match address {
            SocketAddr::V4(v4) if self.bound.is_ipv6() => (v4.ip().to_ipv6_mapped(), v4.port()).into(),
            _ => address,
        }
    }

    /// Reads forever. `deliver` gets each datagram that can be answered and says whether somebody knew it.
    pub(super) async fn receive(&self, meters: &Meters, mut deliver: impl FnMut(Instant, Path, &[u8]) -> bool) {
        let mut memory = vec![0_u8; DATAGRAM_BYTES_MAX * BATCH_SIZE];
        let mut metas = [RecvMeta::default(); BATCH_SIZE];
        loop {
            let mut buffers: [IoSliceMut<'_>; BATCH_SIZE] = std::array::from_fn(|_| IoSliceMut::new(&mut []));
            for (buffer, piece) in buffers.iter_mut().zip(memory.chunks_exact_mut(DATAGRAM_BYTES_MAX)) {
                *buffer = IoSliceMut::new(piece);
            }
            let received = self
                .socket
                .async_io(Interest::READABLE, || {
                    self.state.recv(UdpSockRef::from(&self.socket), &mut buffers, &mut metas)
                })
                .await;
            let count = match received {
                Ok(count) => count,
                Err(error) if is_about_a_peer(&error) => continue,
                Err(error) => {
                    tracing::warn!(%error, "the WebRTC socket cannot be read");
                    time::sleep(ERROR_PAUSE).await;
                    continue;
                }
            };
            let now = Instant::now();
            let (mut datagrams, mut bytes, mut unknown) = (0, 0, 0);
            for (meta, buffer) in metas.iter().zip(&buffers).take(count) {
                let path = self.path(meta);
                let filled = buffer.get(..meta.len).unwrap_or_default();
                for datagram in filled.chunks(meta.stride.max(1)) {
                    datagrams += 1;
                    bytes += datagram.len() as u64;
                    // Nothing can be sent to port 0, so whatever claims to come from there is a forgery.
                    let known = path.remote.port() != 0 && deliver(now, path, datagram);
                    unknown += u64::from(!known);
                }
            }
            meters.udp.received.increment(datagrams);
            meters.udp.received_bytes.increment(bytes);
            if unknown > 0 {
                meters.unknown.increment(unknown);
            }
            if count == BATCH_SIZE {
                // There is more, but others have work to do as well.
                task::yield_now().await;
            }
        }
    }

    fn path(&self, meta: &RecvMeta) -> Path {
        let local = meta.dst_ip.unwrap_or(self.bound.ip()).to_canonical();
        let remote = match meta.addr.ip().to_canonical() {
            ip @ IpAddr::V4(_) => SocketAddr::new(ip, meta.addr.port()),
            // With its zone, without which a link-local address cannot be answered.
            IpAddr::V6(_) => meta.addr,
        };
        Path { carrier: Carrier::Udp, local: SocketAddr::new(local, self.bound.port()), remote }
    }
}

#[cfg(test)]
impl Udp {
    pub(super) fn offload(&self, on: bool) {
        self.offload.store(on, Ordering::Relaxed);
    }

    pub(super) fn offloads(&self) -> bool {
        self.offload.load(Ordering::Relaxed)
    }
}

fn open(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Asks for large buffers; less is no reason not to start, but an operator should know.
fn enlarge(socket: &Socket, config: &Config) {
    let _ = socket.set_recv_buffer_size(config.receive_buffer_bytes);
    let _ = socket.set_send_buffer_size(config.send_buffer_bytes);
    let buffers = [
        ("net.core.rmem_max", config.receive_buffer_bytes, socket.recv_buffer_size()),
        ("net.core.wmem_max", config.send_buffer_bytes, socket.send_buffer_size()),
    ];
    for (limit, asked, given) in buffers {
        // Linux says twice what it gives (socket(7)).
        let given = given.unwrap_or(0) / 2;
        if given < asked / 2 {
            tracing::warn!(
                asked,
                given,
                "the kernel gives WebRTC a small socket buffer: bursts are lost; raise {limit}"
            );
        }
    }
}

fn account(result: &io::Result<()>, datagrams: usize, bytes: usize, meters: &Meters) {
    let datagrams = datagrams as u64;
    match result {
        Ok(()) => {
            meters.udp.sent.increment(datagrams);
            meters.udp.sent_bytes.increment(bytes as u64);
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock || error.raw_os_error() == Some(libc::ENOBUFS) => {
            meters.dropped_full.increment(datagrams);
        }
        Err(error) => {
            tracing::trace!(%error, "a datagram could not be sent");
            meters.dropped_unreachable.increment(datagrams);
        }
    }
}

/// What kernels and drivers without segmentation offload answer; but a source address that is gone looks alike.
fn is_refusal(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EIO | libc::EINVAL | libc::EMSGSIZE | libc::EOPNOTSUPP))
}

/// Errors that tell of an earlier datagram to somebody who is not there.
fn is_about_a_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable, WouldBlock};
    matches!(error.kind(), ConnectionRefused | ConnectionReset | HostUnreachable | NetworkUnreachable | WouldBlock)
}
