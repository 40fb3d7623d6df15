//! Where a setting came from, and the sentence that names it.

use std::{fmt, path::PathBuf};

/// Why the settings cannot be used. One sentence that leads to the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Complaint {
    /// Where.
    pub(crate) origin: Origin,
    /// Which setting, as `section.key`.
    pub(crate) key: Option<String>,
    /// What is wrong.
    pub(crate) what: String,
}

/// Where a setting came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A flag.
    Flag(String),
    /// An environment variable.
    Env(String),
    /// A line of the file, from 1; without one, the whole file.
    File { path: PathBuf, line: Option<usize> },
    /// A default, or nothing in particular.
    Default,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Flag(flag) => write!(f, "flag {flag}")?,
            Origin::Env(name) => write!(f, "environment variable {name}")?,
            Origin::File { path, line: Some(line) } => write!(f, "{}, line {line}", path.display())?,
            Origin::File { path, line: None } => write!(f, "{}", path.display())?,
            Origin::Default => f.write_str("settings")?,
        }
        if let Some(key) = &self.key {
            write!(f, ", key `{key}`")?;
        }
        write!(f, ": {}", self.what)
    }
}

impl std::error::Error for Complaint {}
