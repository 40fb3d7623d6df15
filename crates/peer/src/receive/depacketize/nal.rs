//! NAL units behind their lengths, and the parameter sets among them: what H.264 and HEVC have in common.

use bytes::Bytes;

use super::BadPayload;

/// NAL units of one access unit: a picture of the highest levels has some hundred slices.
const NALS_MAX: usize = 1_024;
/// Parameter sets of one kind that are kept. The formats have more ids, but no encoder uses them.
const SETS_MAX: usize = 16;
/// Bytes of the longest parameter set that is kept.
const SET_BYTES_MAX: usize = 2_048;
/// Parameter sets that change within one unit.
const ASIDE_MAX: usize = 2 * SETS_MAX;

/// Writes NAL units into an access unit, each behind its length of 4 bytes.
#[derive(Default)]
pub(super) struct Nals {
    count: usize,
    /// Where the length of the NAL unit lies that is being written.
    open: Option<usize>,
    /// Where the last one that ended began.
    last: usize,
    /// Changed parameter sets, until it is known whether the unit is a keyframe.
    aside: Vec<Vec<u8>>,
}

impl Nals {
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// A NAL unit begins.
    pub(super) fn begin(&mut self, unit: &mut Vec<u8>) -> Result<(), BadPayload> {
        if self.open.is_some() {
            return Err(BadPayload::Fragment); // the last fragment of the one before never came
        }
        self.count += 1;
        if self.count > NALS_MAX {
            return Err(BadPayload::Large);
        }
        self.open = Some(unit.len());
        unit.extend([0; 4]);
        Ok(())
    }

    /// It ends. Gives it back without its length.
    pub(super) fn end<'a>(&mut self, unit: &'a mut [u8]) -> Result<&'a [u8], BadPayload> {
        let start = self.open.take().ok_or(BadPayload::Fragment)?;
        self.last = start;
        let (length, nal) =
            unit.get_mut(start..).and_then(|tail| tail.split_first_chunk_mut::<4>()).ok_or(BadPayload::Fragment)?;
        *length = u32::try_from(nal.len()).map_err(|_| BadPayload::Large)?.to_be_bytes();
        Ok(nal)
    }

    /// The one that ended last does not belong into the unit.
    pub(super) fn take_back(&mut self, unit: &mut Vec<u8>) {
        unit.truncate(self.last);
    }

    /// Keeps a changed parameter set for [`Self::bring_back`].
    pub(super) fn set_aside(&mut self, nal: Vec<u8>) -> Result<(), BadPayload> {
        if self.aside.len() == ASIDE_MAX {
            return Err(BadPayload::Large);
        }
        self.aside.push(nal);
        Ok(())
    }

    /// Puts what was set aside before everything else in the unit.
    pub(super) fn bring_back(&mut self, unit: &mut Vec<u8>) {
        if self.aside.is_empty() {
            return;
        }
        let mut head = Vec::new();
        for nal in self.aside.drain(..) {
            head.extend((nal.len() as u32).to_be_bytes()); // at most `UNIT_BYTES_MAX`
            head.extend(nal);
        }
        unit.splice(..0, head);
    }

    pub(super) fn reset(&mut self) {
        self.count = 0;
        self.open = None;
        self.aside.clear();
    }
}

/// The parameter sets of one kind, by id.
#[derive(Default)]
pub(super) struct Sets {
    sets: Vec<(u32, Bytes)>,
    /// Whether they are others than those of the last configuration record.
    pub(super) changed: bool,
}

impl Sets {
    /// Keeps a set; says whether it is another than before. One without a readable id, or too long, is left out.
    pub(super) fn put(&mut self, nal: &[u8], id: Option<u32>) -> bool {
        let Some(id) = id.filter(|_| nal.len() <= SET_BYTES_MAX) else { return false };
        let full = self.sets.len() == SETS_MAX;
        match self.sets.iter_mut().find(|(known, _)| *known == id) {
            Some((_, set)) if set == nal => return false,
            Some((_, set)) => *set = Bytes::copy_from_slice(nal),
            None if full => return false,
            None => self.sets.push((id, Bytes::copy_from_slice(nal))),
        }
        self.changed = true;
        true
    }

    pub(super) fn list(&self) -> Vec<Bytes> {
        self.sets.iter().map(|(_, set)| set.clone()).collect()
    }
}
