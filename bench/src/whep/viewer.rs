//! One viewer: offers, connects, takes what comes, reports as browsers do.

use std::{
    cell::RefCell,
    io::{self, IoSliceMut},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    rc::Rc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use quinn_udp::{RecvMeta, UdpSockRef, UdpSocketState};
use tokio::{io::Interest, net::UdpSocket, time::sleep_until};
use weir_peer::{
    path::{Carrier, Path},
    transport::{Certificate, Credentials, Event, Fingerprint, Packet, Side, Transport},
};
use weir_testkit::{http, stamp};

use super::{
    description::{Answer, offer},
    feedback::Feedback,
    tally::Tally,
};
use crate::Failure;

/// Bytes taken at once: the most that the kernel joins.
const BURST_BYTES: usize = 65_536;
/// How often receiver reports go out.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// How often transport-wide feedback goes out.
const FEEDBACK_EVERY: Duration = Duration::from_millis(100);
/// A viewer to whom nothing comes for so long has a still picture.
const STALL: Duration = Duration::from_secs(1);
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(20);

thread_local! {
    /// All viewers are on one thread and read in turn.
    static BURST: RefCell<Vec<u8>> = RefCell::new(vec![0; BURST_BYTES]);
}

/// What all viewers share.
pub(crate) struct Watch {
    pub(crate) url: String,
    pub(crate) certificate: Certificate,
    pub(crate) reports: bool,
    pub(crate) tally: Rc<RefCell<Tally>>,
}

impl Watch {
    /// Watches until the server ends it.
    pub(crate) async fn watch(self: Rc<Self>, measured: bool) -> Result<(), Failure> {
        let asked = Instant::now();
        let local = Credentials::random();
        let print = self.certificate.fingerprint();
        let offer = offer(&local.ufrag, &local.pwd, (&print.algorithm, &print.value));
        let answer = http::send("POST", &self.url, &[("content-type", "application/sdp")], Bytes::from(offer)).await;
        let answer = answer.map_err(|error| format!("the offer: {error}"))?;
        if answer.status != 201 {
            return Err(format!("status {} to the offer: {}", answer.status, answer.text()).into());
        }
        let answer = Answer::parse(&answer.text()).ok_or("the answer lacks something")?;
        let server =
            *answer.candidates.iter().find(|address| address.is_ipv4()).ok_or("no candidate of IPv4 and UDP")?;
        let socket = UdpSocket::bind((route_to(server)?, 0)).await?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        let (algorithm, value) = answer.fingerprint.clone();
        let mut transport = Transport::new(
            asked,
            Side::Client,
            &self.certificate,
            local,
            Credentials { ufrag: answer.ufrag.clone(), pwd: answer.pwd.clone() },
            vec![Fingerprint { algorithm, value }],
        )?;
        let path = Path { carrier: Carrier::Udp, local: socket.local_addr()?, remote: server };
        transport.remote_candidate(server);
        let feedback = Feedback::new(asked);
        let extension = answer.transport_cc;
        let mut viewer = Viewer { watch: &self, socket, state, path, transport, feedback, extension, measured, asked };
        viewer.run().await
    }
}

/// The address from which this machine reaches `server`.
fn route_to(server: SocketAddr) -> io::Result<IpAddr> {
    let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect(server)?;
    Ok(socket.local_addr()?.ip())
}

struct Viewer<'a> {
    watch: &'a Watch,
    socket: UdpSocket,
    state: UdpSocketState,
    path: Path,
    transport: Transport,
    feedback: Feedback,
    /// The id under which packets carry transport-wide sequence numbers.
    extension: Option<u8>,
    measured: bool,
    asked: Instant,
}

/// When a datagram came.
#[derive(Clone, Copy)]
struct Arrived {
    /// When it was read.
    read: Instant,
    /// When the kernel had it for this socket, which browsers tell the server as well.
    at: Instant,
    /// The same in nanoseconds since 1970.
    at_nanos: u64,
}

impl Arrived {
    fn of(meta: &RecvMeta) -> Self {
        let (read, read_nanos) = (Instant::now(), stamp::now_nanos());
        // A kernel that tells no time: it has only just come.
        let at_nanos = meta.timestamp.map_or(read_nanos, |since_1970| since_1970.as_nanos() as u64);
        let waited = Duration::from_nanos(read_nanos.saturating_sub(at_nanos));
        Self { read, at: read.checked_sub(waited).unwrap_or(read), at_nanos }
    }
}

/// The picture whose packets are coming.
#[derive(Default)]
struct Picture {
    timestamp: u32,
    sent_nanos: Option<u64>,
}

impl Viewer<'_> {
    async fn run(&mut self) -> Result<(), Failure> {
        let mut picture = Picture::default();
        let mut started = false;
        let mut last_packet = Instant::now();
        let (mut report_at, mut feedback_at) = (self.asked + REPORT_EVERY, self.asked + FEEDBACK_EVERY);
        loop {
            let wake = [self.transport.poll_timeout(), Some(report_at), Some(feedback_at)].into_iter().flatten().min();
            let wake = wake.expect("two are always there");
            tokio::select! {
                ready = self.socket.readable() => ready?,
                () = sleep_until(wake.into()) => {}
            }
            let packets = self.take(&mut picture)?;
            let now = Instant::now();
            if packets > 0 {
                last_packet = now;
                if !std::mem::replace(&mut started, true) {
                    self.watch.tally.borrow_mut().started(now - self.asked);
                }
            } else if started && now - last_packet > STALL {
                self.watch.tally.borrow_mut().stalled();
                last_packet = now;
            } else if !started && now - self.asked > CONNECT {
                return Err("nothing came in time".into());
            }
            self.transport.handle_timeout(now);
            while let Some(event) = self.transport.poll_event() {
                if let Event::Closed(why) = event {
                    return Err(format!("the server ended it: {why:?}").into());
                }
            }
            if now >= report_at {
                report_at = now + REPORT_EVERY;
                self.report(|feedback| Some(feedback.receiver_report()));
            }
            if now >= feedback_at {
                feedback_at = now + FEEDBACK_EVERY;
                self.report(Feedback::transport_cc);
            }
            while let Some(transmit) = self.transport.poll_transmit() {
                // A full socket is the network's loss.
                let _ = self.socket.try_send_to(&transmit.data, transmit.path.remote);
            }
        }
    }

    fn report(&mut self, make: impl FnOnce(&mut Feedback) -> Option<Vec<u8>>) {
        if !self.watch.reports || !self.transport.is_connected() {
            return;
        }
        let Some(packet) = make(&mut self.feedback) else { return };
        let mut protected = Vec::with_capacity(packet.len() + 32);
        if self.transport.protect_rtcp(&packet, &mut protected).is_ok() {
            let _ = self.socket.try_send_to(&protected, self.path.remote);
        }
    }

    /// Takes everything that is there; gives how many packets of media it was.
    fn take(&mut self, picture: &mut Picture) -> io::Result<u32> {
        BURST.with_borrow_mut(|burst| {
            let mut packets = 0;
            loop {
                let mut meta = [RecvMeta::default()];
                let received = self.socket.try_io(Interest::READABLE, || {
                    self.state.recv(UdpSockRef::from(&self.socket), &mut [IoSliceMut::new(burst)], &mut meta)
                });
                match received {
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(packets),
                    // An earlier datagram found nobody.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
                    Err(error) => return Err(error),
                }
                let arrived = Arrived::of(&meta[0]);
                for datagram in burst[..meta[0].len].chunks(meta[0].stride.max(1)) {
                    packets += self.datagram(arrived, datagram, picture);
                }
            }
        })
    }

    fn datagram(&mut self, arrived: Arrived, datagram: &[u8], picture: &mut Picture) -> u32 {
        let now = arrived.read;
        let Some(header) = Header::parse(datagram, self.extension) else {
            self.transport.receive(now, self.path, datagram);
            return 0;
        };
        let lost = self.feedback.packet(arrived.at, header.ssrc, header.seq, header.transport_seq);
        self.watch.tally.borrow_mut().packet(datagram.len(), lost);
        if self.measured {
            self.measure(arrived, datagram, &header, picture);
        }
        1
    }

    fn measure(&mut self, arrived: Arrived, datagram: &[u8], header: &Header, picture: &mut Picture) {
        let Packet::Rtp(packet) = self.transport.receive(arrived.read, self.path, datagram).packet else { return };
        if let Some(stamp) = stamp::find(&packet).next() {
            *picture = Picture { timestamp: header.timestamp, sent_nanos: Some(stamp.sent_nanos) };
        }
        if header.marker
            && header.timestamp == picture.timestamp
            && let Some(sent) = picture.sent_nanos.take()
        {
            let age = |nanos: u64| Duration::from_nanos(nanos.saturating_sub(sent));
            self.watch.tally.borrow_mut().picture(age(arrived.at_nanos), age(stamp::now_nanos()));
        }
    }
}

/// What is in clear in an SRTP packet.
struct Header {
    marker: bool,
    seq: u16,
    timestamp: u32,
    ssrc: u32,
    transport_seq: Option<u16>,
}

impl Header {
    /// `None` for anything but RTP (RFC 7983, RFC 5761 §4).
    fn parse(datagram: &[u8], extension: Option<u8>) -> Option<Self> {
        let &[first, kind, s0, s1, t0, t1, t2, t3, r0, r1, r2, r3, ref rest @ ..] = datagram else { return None };
        if first >> 6 != 2 || (192..=223).contains(&kind) {
            return None;
        }
        let rest = rest.get(4 * usize::from(first & 15)..)?;
        let extensions = match rest {
            [0xbe, 0xde, high, low, rest @ ..] if first & 0x10 != 0 => {
                rest.get(..4 * usize::from(u16::from_be_bytes([*high, *low])))?
            }
            _ => &[],
        };
        Some(Self {
            marker: kind & 0x80 != 0,
            seq: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([r0, r1, r2, r3]),
            transport_seq: extension.and_then(|id| one_byte(extensions, id)),
        })
    }
}

/// The two bytes of a header extension in the one-byte form (RFC 8285 §4.2).
fn one_byte(mut extensions: &[u8], wanted: u8) -> Option<u16> {
    while let Some((&head, rest)) = extensions.split_first() {
        if head == 0 {
            extensions = rest;
            continue;
        }
        let (value, rest) = rest.split_at_checked(usize::from(head & 15) + 1)?;
        if head >> 4 == wanted {
            return Some(u16::from_be_bytes(value.try_into().ok()?));
        }
        extensions = rest;
    }
    None
}
