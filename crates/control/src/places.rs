//! Where people publish and watch, asked of the rest of the server.

/// Knows under which addresses this installation is reached.
pub trait Places: Send + Sync + 'static {
    /// What RTMP encoders take as their server. `host` is the name under which the caller reached us, without a port.
    fn rtmp_server(&self, host: Option<&str>) -> String;

    /// Where WHIP publishers post. `authority` is the host and port under which the caller reached us.
    fn whip(&self, authority: Option<&str>, tls: bool) -> String;
}
