//! The token of the command line: whoever may read the server's data may call it.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use subtle::ConstantTimeEq;
use weir_identity::StreamKey;

/// The secret, made anew at each start.
#[derive(Clone)]
pub(crate) struct Token(Box<str>);

impl Token {
    /// Makes a token and writes it where the command line looks, readable by the owner only.
    pub(crate) fn create(data_dir: &Path) -> io::Result<Self> {
        // 256 random bits in letters that fit a header.
        let token = Self(StreamKey::random().reveal().into());
        let path = path(data_dir);
        // A file left by an earlier run may have been opened by someone; a new one takes its place whole.
        let new = path.with_extension("token.new");
        let _ = fs::remove_file(&new);
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(token.0.as_bytes())?;
        drop(file);
        fs::rename(new, path)?;
        Ok(token)
    }

    /// Reads the token of the running server.
    pub(crate) fn read(data_dir: &Path) -> io::Result<Self> {
        Ok(Self(fs::read_to_string(path(data_dir))?.trim().into()))
    }

    /// Whether `given` is the token, in constant time.
    pub(crate) fn is(&self, given: &str) -> bool {
        self.0.as_bytes().ct_eq(given.as_bytes()).into()
    }

    /// For the `Authorization` header.
    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

/// Where the token lies.
pub(crate) fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("internal.token")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_token_is_for_its_owner_and_new_at_each_start() {
        let directory = std::env::temp_dir().join(format!("weir-{}", weir_identity::PublishId::random()));
        fs::create_dir(&directory).unwrap();
        let one = Token::create(&directory).unwrap();
        let read = Token::read(&directory).unwrap();
        assert!(one.is(&read.0));
        let mode = fs::metadata(path(&directory)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let two = Token::create(&directory).unwrap();
        assert!(!two.is(&one.0) && !two.is(""));
        fs::remove_dir_all(directory).unwrap();
    }
}
