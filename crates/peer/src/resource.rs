//! What WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep) have in common over HTTP, as values without HTTP: which offer is
//! taken, what a PATCH asks for, and every status, header and problem document (RFC 9457) of the answers.
//!
//! A session is a resource of its own under an address that nobody guesses ([`random_id`]). Its ICE session has an
//! entity tag: a PATCH names it (`If-Match`), so that a candidate of an ICE session that is over cannot be taken for
//! one of the next.

use std::{
    fmt::Write as _,
    sync::{Arc, OnceLock},
};

use crate::{
    IceServer,
    sdp::{BadSdp, Offer, SDP_BYTES_MAX, Unacceptable, frag::Fragment},
    transport::Credentials,
};

/// The media type of offers and answers.
pub const SDP: &str = "application/sdp";
/// The media type of fragments (RFC 8840 §9).
pub const FRAGMENT: &str = "application/trickle-ice-sdpfrag";
/// Longest body of a request, in bytes. A longer one is answered with [`Problem::too_long`].
pub const BODY_BYTES_MAX: usize = SDP_BYTES_MAX;

/// Which of the two protocols is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// The peer publishes.
    Whip,
    /// The peer watches.
    Whep,
}

/// An answer over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers, names in lower case. `link` may stand there several times.
    pub headers: Vec<(&'static str, String)>,
    /// Its body.
    pub body: String,
}

impl Answer {
    /// An answer that pages of every origin may read.
    fn new(status: u16, body: String) -> Self {
        let exposed = "Location, ETag, Link, Accept-Post, Accept-Patch, Retry-After, WWW-Authenticate";
        let headers = vec![
            ("access-control-allow-origin", "*".to_owned()),
            ("access-control-expose-headers", exposed.to_owned()),
            ("cache-control", "no-store".to_owned()),
        ];
        Self { status, headers, body }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The session was made: `sdp` answers its offer, and it is found at `location`.
    #[must_use]
    pub fn created(location: &str, tag: &EntityTag, sdp: String, ice_servers: &[IceServer]) -> Self {
        let mut answer = Self::new(201, sdp)
            .with("content-type", SDP)
            .with("location", location)
            .with("etag", tag.to_string())
            .with("accept-patch", FRAGMENT);
        for link in links(ice_servers) {
            answer = answer.with("link", link);
        }
        answer
    }

    /// A trickled candidate was taken note of.
    #[must_use]
    pub fn trickled() -> Self {
        Self::new(204, String::new())
    }

    /// ICE was restarted: `fragment` tells our new credentials, `tag` names the new ICE session and remembers the fragment
    /// for a peer that did not get it.
    #[must_use]
    pub fn restarted(tag: &EntityTag, fragment: String) -> Self {
        let fragment = tag.fragment.get_or_init(|| fragment).clone();
        Self::new(200, fragment).with("content-type", FRAGMENT).with("etag", tag.to_string())
    }

    /// The session was ended by its peer.
    #[must_use]
    pub fn ended() -> Self {
        Self::new(200, String::new())
    }

    /// What may be asked of the address where sessions are made. Also the answer to a browser's preflight.
    #[must_use]
    pub fn endpoint_options(ice_servers: &[IceServer]) -> Self {
        let mut answer = preflight("OPTIONS, POST").with("accept-post", SDP);
        for link in links(ice_servers) {
            answer = answer.with("link", link);
        }
        answer
    }

    /// What may be asked of a session.
    #[must_use]
    pub fn session_options() -> Self {
        preflight("OPTIONS, PATCH, DELETE").with("accept-patch", FRAGMENT)
    }
}

/// One `Link` header a URL (RFC 9725 §4.6).
fn links(ice_servers: &[IceServer]) -> impl Iterator<Item = String> {
    ice_servers.iter().flat_map(|server| {
        server.urls.iter().map(move |url| {
            let mut link = format!("<{url}>; rel=\"ice-server\"");
            if let (Some(username), Some(credential)) = (&server.username, &server.credential) {
                let _ = write!(link, "; username=\"{username}\"; credential=\"{credential}\"");
                link.push_str("; credential-type=\"password\"");
            }
            link
        })
    })
}

fn preflight(methods: &'static str) -> Answer {
    Answer::new(204, String::new())
        .with("allow", methods)
        .with("access-control-allow-methods", methods)
        .with("access-control-allow-headers", "Authorization, Content-Type, If-Match")
        .with("access-control-max-age", "86400")
}

/// Why a request is not done, as a problem document. `slug` ends its `type`, `urn:weir:problem:SLUG`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The status of the answer.
    pub status: u16,
    /// Names the kind of problem, for programs.
    pub slug: &'static str,
    /// The kind, in words.
    pub title: &'static str,
    /// This occurrence, in words.
    pub detail: String,
    /// Headers that the status asks for.
    pub headers: Vec<(&'static str, String)>,
}

impl Problem {
    /// A problem of kind `urn:weir:problem:SLUG`.
    #[must_use]
    pub fn new(status: u16, slug: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, slug, title, detail: detail.into(), headers: Vec::new() }
    }

    /// With a header that the status asks for.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The answer that tells it.
    #[must_use]
    pub fn answer(self) -> Answer {
        let document = serde_json::json!({
            "type": format!("urn:weir:problem:{}", self.slug),
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        });
        let mut answer =
            Answer::new(self.status, document.to_string()).with("content-type", "application/problem+json");
        answer.headers.extend(self.headers);
        answer
    }

    /// The session is over, or never was.
    #[must_use]
    pub fn no_session() -> Self {
        let detail = "There is no such session here. It may have ended.";
        Self::new(404, "session-not-found", "No such session", detail)
    }

    /// The body is longer than [`BODY_BYTES_MAX`].
    #[must_use]
    pub fn too_long() -> Self {
        let detail = format!("The body is longer than {BODY_BYTES_MAX} bytes.");
        Self::new(413, "too-long", "The body is too long", detail)
    }

    /// Another method than those of [`Answer::endpoint_options`].
    #[must_use]
    pub fn endpoint_method() -> Self {
        let detail = "An offer is sent here with POST.";
        Self::new(405, "method-not-allowed", "Method not allowed", detail).with("allow", "OPTIONS, POST")
    }

    /// Another method than those of [`Answer::session_options`].
    #[must_use]
    pub fn session_method() -> Self {
        let detail = "A session takes PATCH and DELETE.";
        Self::new(405, "method-not-allowed", "Method not allowed", detail).with("allow", "OPTIONS, PATCH, DELETE")
    }

    /// The body is not what `wanted` (`accept-post` or `accept-patch`) says.
    fn media_type(header: &'static str, wanted: &'static str) -> Self {
        let detail = format!("The body has to be {wanted}, and its Content-Type has to say so.");
        Self::new(415, "media-type", "Unsupported media type", detail).with(header, wanted)
    }

    fn bad_sdp(error: &BadSdp) -> Self {
        match error {
            BadSdp::TooLong => Self::too_long(),
            _ => Self::new(400, "bad-sdp", "The session description cannot be read", sentence(&error.to_string())),
        }
    }

    /// Why a legal offer cannot be answered. Without a codec in common a publisher hears 415, a viewer 406.
    #[must_use]
    pub fn unacceptable(protocol: Protocol, why: &Unacceptable) -> Self {
        let detail = why.to_string();
        match (why, protocol) {
            (Unacceptable::Codecs { .. }, Protocol::Whip) => {
                Self::new(415, "no-common-codec", "No codec in common", detail).with("accept-post", SDP)
            }
            (Unacceptable::Codecs { .. }, Protocol::Whep) => {
                Self::new(406, "no-common-codec", "No codec in common", detail)
            }
            _ => Self::new(422, "unacceptable-offer", "The offer cannot be answered", detail),
        }
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

/// Reads the offer in a POST.
///
/// # Errors
/// The problem to answer with: 415, 413 or 400.
pub fn offer(content_type: Option<&str>, body: &[u8]) -> Result<Offer, Problem> {
    if !is_type(content_type, SDP) {
        return Err(Problem::media_type("accept-post", SDP));
    }
    Offer::parse(text(body)?).map_err(|error| Problem::bad_sdp(&error))
}

/// What a PATCH asks for.
#[derive(Debug, Clone)]
pub enum Patch {
    /// Nothing that is not done: candidates of the running ICE session, which a lite agent needs none of, or the restart
    /// that began it, once more. This answers it.
    Done(Answer),
    /// A new ICE session with these credentials of the peer (RFC 9725 §4.3.3).
    Restart(Credentials, Fragment),
}

/// Reads a PATCH of a session whose ICE session has `tag`, and whose peer has the credentials `remote`.
///
/// # Errors
/// The problem to answer with: 415, 428 without `If-Match`, 412 when it names another ICE session, 413 or 400.
pub fn patch(
    content_type: Option<&str>,
    if_match: Option<&str>,
    body: &[u8],
    tag: &EntityTag,
    remote: &Credentials,
) -> Result<Patch, Problem> {
    if !is_type(content_type, FRAGMENT) {
        return Err(Problem::media_type("accept-patch", FRAGMENT));
    }
    let Some(if_match) = if_match else {
        let detail = "A PATCH names the ICE session that it is about in If-Match: its ETag, or \"*\" to restart ICE.";
        return Err(Problem::new(428, "precondition-required", "If-Match is missing", detail));
    };
    if !tag.matches(if_match) {
        let detail = "If-Match names another ICE session than the one that runs.";
        return Err(Problem::new(412, "precondition-failed", "The ICE session is another", detail));
    }
    let fragment = Fragment::parse(text(body)?).map_err(|error| Problem::bad_sdp(&error))?;
    match &fragment.credentials {
        Some(credentials) if fragment.restarts(remote) => Ok(Patch::Restart(credentials.clone(), fragment)),
        // Whoever asks for any ICE session with the credentials of the running one did not hear that it runs.
        Some(_) if is_any(if_match) => Ok(Patch::Done(match tag.fragment.get() {
            Some(answered) => Answer::restarted(tag, answered.clone()),
            None => Answer::trickled(),
        })),
        _ => Ok(Patch::Done(Answer::trickled())),
    }
}

/// Whether an `If-Match` names whatever there is. Some clients put the asterisk into quotes.
fn is_any(if_match: &str) -> bool {
    matches!(if_match.trim(), "*" | "\"*\"")
}

fn text(body: &[u8]) -> Result<&str, Problem> {
    if body.len() > BODY_BYTES_MAX {
        return Err(Problem::too_long());
    }
    let bad = |_| Problem::new(400, "bad-sdp", "The session description cannot be read", "It is not UTF-8.");
    std::str::from_utf8(body).map_err(bad)
}

fn is_type(content_type: Option<&str>, wanted: &str) -> bool {
    let essence = content_type.and_then(|value| value.split(';').next()).unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(wanted)
}

/// The token of `Authorization: Bearer TOKEN` (RFC 6750 §2.1).
#[must_use]
pub fn bearer(authorization: Option<&str>) -> Option<&str> {
    let (scheme, token) = authorization?.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Names one ICE session of a resource: a strong entity tag (RFC 9110 §8.8.3). It remembers what the restart that began
/// the ICE session was answered. Clones are the same tag.
#[derive(Debug, Clone)]
pub struct EntityTag {
    name: Arc<str>,
    fragment: Arc<OnceLock<String>>,
}

impl EntityTag {
    /// Of a new ICE session.
    #[must_use]
    pub fn random() -> Self {
        let [high, low, ..] = random_words();
        Self { name: format!("{high:08x}{low:08x}").into(), fragment: Arc::default() }
    }

    /// Whether an `If-Match` names it: `*`, or a list with it (RFC 9110 §13.1.1). Weak tags match nothing.
    #[must_use]
    pub fn matches(&self, if_match: &str) -> bool {
        let names_us = |tag: &str| tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')) == Some(&*self.name);
        is_any(if_match) || if_match.split(',').map(str::trim).any(names_us)
    }
}

impl std::fmt::Display for EntityTag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{}\"", self.name)
    }
}

/// The last part of a session's address: 128 random bits in hexadecimal. Whoever knows it may end the session.
#[must_use]
pub fn random_id() -> String {
    random_words().iter().fold(String::with_capacity(32), |mut id, word| {
        let _ = write!(id, "{word:08x}");
        id
    })
}

fn random_words() -> [u32; 4] {
    let mut words = [0; 4];
    for word in &mut words {
        *word = getrandom::u32().expect("the operating system gives random bytes");
    }
    words
}

#[cfg(test)]
mod tests;
