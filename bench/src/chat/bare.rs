//! The least that a chat server can do: one thread that takes what somebody says and sends it to one socket after
//! another. What it costs is the kernel's, so that what a real server costs beside it is its own.
//!
//! It speaks as much of Weir's protocol as the bench listens to, to whoever comes, and keeps nothing.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::AsRawFd as _,
    time::Duration,
};

use super::{client::frame, poll::Poll};
use crate::Failure;

/// What to serve.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Where to listen
    #[arg(long)]
    listen: SocketAddr,
}

/// The name of the listening socket.
const LISTENER: usize = usize::MAX;
/// Most that a client says at once.
const READ_BYTES: usize = 64 * 1024;
/// The answer to the one key that the bench sends.
const HANDSHAKE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Serves until it is ended.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let listener = TcpListener::bind(arguments.listen)?;
    let mut poll = Poll::new()?;
    poll.add(listener.as_raw_fd(), LISTENER)?;
    let mut clients: Vec<Option<TcpStream>> = Vec::new();
    let (mut ready, mut buffer, mut offset) = (Vec::new(), vec![0; READ_BYTES], 0_u64);
    loop {
        poll.wait(Duration::from_secs(1), &mut ready)?;
        for name in std::mem::take(&mut ready) {
            if name == LISTENER {
                let (client, _) = listener.accept()?;
                client.set_nodelay(true)?;
                client.set_nonblocking(true)?;
                poll.add(client.as_raw_fd(), clients.len())?;
                clients.push(Some(client));
                continue;
            }
            let Some(Some(client)) = clients.get_mut(name) else { continue };
            // What the bench says is in one piece: it is short, and leaves in one write.
            let read = match client.read(&mut buffer) {
                Ok(count) if count > 0 => &mut buffer[..count],
                _ => {
                    clients[name] = None;
                    continue;
                }
            };
            if read.starts_with(b"GET ") {
                client.write_all(HANDSHAKE)?;
                continue;
            }
            let mut rest = &mut read[..];
            while let Some(&length) = rest.get(1) {
                // Clients' frames have a mask of zeros behind their length.
                rest[1] = length & 0x7f;
                let Some((_, payload, end)) = frame(rest) else { break };
                let Some(text) = rest.get(payload + 4..end + 4) else { break };
                if text.starts_with(br#"{"type":"say""#) {
                    offset += 1;
                    let said = String::from_utf8_lossy(text).replacen(r#"{"type":"say""#, r#""type":"message""#, 1);
                    let message = text_frame(&format!(r#"{{"offset":{offset},{said}"#));
                    for client in clients.iter_mut().flatten() {
                        // Who does not read misses it.
                        let _ = client.write(&message);
                    }
                    answer(&mut clients, name, r#"{"type":"ack"}"#);
                } else {
                    answer(&mut clients, name, r#"{"type":"joined"}"#);
                }
                rest = &mut rest[end + 4..];
            }
        }
    }
}

fn answer(clients: &mut [Option<TcpStream>], name: usize, text: &str) {
    if let Some(Some(client)) = clients.get_mut(name) {
        let _ = client.write(&text_frame(text));
    }
}

fn text_frame(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match u8::try_from(text.len()) {
        Ok(length @ 0..=125) => frame.push(length),
        _ => {
            frame.push(126);
            frame.extend_from_slice(&(text.len() as u16).to_be_bytes());
        }
    }
    frame.extend_from_slice(text.as_bytes());
    frame
}
