//! The command line's side of the internal listener: finds the running server by the same settings.

use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use tokio::net::TcpStream;

use super::token::{self, Token};
use crate::{Failure, config::Config};

/// Largest answer, in bytes: a list of many thousand channels.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Calls the running server.
pub(crate) async fn call<T: DeserializeOwned>(
    config: &Config,
    method: Method,
    path: &str,
    body: &impl Serialize,
) -> Result<T, Failure> {
    let token = Token::read(&config.data_dir).map_err(|error| {
        let path = token::path(&config.data_dir);
        format!("cannot read {}: {error}; is `weir serve` running with this data_dir?", path.display())
    })?;
    let address = config.internal.listen;
    let stream = TcpStream::connect(address).await.map_err(|error| {
        format!("no server answers on {address} (`internal.listen`): {error}; is `weir serve` running?")
    })?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(format!("/internal/v1{path}"))
        .header(header::HOST, address.to_string())
        .header(header::AUTHORIZATION, token.bearer())
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(bytes::Bytes::from(serde_json::to_vec(body)?)))?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    if status == StatusCode::UNAUTHORIZED {
        let token = token::path(&config.data_dir);
        return Err(format!(
            "the server on {address} (`internal.listen`) does not take the token in {}: it runs with another data_dir",
            token.display()
        )
        .into());
    }
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await?.to_bytes();
    connection.abort();
    if !status.is_success() {
        let problem: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let said = problem["detail"].as_str().map_or_else(|| format!("the server answered {status}"), str::to_owned);
        return Err(said.into());
    }
    Ok(serde_json::from_slice(&body)?)
}
