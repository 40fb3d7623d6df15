//! The gate of a partition: a static column that every change of the partition compares and sets anew. So of two
//! changes that saw the same, one holds, and the other looks again.

/// Tries of one change against others.
pub(crate) const TRIES: usize = 16;
/// The gate of what is gone: no change sees it as its own.
pub(crate) const CLOSED: i64 = -1;
/// How long it stays closed, in seconds. No call lives as long; ids are never used again.
pub(crate) const CLOSED_FOR_S: i32 = 10 * 86_400;

/// A gate that was never there before.
pub(crate) fn next() -> i64 {
    let bits = uuid::Uuid::now_v7().as_u128();
    // The end of such an id is random. Never negative.
    i64::try_from(bits & i64::MAX as u128).unwrap_or_default()
}

/// Whether the partition is gone.
pub(crate) fn is_closed(gate: Option<i64>) -> bool {
    gate == Some(CLOSED)
}
