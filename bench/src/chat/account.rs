//! An account that talks, and a channel to talk in, made over the API.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::{
    Failure,
    http::{Connection, Want},
};

/// Of the accounts that this makes.
const PASSWORD: &str = "a password for the bench";

/// Where to talk, and as whom.
pub(crate) struct Room {
    /// With `{i}` for a room's number, if there are several.
    pub(crate) channel: String,
    /// An access token.
    pub(crate) token: String,
}

/// Makes an account that talks in `channel`, or in one that is made for it. Who talks does not own the channel, so that
/// everything that is said is looked at as a viewer's.
pub(crate) fn prepare(server: SocketAddr, host: &str, channel: Option<String>) -> Result<Room, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let number = std::process::id() % 100_000;
        let mut connection = Connection::new(server, host);
        let channel = match channel {
            Some(channel) => channel,
            None => {
                let name = format!("room_{number:05}");
                register(&mut connection, host, &name).await?;
                name
            }
        };
        let token = register(&mut connection, host, &format!("speaker_{number:05}")).await?;
        Ok(Room { channel, token })
    })
}

async fn register(connection: &mut Connection, host: &str, name: &str) -> Result<String, Failure> {
    let body = json!({"username": name, "password": PASSWORD}).to_string();
    let mut answers = Vec::new();
    // An account of an earlier run is used again.
    for path in ["register", "login"] {
        let request = format!(
            "POST /api/v1/auth/{path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = connection.send(request.as_bytes(), Want::Body).await?;
        let said: Value = serde_json::from_slice(connection.body()).unwrap_or_default();
        if let Some(token) = said["access_token"].as_str() {
            return Ok(token.to_owned());
        }
        answers.push(format!("{path}: status {}, {said}", answer.status));
    }
    Err(format!("no account: {}", answers.join("; ")).into())
}
