//! What stands between a packet and the wire.

use crate::transport::Transport;

/// Protects packets on their way out. [`Transport`] does; tests and fuzzing need no keys.
pub trait Protect {
    /// Appends the SRTP packet. `false`: nothing was appended, the packet is lost.
    fn protect_rtp(&mut self, packet: &[u8], out: &mut Vec<u8>) -> bool;
    /// Appends the SRTCP packet. `false`: nothing was appended, the packet is lost.
    fn protect_rtcp(&mut self, packet: &[u8], out: &mut Vec<u8>) -> bool;
}

impl Protect for Transport {
    fn protect_rtp(&mut self, packet: &[u8], out: &mut Vec<u8>) -> bool {
        Self::protect_rtp(self, packet, out).is_ok()
    }

    fn protect_rtcp(&mut self, packet: &[u8], out: &mut Vec<u8>) -> bool {
        Self::protect_rtcp(self, packet, out).is_ok()
    }
}
