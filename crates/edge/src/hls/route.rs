//! Paths below `/live/`, split by hand: one pass, no allocation.

use weir_hls::Resource;
use weir_identity::PublishId;

/// What all paths of this service start with.
pub(crate) const PREFIX: &str = "/live/";

/// What a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target<'a> {
    /// `/live/NAME/index.m3u8`
    Multivariant { channel: &'a str },
    /// `/live/NAME/SESSION/RENDITION/index.m3u8`
    Playlist { channel: &'a str, session: PublishId, rendition: &'a str },
    /// `/live/NAME/SESSION/RENDITION/{init-K.mp4,part-N.m4s,seg-MSN.m4s}`
    File { channel: &'a str, session: PublishId, rendition: &'a str, resource: Resource },
}

/// Reads a path. Names are not percent-decoded: none of ours needs it.
pub(crate) fn target(path: &str) -> Option<Target<'_>> {
    let (channel, rest) = path.strip_prefix(PREFIX)?.split_once('/')?;
    if rest == "index.m3u8" {
        return Some(Target::Multivariant { channel });
    }
    let (session, rest) = rest.split_once('/')?;
    let (rendition, file) = rest.split_once('/')?;
    let session = PublishId::parse(session)?;
    if file == "index.m3u8" {
        return Some(Target::Playlist { channel, session, rendition });
    }
    Some(Target::File { channel, session, rendition, resource: Resource::parse(file)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_what_they_say_and_nothing_else() {
        let id = PublishId::random();
        assert_eq!(target("/live/anna/index.m3u8"), Some(Target::Multivariant { channel: "anna" }));
        let base = format!("/live/anna/{id}/video");
        assert_eq!(
            target(&format!("{base}/index.m3u8")),
            Some(Target::Playlist { channel: "anna", session: id, rendition: "video" })
        );
        assert_eq!(
            target(&format!("{base}/part-12.m4s")),
            Some(Target::File { channel: "anna", session: id, rendition: "video", resource: Resource::Part(12) })
        );
        for odd in [
            "/live/",
            "/live/anna",
            "/live/anna/",
            "/live/anna/index.m3u8/",
            "/live/anna/session/video/index.m3u8",
            "/live//index.m3u8/x",
            "/live/anna/../../etc/passwd",
        ] {
            assert_eq!(target(odd), None, "{odd}");
        }
        for file in
            ["part-.m4s", "part--1.m4s", "part-01.m4s", "seg-1.mp4", "init-0.m4s", "part-99999999999999999999.m4s", ""]
        {
            assert_eq!(target(&format!("{base}/{file}")), None, "{file}");
        }
    }
}
