//! Recordings below `/vod/`: playlists out of their indexes, segments out of their files.
//!
//! [`route`] reads the path, [`Library`] (asked of the rest of the server) says where a recording lies and who may watch,
//! [`shelf`] reads it off the runtime's threads and keeps what was read last. Addresses of media carry a secret of the
//! recording, as those of a live stream carry its session's: a cache may keep them for ever.

mod route;
mod shelf;
#[cfg(test)]
mod tests;

use std::{future::Future, path::PathBuf, pin::Pin, sync::Arc};

use http::{HeaderMap, HeaderValue, Response, header};
use weir_identity::{VodId, WatchId};

pub(crate) use self::route::wants;
use self::{
    route::{Target, target},
    shelf::Shelf,
};
use crate::{
    access,
    body::Body,
    hls::{answer, negotiate},
    problem::Problem,
};

/// Seconds for which a cache may keep the playlists of a recording that is done: others may be let in, or none.
const PLAYLIST_MAX_AGE: u32 = 60;

/// What is recorded, and who may watch.
pub trait Library: Send + Sync + 'static {
    /// Where a recording is. Asked on every request.
    fn find(&self, id: VodId) -> Pin<Box<dyn Future<Output = Result<Place, Absent>> + Send + '_>>;

    /// Whether `token` opens that closed recording now. Must not block.
    fn opens(&self, id: VodId, token: &str) -> bool;
}

/// A recording that can be watched here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its folder, in the form of [`weir_hls::recorded`].
    pub directory: PathBuf,
    /// What stands in the addresses of its media.
    pub watch: WatchId,
    /// Whether a token is needed to learn that.
    pub closed: bool,
}

/// Why a recording cannot be watched here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// There is none of that id, or nothing in it.
    Missing,
    /// It lies on another node.
    Elsewhere,
    /// Nobody knows just now.
    Unknown,
}

impl From<Absent> for Problem {
    fn from(absent: Absent) -> Self {
        match absent {
            Absent::Missing => Self::NotFound,
            Absent::Elsewhere => Self::Elsewhere,
            Absent::Unknown => Self::Unknown,
        }
    }
}

/// Serves recordings. Clones share what was read.
#[derive(Clone)]
pub struct Vod {
    library: Arc<dyn Library>,
    shelf: Shelf,
}

impl std::fmt::Debug for Vod {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vod")
    }
}

impl Vod {
    /// Serves what `library` knows.
    #[must_use]
    pub fn new(library: Arc<dyn Library>) -> Self {
        Self { library, shelf: Shelf::default() }
    }

    /// Answers a GET.
    pub(crate) async fn answer(
        &self,
        path: &str,
        query: Option<&str>,
        headers: &HeaderMap,
    ) -> Result<Response<Body>, Problem> {
        let gzip = || headers.get(header::ACCEPT_ENCODING).is_some_and(|value| negotiate::takes_gzip(value.as_bytes()));
        match target(path).ok_or(Problem::NotFound)? {
            Target::Multivariant { id } => {
                let place = self.library.find(id).await?;
                if place.closed && !access::token(query).is_some_and(|token| self.library.opens(id, token)) {
                    return Err(Problem::Closed);
                }
                let index = self.shelf.index(id, &place.directory).await?;
                let playlist = index.multivariant(place.watch).ok_or(Problem::NotFound)?;
                let mut response = answer::text(gzip(), &playlist, max_age(&index));
                if place.closed {
                    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
                }
                Ok(response)
            }
            Target::Playlist { id, watch, rendition } => {
                let place = self.place(id, watch).await?;
                let index = self.shelf.index(id, &place.directory).await?;
                let playlist = self.shelf.playlist(id, &index, rendition).ok_or(Problem::NotFound)?;
                Ok(answer::text(gzip(), &playlist, max_age(&index)))
            }
            Target::File { id, watch, rendition, resource } => {
                let place = self.place(id, watch).await?;
                let index = self.shelf.index(id, &place.directory).await?;
                let (rendition, extent, media) = index.resource(rendition, resource).ok_or(Problem::NotFound)?;
                let bytes = self.shelf.bytes(id, &place.directory, &rendition, extent).await?;
                Ok(answer::file(headers, weir_hls::Body::One(bytes), media))
            }
        }
    }

    /// The recording, for whoever was let in.
    async fn place(&self, id: VodId, watch: WatchId) -> Result<Place, Problem> {
        let place = self.library.find(id).await?;
        if place.watch == watch { Ok(place) } else { Err(Problem::NotFound) }
    }
}

/// How long a cache may keep a playlist, in seconds.
fn max_age(index: &weir_hls::recorded::Index) -> u32 {
    if index.ended() {
        return PLAYLIST_MAX_AGE;
    }
    u32::try_from(index.target() / 2).unwrap_or(u32::MAX).clamp(1, PLAYLIST_MAX_AGE)
}
