//! Which stream a packet belongs to, by its synchronisation source.
//!
//! A source is known from the offer; else it is learnt from the header extensions of its first packets (MID, RID and
//! repaired RID, RFC 8843 §9.2 and RFC 8852); else by its payload type, when only one section has that.

use crate::{
    agreed::{Incoming, Payload},
    rtp::{Elements, Header},
};

/// Simulcast layers of all sections together.
pub const LAYERS_MAX: usize = 8;
/// Synchronisation sources of one peer: each layer's, and its repair's.
const SOURCES_MAX: usize = 2 * LAYERS_MAX;

/// What a source carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Media of this layer.
    Media(usize),
    /// Retransmissions for this layer.
    Repair(usize),
}

impl Role {
    pub(super) fn layer(self) -> usize {
        match self {
            Self::Media(layer) | Self::Repair(layer) => layer,
        }
    }
}

/// One stream that may come: a section without simulcast, or one layer of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expected {
    /// Which section, by its place among the incoming ones.
    pub(super) section: usize,
    /// Its restriction id.
    pub(super) rid: Option<String>,
}

#[derive(Debug)]
pub(super) struct Sources {
    sections: Vec<Incoming>,
    layers: Vec<Expected>,
    known: Vec<(u32, Role)>,
}

impl Sources {
    pub(super) fn new(sections: Vec<Incoming>) -> Self {
        let mut this = Self { sections, layers: Vec::new(), known: Vec::new() };
        for (section, incoming) in this.sections.iter().enumerate() {
            if !incoming.rids.is_empty() {
                let layer = |rid: &String| Expected { section, rid: Some(rid.clone()) };
                this.layers.extend(incoming.rids.iter().map(layer));
            } else {
                let count = incoming.ssrcs.len().max(1);
                this.layers.extend((0..count).map(|_| Expected { section, rid: None }));
            }
        }
        this.layers.truncate(LAYERS_MAX);
        for (section, incoming) in this.sections.iter().enumerate().filter(|(_, incoming)| incoming.rids.is_empty()) {
            let layers = this.layers.iter().enumerate().filter(|(_, layer)| layer.section == section);
            for ((layer, _), &(media, repair)) in layers.zip(&incoming.ssrcs) {
                this.known.push((media, Role::Media(layer)));
                this.known.extend(repair.map(|repair| (repair, Role::Repair(layer))));
            }
        }
        this
    }

    /// The streams that may come. Their places are the layers' numbers.
    pub(super) fn layers(&self) -> &[Expected] {
        &self.layers
    }

    /// The section of a layer.
    pub(super) fn section(&self, layer: usize) -> Option<&Incoming> {
        self.sections.get(self.layers.get(layer)?.section)
    }

    /// What was agreed on for a payload type of a layer.
    pub(super) fn payload(&self, layer: usize, pt: u8) -> Option<&Payload> {
        self.section(layer)?.payloads.iter().find(|payload| payload.pt == pt)
    }

    /// The payload type of what a retransmission repairs.
    pub(super) fn repaired(&self, layer: usize, rtx: u8) -> Option<u8> {
        self.section(layer)?.payloads.iter().find(|payload| payload.rtx == Some(rtx)).map(|payload| payload.pt)
    }

    pub(super) fn role(&self, ssrc: u32) -> Option<Role> {
        self.known.iter().find(|(known, _)| *known == ssrc).map(|(_, role)| *role)
    }

    /// Learns what an unknown source carries from one of its packets. A layer that had another source follows the new
    /// one, unless the old one `is_alive`.
    pub(super) fn learn(
        &mut self,
        header: &Header,
        extensions: Elements<'_>,
        is_alive: impl Fn(usize) -> bool,
    ) -> Option<Role> {
        let role = self.by_extensions(header, extensions).or_else(|| self.by_payload_type(header))?;
        if matches!(role, Role::Media(layer) if is_alive(layer)) {
            return None;
        }
        self.known.retain(|(_, known)| *known != role);
        if self.known.len() >= SOURCES_MAX {
            return None;
        }
        self.known.push((header.ssrc, role));
        Some(role)
    }

    fn by_extensions(&self, header: &Header, extensions: Elements<'_>) -> Option<Role> {
        let (section, incoming) = self.sections.iter().enumerate().find(|(_, incoming)| {
            let mid = incoming.extensions.mid.and_then(|id| extensions.get_str(id));
            mid.is_some_and(|mid| mid == incoming.mid)
        })?;
        let text = |id: Option<u8>| id.and_then(|id| extensions.get_str(id));
        let layer = |rid: &str| {
            let wanted = |layer: &Expected| layer.section == section && layer.rid.as_deref() == Some(rid);
            self.layers.iter().position(wanted)
        };
        if let Some(rid) = text(incoming.extensions.repaired_rid) {
            return layer(rid).map(Role::Repair);
        }
        if let Some(rid) = text(incoming.extensions.rid)
            && let Some(layer) = layer(rid)
        {
            return Some(Role::Media(layer));
        }
        self.only_layer(section, header.payload_type)
    }

    fn by_payload_type(&self, header: &Header) -> Option<Role> {
        let pt = header.payload_type;
        let has =
            |incoming: &Incoming| incoming.payloads.iter().any(|payload| payload.pt == pt || payload.rtx == Some(pt));
        let mut sections = self.sections.iter().enumerate().filter(|(_, incoming)| has(incoming));
        let ((section, _), None) = (sections.next()?, sections.next()) else { return None };
        self.only_layer(section, pt)
    }

    /// The role in a section with one layer only.
    fn only_layer(&self, section: usize, pt: u8) -> Option<Role> {
        let mut layers = self.layers.iter().enumerate().filter(|(_, layer)| layer.section == section);
        let ((layer, _), None) = (layers.next()?, layers.next()) else { return None };
        if self.payload(layer, pt).is_some() {
            Some(Role::Media(layer))
        } else {
            self.repaired(layer, pt).map(|_| Role::Repair(layer))
        }
    }
}

#[cfg(test)]
#[path = "sources_tests.rs"]
mod tests;
