//! Where a node's recordings lie, and whose they are.

use std::{
    io,
    path::{Path, PathBuf},
};

use tracing::warn;
use weir_identity::{NodeId, VodId};

/// Who this node is: kept in its `data_dir`, so that it stays the same node.
const NODE: &str = "node";
/// Of which installation the recordings are.
const INSTALLATION: &str = "installation";

/// The folder of a node's recordings.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    pub(crate) node: NodeId,
    /// Each recording has a folder in it, named by its id.
    pub(crate) directory: PathBuf,
    /// Whether what the store does not know may be removed: the store is the one that the recordings were made with.
    may_tidy: bool,
}

impl Home {
    /// Opens it, or makes it; `installation` tells the store from others.
    pub(crate) fn open(data_dir: &Path, installation: &str) -> io::Result<Self> {
        let directory = data_dir.join("vods");
        std::fs::create_dir_all(&directory)?;
        let node = kept(&data_dir.join(NODE), || NodeId::new().to_string())?;
        let node = node.trim().parse().map_err(|_| io::Error::other(format!("`{NODE}` holds no id: {node:?}")))?;
        let kept = kept(&directory.join(INSTALLATION), || installation.to_owned())?;
        let may_tidy = kept.trim() == installation;
        if !may_tidy {
            warn!(
                directory = %directory.display(),
                "the recordings here were made with another store: none of them is removed"
            );
        }
        Ok(Self { node, directory, may_tidy })
    }

    /// The folder of a recording.
    pub(crate) fn of(&self, id: VodId) -> PathBuf {
        self.directory.join(id.to_string())
    }

    /// What lies there, oldest first.
    pub(crate) async fn all(&self) -> io::Result<Vec<VodId>> {
        let mut folder = tokio::fs::read_dir(&self.directory).await?;
        let mut ids = Vec::new();
        while let Some(entry) = folder.next_entry().await? {
            ids.extend(entry.file_name().to_str().and_then(|name| name.parse::<VodId>().ok()));
        }
        ids.sort_unstable();
        Ok(ids)
    }

    /// Removes a recording's media, unless they are somebody else's. Those who are being sent a segment get it.
    pub(crate) async fn remove(&self, id: VodId) {
        if !self.may_tidy {
            return;
        }
        match tokio::fs::remove_dir_all(self.of(id)).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                warn!(vod = %id, %error, "the media of a recording cannot be removed");
            }
            _ => {}
        }
    }
}

/// What a file holds; made if it is missing.
fn kept(path: &Path, new: impl FnOnce() -> String) -> io::Result<String> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let text = new();
            std::fs::write(path, format!("{text}\n"))?;
            Ok(text)
        }
        read => read,
    }
}
