//! The pump on sockets in memory, in time that passes by itself.

use std::time::Duration;

use rml_amf0::Amf0Value;
use tokio::io::{DuplexStream, duplex};
use weir_identity::{ChannelName, KeyId};
use weir_media::Conflict;

use super::*;
use crate::rtmp::{
    chunks::{Writer, kind},
    command,
};

/// Answers after so long.
struct SlowGate(Duration);

impl Gate for SlowGate {
    async fn admit(&self, _: StreamKey, _: SocketAddr) -> Result<Publish, Denied> {
        time::sleep(self.0).await;
        let channel = ChannelName::parse("anna").unwrap();
        Ok(Publish { channel, key: KeyId::new(), conflict: Conflict::TakeOver, private: false, protocol: "" })
    }
}

struct Running {
    peer: DuplexStream,
    registry: Registry,
    pump: tokio::task::JoinHandle<Result<(), Error>>,
    /// Dropping it is draining.
    _drain: oneshot::Sender<()>,
}

/// A pump whose socket holds so many bytes each way.
fn start(buffer: usize, gate: SlowGate) -> Running {
    let (peer, socket) = duplex(buffer);
    let (drain, drained) = oneshot::channel();
    let registry = Registry::new(9);
    let shared = Shared { config: Config::default(), gate: Arc::new(gate), registry: registry.clone() };
    let pump = Pump {
        socket,
        peer: ([127, 0, 0, 1], 9).into(),
        protocol: "rtmp",
        shared: Arc::new(shared),
        drain: drained,
        began: time::Instant::now().into_std(),
    };
    Running { peer, registry, pump: tokio::spawn(pump.run()), _drain: drain }
}

/// A handshake, `connect` and `publish`.
fn login() -> Vec<u8> {
    let writer = Writer::new();
    let mut bytes = [&[3][..], &[0; 3072]].concat();
    let app = Amf0Value::Object([("app".to_owned(), Amf0Value::Utf8String("live".into()))].into());
    writer.message(3, 0, kind::COMMAND, 0, &command::body("connect", 1.0, app, vec![]), &mut bytes);
    let key = vec![Amf0Value::Utf8String("abcd-1234".into())];
    writer.message(3, 0, kind::COMMAND, 1, &command::body("publish", 2.0, Amf0Value::Null, key), &mut bytes);
    bytes
}

/// What the server said, up to and with `text`.
async fn hear(peer: &mut DuplexStream, text: &str) {
    let mut heard = Vec::new();
    while !heard.windows(text.len()).any(|window| window == text.as_bytes()) {
        assert!(peer.read_buf(&mut heard).await.unwrap() > 0, "{:?}", String::from_utf8_lossy(&heard));
    }
}

#[tokio::test(start_paused = true)]
async fn a_handshake_of_a_byte_a_second_is_cut_off() {
    let Running { mut peer, pump, _drain, .. } = start(1 << 16, SlowGate(Duration::ZERO));
    let begin = time::Instant::now();
    let trickle = async {
        while peer.write_all(&[3]).await.is_ok() {
            time::sleep(Duration::from_secs(1)).await;
        }
    };
    let (ending, ()) = tokio::join!(pump, trickle);
    assert!(matches!(ending.unwrap(), Err(Error::LoginTimeout(_))));
    assert!(begin.elapsed() <= Config::default().login_timeout + Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn silence_is_cut_off() {
    let Running { peer, pump, _drain, .. } = start(1 << 16, SlowGate(Duration::ZERO));
    assert!(matches!(pump.await.unwrap(), Err(Error::LoginTimeout(_))));
    drop(peer);
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_falls_silent_loses_its_channel() {
    let Running { mut peer, registry, pump, _drain } = start(1 << 16, SlowGate(Duration::ZERO));
    peer.write_all(&login()).await.unwrap();
    hear(&mut peer, "NetStream.Publish.Start").await;
    assert_eq!(registry.len(), 1);
    assert!(matches!(pump.await.unwrap(), Err(Error::Idle(_))));
    assert!(registry.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_does_not_answer_is_a_refusal_in_words() {
    let Running { mut peer, registry, pump, _drain } = start(1 << 16, SlowGate(Duration::from_secs(3600)));
    peer.write_all(&login()).await.unwrap();
    hear(&mut peer, "The server cannot check stream keys at the moment.").await;
    drop(peer);
    assert!(pump.await.unwrap().is_ok());
    assert!(registry.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_slow_gate_is_waited_for() {
    let Running { mut peer, _drain, .. } = start(1 << 16, SlowGate(Duration::from_secs(9)));
    peer.write_all(&login()).await.unwrap();
    hear(&mut peer, "NetStream.Publish.Start").await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_is_given_up() {
    let Running { mut peer, pump, _drain, .. } = start(64, SlowGate(Duration::ZERO));
    // It fits nothing but the first bytes of our handshake.
    let _ = time::timeout(Duration::from_secs(20), peer.write_all(&login())).await;
    assert!(matches!(pump.await.unwrap(), Err(Error::WriteTimeout(_))));
}

#[tokio::test(start_paused = true)]
async fn an_encoder_that_never_reads_goes_on_publishing() {
    let Running { mut peer, registry, _drain, .. } = start(4096, SlowGate(Duration::ZERO));
    let mut bytes = login();
    let writer = Writer::new();
    writer.control(kind::WINDOW_SIZE, &[0; 4], &mut bytes);
    peer.write_all(&bytes).await.unwrap();
    hear(&mut peer, "NetStream.Publish.Start").await;
    // An acknowledgement has 16 bytes, and at most one is sent for 64 kB: 4096 bytes of them are more than enough.
    let mut frame = Vec::new();
    writer.message(4, 0, kind::AUDIO, 1, &[0xaf; 1 << 10], &mut frame);
    for _ in 0..300 * 64 {
        peer.write_all(&frame).await.unwrap();
    }
    assert_eq!(registry.len(), 1);
    let live = registry.all().remove(0);
    live.kick(Kick::Ended);
    live.ended().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_peer_that_goes_on_sending_is_cut_off() {
    let Running { mut peer, pump, _drain, .. } = start(1 << 16, SlowGate(Duration::from_secs(3600)));
    peer.write_all(&login()).await.unwrap();
    hear(&mut peer, "NetStream.Publish.BadName").await;
    while peer.write_all(&[0; 1000]).await.is_ok() {}
    assert!(pump.await.unwrap().is_ok());
}

#[test]
fn the_read_buffer_follows_what_comes() {
    let mut read = ReadBuffer::new();
    for most in [READ_BYTES_STRANGER, READ_BYTES_MAX] {
        read.bytes_max = most;
        for _ in 0..10 {
            read.adapt(read.bytes.len());
        }
        assert_eq!(read.bytes.len(), most);
    }
    for _ in 0..10 * SMALL_READS {
        read.adapt(100);
    }
    assert_eq!(read.bytes.len(), READ_BYTES_MIN);
}
