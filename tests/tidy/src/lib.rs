//! Keeps the map true: which crate may use which, and which crate alone may use a heavy library.
//!
//! `ARCHITECTURE.md` draws the arrows; [`arrows`] is the table that is checked.

#[cfg(test)]
mod arrows;
#[cfg(test)]
mod cql;
#[cfg(test)]
mod words;
