//! Reads a live stream as a careful LL-HLS player does: blocking reload, every part, nothing guessed.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{sleep, timeout};

use crate::{
    http::{Answer, get},
    server::PATIENCE,
};

/// Pause between two tries of what is not there yet.
const RETRY: Duration = Duration::from_millis(50);

/// Asks until the answer is 200.
///
/// # Panics
/// When it never is.
pub async fn get_when_ready(url: &str) -> Answer {
    wait_for_status(url, 200).await
}

/// Asks until the status is this one.
///
/// # Panics
/// When it never is.
pub async fn wait_for_status(url: &str, status: u16) -> Answer {
    let tries = async {
        loop {
            match get(url).await {
                Ok(answer) if answer.status == status => return answer,
                _ => sleep(RETRY).await,
            }
        }
    };
    match timeout(PATIENCE, tries).await {
        Ok(answer) => answer,
        Err(_) => panic!("{url} never answers {status}: {:?}", get(url).await),
    }
}

/// Asks until the answer's text has these words in it.
///
/// # Panics
/// When it never has.
pub async fn wait_for_text(url: &str, words: &str) -> String {
    let tries = async {
        loop {
            match get(url).await {
                Ok(answer) if answer.text().contains(words) => return answer.text(),
                _ => sleep(RETRY).await,
            }
        }
    };
    timeout(PATIENCE, tries).await.unwrap_or_else(|_| panic!("{url} never says {words:?}"))
}

/// An absolute URL for what a playlist at `base` names.
#[must_use]
pub fn resolve(base: &str, uri: &str) -> String {
    if uri.starts_with("http://") {
        return uri.to_owned();
    }
    let after_host = base.find("://").map_or(0, |at| at + 3);
    let path = base[after_host..].find('/').map_or(base.len(), |at| at + after_host);
    if uri.starts_with('/') {
        return format!("{}{uri}", &base[..path]);
    }
    let folder = base[..base.find('?').unwrap_or(base.len())].rfind('/').map_or(base.len(), |at| at + 1);
    format!("{}{uri}", &base[..folder])
}

/// An attribute of a tag's line, without its quotes.
#[must_use]
pub fn attribute<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let at = line.match_indices(&format!("{name}=")).find(|(at, _)| {
        let before = line[..*at].chars().next_back();
        matches!(before, Some(',' | ':'))
    })?;
    let value = &line[at.0 + name.len() + 1..];
    match value.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => value.split(',').next(),
    }
}

/// The media playlists of a multivariant playlist.
#[derive(Debug, Clone)]
pub struct Multivariant {
    /// Its text.
    pub text: String,
    /// The first variant's playlist.
    pub variant: String,
    /// The first alternate rendition's, if there is one.
    pub audio: Option<String>,
}

/// Reads the multivariant playlist of a live channel, as soon as there is one.
///
/// # Panics
/// When there never is.
pub async fn open(url: &str) -> Multivariant {
    let text = get_when_ready(url).await.text();
    let variant = text.lines().find(|line| !line.is_empty() && !line.starts_with('#')).expect("a variant");
    let media = text.lines().find(|line| line.starts_with("#EXT-X-MEDIA:"));
    let audio = media.and_then(|line| attribute(line, "URI")).map(|uri| resolve(url, uri));
    Multivariant { variant: resolve(url, variant), audio, text }
}

/// One state of a media playlist.
#[derive(Debug, Clone)]
pub struct Playlist {
    /// Where it came from.
    pub url: String,
    /// Its text.
    pub text: String,
}

impl Playlist {
    /// Reads it now.
    ///
    /// # Panics
    /// When it is not there.
    pub async fn read(url: &str) -> Self {
        let answer = get_when_ready(url).await;
        Self { url: url.to_owned(), text: answer.text() }
    }

    /// Lines that begin with a tag.
    #[must_use]
    pub fn tags(&self, tag: &str) -> Vec<&str> {
        let prefix = format!("#{tag}");
        let is_tag = |rest: &str| rest.is_empty() || rest.starts_with(':');
        self.text.lines().filter(|line| line.strip_prefix(prefix.as_str()).is_some_and(is_tag)).collect()
    }

    /// The value after the tag's colon.
    #[must_use]
    pub fn value(&self, tag: &str) -> Option<&str> {
        self.tags(tag).first()?.split_once(':').map(|(_, value)| value)
    }

    /// Whether it has ended.
    #[must_use]
    pub fn ended(&self) -> bool {
        !self.tags("EXT-X-ENDLIST").is_empty()
    }

    /// The next (media sequence number, part index) to ask for.
    #[must_use]
    pub fn next(&self) -> (u64, u64) {
        let first: u64 = self.value("EXT-X-MEDIA-SEQUENCE").and_then(|value| value.parse().ok()).unwrap_or(0);
        let segments = self.tags("EXTINF").len() as u64;
        let after = self.text.rfind("#EXTINF").map_or(self.text.as_str(), |at| &self.text[at..]);
        (first + segments, after.lines().filter(|line| line.starts_with("#EXT-X-PART:")).count() as u64)
    }

    /// The state that has one part more, or the end.
    ///
    /// # Panics
    /// When the server answers anything but 200.
    pub async fn reload(&self) -> Self {
        let (segment, part) = self.next();
        let url = format!("{}?_HLS_msn={segment}&_HLS_part={part}", self.url);
        let answer = timeout(PATIENCE, get(&url)).await.expect("an answer").expect("an answer over HTTP");
        assert_eq!(answer.status, 200, "{url}: {}", answer.text());
        Self { url: self.url.clone(), text: answer.text() }
    }

    /// Reloads until `enough` is true.
    ///
    /// # Panics
    /// When it never is.
    pub async fn reload_until(mut self, enough: impl Fn(&Self) -> bool) -> Self {
        let reloads = async {
            while !enough(&self) {
                self = self.reload().await;
            }
            self
        };
        timeout(PATIENCE, reloads).await.expect("the playlist gets there")
    }

    /// Fetches what this playlist names.
    ///
    /// # Panics
    /// When it is not there.
    pub async fn fetch(&self, uri: &str) -> Bytes {
        let url = resolve(&self.url, uri);
        let answer = timeout(PATIENCE, get(&url)).await.expect("an answer").expect("an answer over HTTP");
        assert_eq!(answer.status, 200, "{url}: {}", answer.text());
        answer.body
    }

    /// The initialisation section of its first segment.
    ///
    /// # Panics
    /// When it names none.
    pub async fn init(&self) -> Bytes {
        let map = self.tags("EXT-X-MAP");
        self.fetch(attribute(map.first().expect("a map"), "URI").expect("its URI")).await
    }

    /// The URIs of its segments.
    #[must_use]
    pub fn segments(&self) -> Vec<&str> {
        self.text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
    }
}
