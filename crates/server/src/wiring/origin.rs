//! From where a request comes, for whoever answers it.

use axum::{extract::Request, middleware::Next, response::Response};
use weir_control::auth::Origin;

/// Notes the caller's address on the request.
pub(crate) async fn seen(mut request: Request, next: Next) -> Response {
    if let Some(peer) = request.extensions().get::<weir_edge::Peer>() {
        // An IPv4 caller of a dual-stack socket is one and the same as of an IPv4 socket.
        let address = peer.address.ip().to_canonical();
        let (origin, port) = (Origin { address, tls: peer.tls }, peer.address.port());
        request.extensions_mut().insert(origin);
        request.extensions_mut().insert(weir_ingest::whip::Remote((address, port).into()));
    }
    next.run(request).await
}
