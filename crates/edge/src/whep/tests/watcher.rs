//! A viewer over a real socket, which counts what it gets.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use tokio::{net::UdpSocket, time::sleep_until};
use weir_peer::{
    path::{Carrier, Path},
    resource::Problem,
    sdp::Description,
    transport::{Certificate, Credentials, Event, Packet, Side, Transport},
};

use super::Whep;

/// Longest that a test waits for one thing.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A viewer that takes H.264 and Opus.
pub(super) struct Watcher {
    socket: UdpSocket,
    path: Path,
    transport: Transport,
    /// What ends its session.
    pub(super) id: String,
    /// The numbers in the pictures, in the order in which they came.
    pub(super) pictures: Vec<i64>,
    /// Their RTP timestamps.
    pub(super) timestamps: Vec<u32>,
    /// The source of the pictures.
    video: u32,
    /// Packets of sound.
    pub(super) sounds: usize,
    /// The server said goodbye.
    pub(super) closed: bool,
}

impl Watcher {
    /// Offers to watch `anna`.
    pub(super) async fn offer(whep: &Whep, certificate: &Certificate) -> Result<Self, Problem> {
        let local = Credentials::random();
        let offer = offer(&local, certificate);
        let answer = whep.play("anna", None, Some("application/sdp"), offer.as_bytes()).await?;
        let header = |wanted| answer.headers.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.as_str());
        let id = header("location").and_then(|location| location.rsplit('/').next()).unwrap().to_owned();
        let description: Description = answer.body.parse().unwrap();
        let server: SocketAddr = description
            .candidates()
            .find_map(|line| {
                let words: Vec<_> = line.split(' ').collect();
                (words[2] == "udp").then(|| format!("{}:{}", words[4], words[5]).parse().unwrap())
            })
            .expect("a candidate");
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let now = Instant::now();
        let (remote, prints) = (description.credentials().unwrap(), description.fingerprints());
        let mut transport = Transport::new(now, Side::Client, certificate, local, remote, prints).unwrap();
        transport.remote_candidate(server);
        let path = Path { carrier: Carrier::Udp, local: socket.local_addr().unwrap(), remote: server };
        let (pictures, timestamps) = Default::default();
        Ok(Self { socket, path, transport, id, pictures, timestamps, video: 0, sounds: 0, closed: false })
    }

    /// Lives until something is true of it.
    pub(super) async fn until(&mut self, mut enough: impl FnMut(&Self) -> bool) {
        let give_up = Instant::now() + PATIENCE;
        while !enough(self) {
            assert!(Instant::now() < give_up, "{} pictures, {} sounds", self.pictures.len(), self.sounds);
            self.step().await;
        }
    }

    async fn step(&mut self) {
        self.transport.handle_timeout(Instant::now());
        self.drain().await;
        let wake = self.transport.poll_timeout().unwrap_or_else(|| Instant::now() + Duration::from_millis(50));
        let mut datagram = [0; 2048];
        tokio::select! {
            received = self.socket.recv(&mut datagram) => {
                let received = received.unwrap();
                let packet = self.transport.receive(Instant::now(), self.path, &datagram[..received]).packet;
                if let Packet::Rtp(packet) = packet {
                    self.packet(&packet);
                }
            }
            () = sleep_until(wake.into()) => {}
        }
        self.drain().await;
    }

    async fn drain(&mut self) {
        while let Some(event) = self.transport.poll_event() {
            self.closed |= matches!(event, Event::Closed(_));
        }
        while let Some(transmit) = self.transport.poll_transmit() {
            self.socket.send_to(&transmit.data, transmit.path.remote).await.unwrap();
        }
    }

    fn packet(&mut self, packet: &[u8]) {
        let word = |at: usize| u32::from_be_bytes(packet[at..at + 4].try_into().unwrap());
        let mut head = 12 + 4 * usize::from(packet[0] & 15);
        if packet[0] & 0x10 != 0 {
            head += 4 + 4 * (word(head) & 0xffff) as usize;
        }
        if packet[1] & 0x7f == 111 {
            self.sounds += 1;
            return;
        }
        // Parameter sets come before a keyframe, in a packet of their own or together with it.
        let payload = &packet[head..];
        let number = |nal: &[u8]| nal.get(1..9).map(|bytes| i64::from_be_bytes(bytes.try_into().unwrap()));
        let found = match payload[0] & 0x1f {
            1 | 5 => number(payload),
            24 => units(&payload[1..]).into_iter().filter(|nal| nal[0] & 0x1f == 5).find_map(number),
            _ => None,
        };
        if let Some(number) = found {
            self.pictures.push(number);
            self.timestamps.push(word(4));
            self.video = word(8);
        }
    }

    /// Tells the server that a picture was lost (PLI, RFC 4585 §6.3.1).
    pub(super) fn lost_a_picture(&mut self) {
        let mut out = Vec::new();
        let packet = [&[0x81, 206, 0, 2, 0, 0, 0, 1][..], &self.video.to_be_bytes()].concat();
        self.transport.protect_rtcp(&packet, &mut out).unwrap();
        self.socket.try_send_to(&out, self.path.remote).unwrap();
    }
}

/// The NAL units of a STAP-A (RFC 6184 §5.7.1), after its first byte.
fn units(mut rest: &[u8]) -> Vec<&[u8]> {
    let mut units = Vec::new();
    while let [high, low, more @ ..] = rest {
        let (unit, more) = more.split_at(usize::from(u16::from_be_bytes([*high, *low])));
        units.push(unit);
        rest = more;
    }
    units
}

fn offer(local: &Credentials, certificate: &Certificate) -> String {
    let print = certificate.fingerprint();
    let section = |line: &str, mid: u8, map: &str| {
        format!("m={line}\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\na=recvonly\r\na=rtcp-mux\r\na=rtpmap:{map}\r\n")
    };
    [
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n".to_owned(),
        format!("a=ice-ufrag:{}\r\na=ice-pwd:{}\r\na=setup:active\r\n", local.ufrag, local.pwd),
        format!("a=fingerprint:{} {}\r\n", print.algorithm, print.value),
        section("video 9 UDP/TLS/RTP/SAVPF 96", 0, "96 H264/90000"),
        "a=fmtp:96 packetization-mode=1;profile-level-id=42e01f\r\na=rtcp-fb:96 nack pli\r\n".to_owned(),
        section("audio 9 UDP/TLS/RTP/SAVPF 111", 1, "111 opus/48000/2"),
    ]
    .concat()
}
