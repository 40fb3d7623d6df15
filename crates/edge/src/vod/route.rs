//! Paths below `/vod/`.

use weir_hls::Resource;
use weir_identity::{VodId, WatchId};

/// What all paths of recordings start with.
const PREFIX: &str = "/vod/";

/// What a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target<'a> {
    /// `/vod/ID/index.m3u8`
    Multivariant { id: VodId },
    /// `/vod/ID/WATCH/RENDITION/index.m3u8`
    Playlist { id: VodId, watch: WatchId, rendition: &'a str },
    /// `/vod/ID/WATCH/RENDITION/{init-K.mp4,seg-MSN.m4s}`
    File { id: VodId, watch: WatchId, rendition: &'a str, resource: Resource },
}

/// Whether a path is below a recording's page, which is `/vod/ID` and not ours.
pub(crate) fn wants(path: &str) -> bool {
    path.strip_prefix(PREFIX).is_some_and(|rest| rest.contains('/'))
}

/// Reads a path. Ids are parsed and files are looked up by their numbers, so that no path reaches the disk as text.
pub(crate) fn target(path: &str) -> Option<Target<'_>> {
    let (text, rest) = path.strip_prefix(PREFIX)?.split_once('/')?;
    // One spelling a recording: the one that it is written with.
    let id: VodId = text.parse().ok().filter(|id: &VodId| id.to_string() == text)?;
    if rest == "index.m3u8" {
        return Some(Target::Multivariant { id });
    }
    let (watch, rest) = rest.split_once('/')?;
    let (rendition, file) = rest.split_once('/')?;
    let watch = WatchId::parse(watch)?;
    match file {
        "index.m3u8" => Some(Target::Playlist { id, watch, rendition }),
        file => Some(Target::File { id, watch, rendition, resource: Resource::parse(file)? }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recordings_page_is_somebody_elses() {
        assert!(wants("/vod/0190-aB/index.m3u8") && wants("/vod//"));
        assert!(!wants("/vod/0190-aB") && !wants("/vod/") && !wants("/vods/a/b"));
    }

    #[test]
    fn paths_name_what_they_say_and_nothing_else() {
        let (id, watch) = (VodId::new(), WatchId::random());
        assert_eq!(target(&format!("/vod/{id}/index.m3u8")), Some(Target::Multivariant { id }));
        let base = format!("/vod/{id}/{watch}/video");
        let playlist = Target::Playlist { id, watch, rendition: "video" };
        assert_eq!(target(&format!("{base}/index.m3u8")), Some(playlist));
        let file = Target::File { id, watch, rendition: "video", resource: Resource::Segment(7) };
        assert_eq!(target(&format!("{base}/seg-7.m4s")), Some(file));
        let upper = id.to_string().to_uppercase();
        for odd in [
            "/vod/".to_owned(),
            format!("/vod/{id}"),
            format!("/vod/{id}/"),
            format!("/vod/{upper}/index.m3u8"),
            format!("/vod/{{{id}}}/index.m3u8"),
            "/vod/../index.m3u8".to_owned(),
            format!("/vod/{id}/../index.m3u8"),
            format!("{base}/../../index"),
            format!("{base}/index"),
            format!("{base}/video.mp4"),
        ] {
            assert_eq!(target(&odd), None, "{odd}");
        }
    }
}
