//! What our side of an answer is made of.

use std::sync::Arc;

use crate::{
    socket::Candidate,
    transport::{Credentials, Fingerprint},
};

/// Our side of one session.
#[derive(Debug, Clone)]
pub struct Local {
    /// Our ICE user fragment and password.
    pub credentials: Credentials,
    /// Our certificate's.
    pub fingerprint: Fingerprint,
    /// Where we can be reached, best first, as [`crate::socket::Sockets::candidates`] has it.
    pub candidates: Arc<[Candidate]>,
}
