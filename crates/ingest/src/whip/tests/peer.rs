//! A publisher in a test: the client's side of a transport over a socket of its own.

use std::{net::SocketAddr, str::FromStr as _, time::Instant};

use tokio::{net::UdpSocket, time::timeout_at};
use weir_peer::{
    path::{Carrier, Path},
    rtp::Header,
    sdp::{Description, frag::Fragment},
    transport::{Certificate, Credentials, Event, Reason, Side, Transport},
};

/// A frame of Opus: silence in stereo.
pub(super) const SOUND: &[u8] = &[0xfc, 0xff, 0xfe];
/// Media time between two of them, in Opus' units: 20 ms.
const SOUND_TICKS: u32 = 960;
const PT: u8 = 111;
const SSRC: u32 = 0x5eed;

pub(super) struct Peer {
    socket: UdpSocket,
    certificate: Certificate,
    credentials: Credentials,
    transport: Option<Transport>,
    sent: u16,
}

impl Peer {
    pub(super) async fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let (certificate, credentials) = (Certificate::generate().unwrap(), Credentials::random());
        Self { socket, certificate, credentials, transport: None, sent: 0 }
    }

    pub(super) fn offer(&self) -> String {
        let Credentials { ufrag, pwd } = &self.credentials;
        let fingerprint = self.certificate.fingerprint().value;
        format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=ice-ufrag:{ufrag}\r\n\
             a=ice-pwd:{pwd}\r\na=fingerprint:sha-256 {fingerprint}\r\na=setup:actpass\r\n\
             m=audio 9 UDP/TLS/RTP/SAVPF {PT}\r\na=mid:0\r\na=sendonly\r\na=rtcp-mux\r\n\
             a=rtpmap:{PT} opus/48000/2\r\na=ssrc:{SSRC} cname:test\r\n\
             m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=sendonly\r\na=rtcp-mux\r\n\
             a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\n"
        )
    }

    /// Takes the answer to its offer.
    pub(super) fn answered(&mut self, sdp: &str) {
        let answer = Description::from_str(sdp).unwrap();
        let (own, remote) = (self.credentials.clone(), answer.credentials().unwrap());
        let now = Instant::now();
        let fingerprints = answer.fingerprints();
        let made = Transport::new(now, Side::Client, &self.certificate, own, remote, fingerprints);
        let transport = self.transport.insert(made.unwrap());
        transport.remote_candidate(candidate(answer.candidates()));
    }

    pub(super) async fn connect(&mut self) {
        while self.step().await != Some(Event::Connected) {}
    }

    /// Takes the answer to an ICE restart from another address, until the path from there is nominated.
    pub(super) async fn restarted(&mut self, credentials: Credentials, answer: &str) {
        self.socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let answer = Fragment::parse(answer).unwrap();
        let transport = self.transport.as_mut().unwrap();
        transport.restart(Instant::now(), credentials, answer.credentials.unwrap());
        transport.remote_candidate(candidate(answer.candidates.iter().map(String::as_str)));
        while !matches!(self.step().await, Some(Event::PathChanged(_))) {}
    }

    /// Waits for the end, and says how it came.
    pub(super) async fn closed(&mut self) -> Reason {
        loop {
            if let Some(Event::Closed(reason)) = self.step().await {
                return reason;
            }
        }
    }

    /// Sends sound until `heard`.
    pub(super) async fn say_until(&mut self, mut heard: impl FnMut() -> bool) {
        while !heard() {
            let mut packet = Vec::new();
            let header = Header {
                marker: self.sent == 0,
                payload_type: PT,
                sequence: self.sent,
                timestamp: u32::from(self.sent) * SOUND_TICKS,
                ssrc: SSRC,
            };
            header.write(&[], &mut packet);
            packet.extend(SOUND);
            self.sent += 1;
            let transport = self.transport.as_mut().unwrap();
            let mut sealed = Vec::new();
            transport.protect_rtp(&packet, &mut sealed).unwrap();
            let to = transport.path().unwrap().remote;
            self.socket.send_to(&sealed, to).await.unwrap();
            tokio::task::yield_now().await;
        }
    }

    /// Says goodbye.
    pub(super) async fn close(&mut self) {
        self.transport.as_mut().unwrap().close(Instant::now());
        self.transmit().await;
    }

    /// Sends what is to be sent, and takes one datagram or one deadline; what happened then.
    async fn step(&mut self) -> Option<Event> {
        self.transmit().await;
        let transport = self.transport.as_mut().unwrap();
        if let Some(event) = transport.poll_event() {
            return Some(event);
        }
        let deadline = transport.poll_timeout().expect("it is not over");
        let mut buffer = [0; 2048];
        match timeout_at(deadline.into(), self.socket.recv_from(&mut buffer)).await {
            Ok(received) => {
                let (length, remote) = received.unwrap();
                let path = Path { carrier: Carrier::Udp, local: self.socket.local_addr().unwrap(), remote };
                transport.receive(Instant::now(), path, &buffer[..length]);
            }
            Err(_) => transport.handle_timeout(Instant::now()),
        }
        self.transmit().await;
        self.transport.as_mut().unwrap().poll_event()
    }

    async fn transmit(&mut self) {
        while let Some(transmit) = self.transport.as_mut().unwrap().poll_transmit() {
            self.socket.send_to(&transmit.data, transmit.path.remote).await.unwrap();
        }
    }
}

/// What asks for an ICE restart with these credentials.
pub(super) fn fragment(credentials: &Credentials) -> String {
    let Credentials { ufrag, pwd } = credentials;
    format!("m=audio 9 UDP/TLS/RTP/SAVPF {PT}\r\na=mid:0\r\na=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\n")
}

/// The address of the first candidate over UDP.
fn candidate<'a>(mut candidates: impl Iterator<Item = &'a str>) -> SocketAddr {
    let udp = candidates.find(|candidate| candidate.contains(" udp ")).expect("a candidate");
    let words: Vec<&str> = udp.split(' ').collect();
    format!("{}:{}", words[4], words[5]).parse().unwrap()
}
