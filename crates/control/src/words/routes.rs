//! `/api/v1/channels/{name}/words`: words that are not said in a channel.

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{OpenApi, ToSchema};

use super::{WORD_CHARS_MAX, WORDS_MAX, Word, WordList};
use crate::{
    api::Api,
    audit::Deed,
    auth::{Caller, Origin, Refused},
    channels::routes::seen,
    json::Body,
    precondition::{self, Version},
    problem::Problem,
    rights::Right,
};

/// Most bytes of a list: [`WORDS_MAX`] words of some 100 bytes each, with what stands around them.
const LIST_BYTES_MAX: usize = 1 << 20;

pub(crate) fn router() -> Router<Api> {
    let words = get(list).put(set).layer(DefaultBodyLimit::max(LIST_BYTES_MAX));
    Router::new().route("/v1/channels/{name}/words", words)
}

/// What these routes add to the API's description.
#[derive(OpenApi)]
#[openapi(paths(list, set))]
pub(crate) struct Description;

/// Words that are not said in a channel.
#[derive(Serialize, Deserialize, ToSchema)]
struct Words {
    /// The words: at most 10 000.
    #[schema(max_items = 10_000)]
    words: Vec<Word>,
}

/// Words that are not said in a channel's room, beside those that nobody says on this server. For its owner and
/// moderators.
#[utoipa::path(get, path = "/api/v1/channels/{name}/words", tag = "moderation", security(("access" = [])),
    params(("name" = String, Path, description = "The channel's name.")), responses(
    (status = 200, description = "The words; `ETag` is their version.", body = Words),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn list(State(api): State<Api>, caller: Caller, Path(name): Path<String>) -> Result<Response, Problem> {
    let (channel, right) = seen(&api, Some(&caller), &name).await?;
    right.at_least(Right::Moderator)?;
    Ok(view(api.store.words_of(channel.id).await?))
}

/// Replaces the words that are not said in a channel's room; rooms know them at once. Other spellings are found as well.
/// For its owner and moderators.
#[utoipa::path(put, path = "/api/v1/channels/{name}/words", tag = "moderation", request_body = Words, security(("access" = [])),
    params(("name" = String, Path, description = "The channel's name."),
        ("If-Match" = Option<String>, Header, pattern = r#"^(\*|"[0-9]+")$"#, example = "\"1\"", description = "Only if they are still of this version.")), responses(
    (status = 200, description = "The words as they are now.", body = Words),
    (status = "4XX", description = "Why not.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer.", body = Problem, content_type = "application/problem+json"),
))]
async fn set(
    State(api): State<Api>,
    caller: Caller,
    origin: Origin,
    Path(name): Path<String>,
    headers: HeaderMap,
    Body(wanted): Body<Words>,
) -> Result<Response, Problem> {
    let (channel, right) = seen(&api, Some(&caller), &name).await?;
    right.at_least(Right::Moderator)?;
    let version = api.store.words_version(channel.id).await?;
    precondition::check(&headers, Version(version))?;
    let words = wanted.words;
    check(&words).map_err(invalid)?;
    api.presence.check_words(words.clone()).await.map_err(invalid)?;
    let list = WordList { version, words };
    if !api.store.set_words(channel.id, list.clone()).await? {
        return Err(Refused::Changed.into());
    }
    let list = WordList { version: version + 1, ..list };
    api.presence.words_changed(channel.id, list.version);
    let deed = Deed::by(&caller, origin, "words.change").on(&channel);
    deed.detail(&json!({"words": list.words.len()})).note(&*api.store).await;
    Ok(view(list))
}

/// Whether every word is one.
fn check(words: &[Word]) -> Result<(), String> {
    if words.len() > WORDS_MAX {
        return Err(format!("A channel has at most {WORDS_MAX} words."));
    }
    for Word { word, .. } in words {
        let chars = word.chars().count();
        let is_one =
            (1..=WORD_CHARS_MAX).contains(&chars) && !word.chars().any(char::is_control) && word.trim() == word;
        if !is_one {
            let shown: String = word.chars().take(WORD_CHARS_MAX).collect();
            return Err(format!("{shown:?} is no word: it has 1 to {WORD_CHARS_MAX} characters on one line."));
        }
    }
    Ok(())
}

fn invalid(detail: String) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-words", "Not a list of words", detail)
}

fn view(list: WordList) -> Response {
    let version = Version(list.version).etag();
    let headers =
        [(header::CACHE_CONTROL, "no-store".parse().expect("it is a header's value")), (header::ETAG, version)];
    (headers, Json(Words { words: list.words })).into_response()
}
