//! What a peer wrote: its session level, and its media sections.

use std::str::FromStr;

use super::{
    BadSdp,
    lines::{Line, lines},
    section::Section,
    transport::Transport,
};
use crate::transport::{Credentials, Fingerprint};

/// Media sections that are read; the contract of BUNDLE is with the first of them that are useful.
const SECTIONS_MAX: usize = 16;

/// An offer or an answer.
#[derive(Debug, Clone)]
pub struct Description {
    /// Its media sections.
    pub sections: Vec<Section>,
    /// The mids of the first BUNDLE group, in its order; empty without one.
    pub bundle: Vec<String>,
    /// One-byte and two-byte header extensions may be mixed (RFC 8285 §6).
    pub extmap_allow_mixed: bool,
    /// The writer is ICE-lite (RFC 8839 §5.3).
    pub ice_lite: bool,
    transport: Transport,
}

impl FromStr for Description {
    type Err = BadSdp;

    fn from_str(text: &str) -> Result<Self, BadSdp> {
        let (mut bundle, mut transport) = (Vec::new(), Transport::default());
        let (mut extmap_allow_mixed, mut ice_lite) = (false, false);
        let mut sections: Vec<Section> = Vec::new();
        let mut began = false;
        for line in lines(text)? {
            let line = line?;
            if !began && (line.kind, line.value) != (b'v', "0") {
                return Err(line.bad("a description begins with v=0"));
            }
            began = true;
            match (line.kind, sections.last_mut()) {
                (b'm', _) => {
                    sections.push(Section::parse(&line)?);
                    if sections.len() > SECTIONS_MAX {
                        return Err(line.bad("there are more than 16 sections"));
                    }
                }
                (b'a', Some(section)) => section.attribute(&line)?,
                (b'a', None) => match line.attribute() {
                    ("group", group) if bundle.is_empty() => bundle = bundled(group, &line)?,
                    ("extmap-allow-mixed", _) => extmap_allow_mixed = true,
                    ("ice-lite", _) => ice_lite = true,
                    _ => transport.attribute(&line)?,
                },
                _ => {}
            }
        }
        if !began {
            return Err(BadSdp::Missing("lines"));
        }
        for section in &mut sections {
            section.finish();
        }
        let mut mids: Vec<&str> = sections.iter().filter_map(|section| section.mid.as_deref()).collect();
        mids.sort_unstable();
        if mids.windows(2).any(|pair| matches!(pair, [one, other] if one == other)) {
            return Err(BadSdp::Missing("mids of its own for each section"));
        }
        Ok(Self { sections, bundle, extmap_allow_mixed, ice_lite, transport })
    }
}

impl Description {
    /// The ICE credentials of the bundle: those of its first section, else of the session, else of any section.
    #[must_use]
    pub fn credentials(&self) -> Option<Credentials> {
        self.levels().find_map(Transport::credentials)
    }

    /// The certificate's fingerprints, found in the same order.
    #[must_use]
    pub fn fingerprints(&self) -> Vec<Fingerprint> {
        let first = self.levels().find(|level| !level.fingerprints.is_empty());
        first.map(|level| level.fingerprints.clone()).unwrap_or_default()
    }

    /// The DTLS role (`active`, `passive`, `actpass`, `holdconn`), found in the same order.
    #[must_use]
    pub fn setup(&self) -> Option<&str> {
        self.levels().find_map(|level| level.setup.as_deref())
    }

    /// Candidates as they were written, `candidate:…`, at most 64 a section.
    pub fn candidates(&self) -> impl Iterator<Item = &str> {
        let sections = self.sections.iter().map(|section| &section.transport);
        std::iter::once(&self.transport).chain(sections).flat_map(|level| level.candidates.iter().map(String::as_str))
    }

    fn levels(&self) -> impl Iterator<Item = &Transport> {
        let tagged = self.bundle.first();
        let tagged = self.sections.iter().find(move |section| tagged.is_some() && section.mid.as_ref() == tagged);
        let sections = self.sections.iter().map(|section| &section.transport);
        tagged.map(|section| &section.transport).into_iter().chain(std::iter::once(&self.transport)).chain(sections)
    }
}

fn bundled(group: &str, line: &Line<'_>) -> Result<Vec<String>, BadSdp> {
    let mut words = group.split_ascii_whitespace();
    if words.next() != Some("BUNDLE") {
        return Ok(Vec::new());
    }
    let mids: Vec<String> = words.map(str::to_owned).collect();
    if mids.len() > SECTIONS_MAX { Err(line.bad("the group has more than 16 sections")) } else { Ok(mids) }
}
