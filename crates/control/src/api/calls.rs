//! What calls are named in the description: generated clients make functions of it. A handler's name is short, and there
//! is a `list` in many folders, so the name is made of method and path.

use utoipa::openapi::OpenApi;

/// Gives every call a name that no other has, such as `getChannelsByNameBans`.
pub(super) fn name(api: &mut OpenApi) {
    for (path, item) in &mut api.paths.paths {
        let calls = [
            ("get", &mut item.get),
            ("put", &mut item.put),
            ("post", &mut item.post),
            ("patch", &mut item.patch),
            ("delete", &mut item.delete),
        ];
        for (method, call) in calls {
            if let Some(call) = call {
                call.operation_id = Some(name_of(method, path));
            }
        }
    }
}

fn name_of(method: &str, path: &str) -> String {
    let mut name = method.to_owned();
    let below = path.strip_prefix("/api/v1").unwrap_or(path);
    for segment in below.split('/') {
        if segment.starts_with('{') {
            name.push_str("By");
        }
        for word in segment.split(|c: char| !c.is_ascii_alphanumeric()) {
            let mut letters = word.chars();
            name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
            name.push_str(letters.as_str());
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::api::openapi_json;

    #[test]
    fn a_name_says_method_and_path() {
        assert_eq!(name_of("get", "/api/v1/channels/{name}/bans"), "getChannelsByNameBans");
        assert_eq!(name_of("post", "/api/v1/me/second-factor/confirm"), "postMeSecondFactorConfirm");
        assert_eq!(name_of("get", "/api/v1/me"), "getMe");
    }

    #[test]
    fn no_two_calls_have_the_same_name() {
        let described: Value = serde_json::from_str(&openapi_json()).unwrap();
        let mut names = BTreeSet::new();
        for calls in described["paths"].as_object().unwrap().values() {
            for call in calls.as_object().unwrap().values() {
                assert!(names.insert(call["operationId"].as_str().unwrap().to_owned()), "{call}");
            }
        }
        assert!(names.contains("getChannels"));
    }
}
