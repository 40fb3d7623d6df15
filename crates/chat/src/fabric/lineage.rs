//! What the offsets of a room were counted in before.

use std::{fmt, sync::Arc};

/// Most epochs that are remembered: as often may a room change its own while a client is away that then misses nothing.
const EPOCHS_MAX: usize = 8;

/// Epochs before the present one, and up to which offset they are the same: nearest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lineage(Vec<(Arc<str>, u64)>);

impl Lineage {
    /// Up to which offset the present epoch is the same as `epoch`. `None`: nothing is known of that.
    #[must_use]
    pub fn shares(&self, epoch: &str) -> Option<u64> {
        self.0.iter().find(|(known, _)| **known == *epoch).map(|(_, until)| *until)
    }

    /// What comes before an epoch that goes on from `epoch`, whose lineage this is, at `until`.
    #[must_use]
    pub fn then(&self, epoch: &Arc<str>, until: u64) -> Self {
        let older = self.0.iter().map(|(epoch, shared)| (epoch.clone(), (*shared).min(until)));
        Self(std::iter::once((epoch.clone(), until)).chain(older).take(EPOCHS_MAX).collect())
    }

    /// Reads what is written by `Display`. What cannot be read is not known.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let one = |text: &str| {
            let (epoch, until) = text.split_once(':')?;
            Some((epoch.into(), until.parse().ok()?))
        };
        Self(text.split(' ').filter_map(one).take(EPOCHS_MAX).collect())
    }
}

impl fmt::Display for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (epoch, until)) in self.0.iter().enumerate() {
            write!(f, "{}{epoch}:{until}", if index > 0 { " " } else { "" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_shares_with_each_before_what_that_one_shared() {
        let lineage = Lineage::default().then(&"a".into(), 10).then(&"b".into(), 7).then(&"c".into(), 20);
        let shared = ["a", "b", "c", "d"].map(|epoch| lineage.shares(epoch));
        assert_eq!(shared, [Some(7), Some(7), Some(20), None]);
        assert_eq!(lineage.to_string(), "c:20 b:7 a:7");
        assert_eq!(Lineage::parse("c:20 b:7 a:7"), lineage);
        assert_eq!(Lineage::parse(""), Lineage::default());
        assert_eq!(Lineage::parse("x :: y:-1"), Lineage::default());
    }

    #[test]
    fn what_was_long_before_is_forgotten() {
        let grown = (0..20).fold(Lineage::default(), |lineage, at| lineage.then(&at.to_string().into(), 5));
        assert_eq!(grown.0.len(), EPOCHS_MAX);
        assert_eq!((grown.shares("19"), grown.shares("0")), (Some(5), None));
    }
}
