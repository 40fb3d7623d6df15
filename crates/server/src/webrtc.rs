//! What carries every WebRTC session of this process: one port, and one certificate.

use weir_peer::{
    socket::{self, Sockets},
    transport::Certificate,
};

use crate::{Failure, addresses, config::Config};

/// The sockets, and by what peers know this process.
#[derive(Clone)]
pub(crate) struct WebRtc {
    pub(crate) sockets: Sockets,
    /// Made anew at each start: nobody keeps it in mind longer than a session lasts.
    pub(crate) certificate: Certificate,
}

impl WebRtc {
    /// Opens the port.
    pub(crate) fn open(config: &Config) -> Result<Self, Failure> {
        let sockets = Sockets::bind(&config.webrtc).map_err(|error| match error {
            socket::Error::Bind { address, source, .. } => addresses::why(address, "webrtc.listen", &source),
        })?;
        let certificate = Certificate::generate().map_err(|error| error.to_string())?;
        Ok(Self { sockets, certificate })
    }
}
