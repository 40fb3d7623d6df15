//! The web pages, embedded: `/`, `/NAME`, `/vod/ID`, `/golive` and the studio are one document, `/assets/…` what it needs. The API's
//! description has a page of its own, `/api/docs/` (Swagger UI).
//!
//! Everything is read and compressed once at the start; a request copies nothing. The policy allows no script and no
//! style but our own files.

use std::{collections::HashMap, io::Write, sync::Arc};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Redirect, Response},
    routing::{any, get},
};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use rust_embed::RustEmbed;
use weir_identity::ChannelName;

#[derive(RustEmbed)]
#[folder = "../../web/dist/"]
struct Embedded;

/// The document of every page.
const INDEX: &str = "index.html";
/// Where the API's description is read, and its document. Below it there is nothing else.
const DOCS: &str = "/api/docs/";
const DOCS_INDEX: &str = "api/docs/index.html";
/// Pages that are no channel's. Their names are reserved.
const PAGES: &[&str] = &["golive", "studio", "login", "register"];
/// Files below it have their content's hash in their names.
const HASHED: &str = "assets/";

/// No script or style but our own files; the style hash is that of an empty `<style>`, which the player's controls
/// fill through the DOM. hls.js plays from blobs and works in a blob worker.
const POLICY: &str = "default-src 'none'; script-src 'self'; \
     style-src 'self' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='; connect-src 'self'; \
     img-src 'self' data: blob:; media-src 'self' blob:; worker-src 'self' blob:; font-src 'self'; \
     manifest-src 'self'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'; form-action 'self'";

/// The pages of this server may ask for what a stream is made of; what they embed, and who embeds them, may not.
const PERMISSIONS: &str = "camera=(self), microphone=(self), display-capture=(self)";

/// Every embedded file, ready to be sent.
struct Pages(HashMap<String, File>);

struct File {
    plain: Variant,
    /// Smaller, if it is.
    gzip: Option<Variant>,
    kind: HeaderValue,
    immutable: bool,
}

struct Variant {
    data: Bytes,
    tag: HeaderValue,
}

/// Routes that serve the pages for whatever the router it is merged into does not know.
pub(crate) fn router() -> Router {
    let pages = Arc::new(Pages::embedded());
    let page = move |method: Method, uri: Uri, headers: HeaderMap| {
        let pages = pages.clone();
        async move { pages.answer(&method, uri.path(), &headers) }
    };
    Router::new()
        .route("/api/docs", get(async || Redirect::permanent(DOCS)))
        .route(DOCS, any(page.clone()))
        .fallback(page)
}

impl Pages {
    fn embedded() -> Self {
        let files = Embedded::iter().filter_map(|name| {
            let file = Embedded::get(&name)?;
            Some((name.to_string(), File::new(&name, &file.data, &file.metadata.sha256_hash())))
        });
        Self(files.collect())
    }

    fn answer(&self, method: &Method, path: &str, headers: &HeaderMap) -> Response {
        if method != Method::GET && method != Method::HEAD {
            return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")]).into_response();
        }
        let name = path.strip_prefix('/').unwrap_or(path);
        let is_page =
            name.is_empty() || PAGES.contains(&name) || is_recording(name) || ChannelName::parse(name).is_ok();
        let (status, file) = match self.0.get(name) {
            _ if path == DOCS => (StatusCode::OK, self.0.get(DOCS_INDEX)),
            _ if is_page => (StatusCode::OK, self.0.get(INDEX)),
            Some(file) => (StatusCode::OK, Some(file)),
            // A missing file is no page: a player or a script would read it as one.
            None if name.contains('.') || name.starts_with(HASHED) => (StatusCode::NOT_FOUND, None),
            None => (StatusCode::NOT_FOUND, self.0.get(INDEX)),
        };
        match file {
            Some(file) => file.answer(method, status, headers),
            None => (StatusCode::NOT_FOUND, "There is nothing here.\n").into_response(),
        }
    }
}

/// Whether a path is that of a recording's page. Its playlists and segments lie below it.
fn is_recording(path: &str) -> bool {
    let id = path.strip_prefix("vod/").unwrap_or_default();
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

impl File {
    fn new(name: &str, data: &[u8], hash: &[u8; 32]) -> Self {
        let tag: String = hash.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
        let kind = kind(name);
        let gzip = compressible(kind).then(|| gzip(data)).filter(|small| small.len() < data.len());
        Self {
            plain: Variant::new(Bytes::copy_from_slice(data), &format!("\"{tag}\"")),
            // An encoding is another representation and has another tag.
            gzip: gzip.map(|data| Variant::new(data.into(), &format!("\"{tag}-gzip\""))),
            kind: HeaderValue::from_static(kind),
            immutable: name.starts_with(HASHED),
        }
    }

    fn answer(&self, method: &Method, status: StatusCode, asked: &HeaderMap) -> Response {
        let gzip = self.gzip.as_ref().filter(|_| takes_gzip(asked));
        let variant = gzip.unwrap_or(&self.plain);
        let mut response = Response::new(Body::empty());
        let headers = response.headers_mut();
        headers.insert(header::ETAG, variant.tag.clone());
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        let keep = if self.immutable { "public, max-age=31536000, immutable" } else { "no-cache" };
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
        let known = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|tags| tags.to_str().ok());
        let known = known.flat_map(|tags| tags.split(',')).any(|tag| {
            let tag = tag.trim();
            tag == "*" || tag.trim_start_matches("W/").as_bytes() == variant.tag.as_bytes()
        });
        if known && status == StatusCode::OK {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, self.kind.clone());
        headers.insert(header::CONTENT_LENGTH, variant.data.len().into());
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        headers.insert("permissions-policy", HeaderValue::from_static(PERMISSIONS));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("strict-origin-when-cross-origin"));
        if gzip.is_some() {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        if method != Method::HEAD {
            *response.body_mut() = Body::from(variant.data.clone());
        }
        response
    }
}

impl Variant {
    fn new(data: Bytes, tag: &str) -> Self {
        Self { data, tag: HeaderValue::from_str(tag).expect("hexadecimal digits in quotes are a header") }
    }
}

/// Whether the client takes gzip (RFC 9110 §12.5.3).
fn takes_gzip(asked: &HeaderMap) -> bool {
    let accepted = asked.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
        matches!(name.trim(), "gzip" | "*") && weight.unwrap_or(1.0) > 0.0
    })
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).and_then(|()| encoder.finish()).expect("writing into memory does not fail")
}

fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "map") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("webp") => "image/webp",
        Some("woff2") => "font/woff2",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

fn compressible(kind: &str) -> bool {
    kind.starts_with("text/") || kind.ends_with("json") || kind == "image/svg+xml"
}

#[cfg(test)]
mod tests {
    use tower::ServiceExt;

    use super::*;

    fn ask(method: &Method, path: &str, headers: &[(header::HeaderName, &str)]) -> Response {
        let file = |name: &str| (name.to_owned(), File::new(name, "<!doctype html>".repeat(99).as_bytes(), &[7; 32]));
        let pages = Pages([file(INDEX), file(DOCS_INDEX), file("assets/a-1.js"), file("robots.txt")].into());
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        pages.answer(method, path, &headers)
    }

    fn check(path: &str, status: u16, kind: &str) {
        let response = ask(&Method::GET, path, &[]);
        let got = response.headers().get(header::CONTENT_TYPE).map(|kind| kind.to_str().unwrap()).unwrap_or_default();
        assert_eq!((response.status().as_u16(), got), (status, kind), "{path}");
    }

    #[test]
    fn channels_and_the_start_are_the_same_document() {
        for path in ["/", "/anna", "/ANNA_7", "/golive", "/studio", "/login", "/register", "/vod/0190-aB"] {
            check(path, 200, "text/html; charset=utf-8");
        }
    }

    #[tokio::test]
    async fn the_description_of_the_api_is_a_page_beside_the_api() {
        let api = Router::new().route("/v1/channels", get(async || "api")).fallback(async || "no such call");
        let site = router().merge(Router::new().nest("/api", api));
        for (path, status, location) in
            [("/api/docs/", 200, None), ("/api/docs", 308, Some("/api/docs/")), ("/api/v1/channels", 200, None)]
        {
            let request = axum::extract::Request::get(path).body(Body::empty()).unwrap();
            let response = site.clone().oneshot(request).await.unwrap();
            let got = response.headers().get(header::LOCATION).map(|location| location.to_str().unwrap());
            assert_eq!((response.status().as_u16(), got), (status, location), "{path}");
            let protected = response.headers().contains_key(header::CONTENT_SECURITY_POLICY);
            assert_eq!(protected, path == DOCS, "{path}");
        }
    }

    #[test]
    fn no_channel_takes_the_name_of_a_page() {
        for page in PAGES {
            assert!(ChannelName::parse(page).is_err(), "{page}");
        }
    }

    #[test]
    fn the_pages_may_use_the_camera_and_the_screen() {
        let allowed = ask(&Method::GET, "/golive", &[]).headers()["permissions-policy"].clone();
        for what in ["camera", "microphone", "display-capture"] {
            assert!(allowed.to_str().unwrap().contains(&format!("{what}=(self)")), "{what}");
        }
    }

    #[test]
    fn what_cannot_be_a_channel_is_not_found() {
        for path in ["/a", "/a/b", "/metrics", "/live", "/Anna!", "/../etc/passwd", "/vod/", "/vod/a/b", "/vod/a.b"] {
            assert_eq!(ask(&Method::GET, path, &[]).status(), 404, "{path}");
        }
        check("/assets/none.js", 404, "text/plain; charset=utf-8");
        check("/favicon.ico", 404, "text/plain; charset=utf-8");
    }

    #[test]
    fn files_keep_their_type_and_hashed_ones_for_ever() {
        check("/assets/a-1.js", 200, "text/javascript; charset=utf-8");
        check("/robots.txt", 200, "text/plain; charset=utf-8");
        let keep = |path| ask(&Method::GET, path, &[]).headers()[header::CACHE_CONTROL].clone();
        assert!(keep("/assets/a-1.js").to_str().unwrap().contains("immutable"));
        assert_eq!(keep("/anna"), "no-cache");
    }

    #[test]
    fn gzip_goes_to_those_who_take_it_with_a_tag_of_its_own() {
        let plain = ask(&Method::GET, "/", &[]);
        for (accept, wanted) in [("gzip, br", true), ("br;q=1, gzip;q=0.5", true), ("gzip;q=0", false), ("br", false)] {
            let response = ask(&Method::GET, "/", &[(header::ACCEPT_ENCODING, accept)]);
            assert_eq!(response.headers().contains_key(header::CONTENT_ENCODING), wanted, "{accept}");
            assert_eq!(response.headers()[header::ETAG] != plain.headers()[header::ETAG], wanted);
        }
    }

    #[test]
    fn who_has_it_already_gets_nothing() {
        let tag = ask(&Method::GET, "/", &[]).headers()[header::ETAG].to_str().unwrap().to_owned();
        assert_eq!(ask(&Method::GET, "/", &[(header::IF_NONE_MATCH, &tag)]).status(), 304);
        assert_eq!(ask(&Method::GET, "/", &[(header::IF_NONE_MATCH, "\"other\"")]).status(), 200);
    }

    #[test]
    fn head_has_the_length_and_no_body_and_post_is_refused() {
        let response = ask(&Method::HEAD, "/", &[]);
        assert_eq!(
            (response.status().as_u16(), &response.headers()[header::CONTENT_LENGTH]),
            (200, &"1485".parse().unwrap())
        );
        assert_eq!(ask(&Method::POST, "/", &[]).status(), 405);
    }

    #[test]
    fn the_embedded_pages_have_no_inline_script() {
        for page in [INDEX, DOCS_INDEX] {
            let page = Embedded::get(page).expect("the pages are embedded");
            let text = String::from_utf8_lossy(&page.data).into_owned();
            for script in text.split("<script").skip(1) {
                let (tag, _) = script.split_once('>').expect("a tag ends");
                assert!(tag.contains("src="), "{tag}");
            }
        }
    }
}
