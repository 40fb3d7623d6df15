//! Which refusals a call has, in its description. Routes write `4XX`; which these can be follows from what a call takes,
//! so that they are spelled out here. What does not follow, a route says beside it.

use utoipa::openapi::{
    OpenApi, RefOr,
    header::HeaderBuilder,
    path::{Operation, ParameterIn},
    response::Response,
    schema::{ObjectBuilder, Type},
};

/// What a route writes for all its refusals.
const ANY: &str = "4XX";

/// Spells the refusals of every call out.
pub(super) fn spell_out(api: &mut OpenApi) {
    for item in api.paths.paths.values_mut() {
        let calls = [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete];
        for call in calls.into_iter().flatten() {
            refusals(call);
            for status in ["429", "503"] {
                if let Some(RefOr::T(response)) = call.responses.responses.get_mut(status) {
                    come_back(response);
                }
            }
        }
    }
}

fn refusals(call: &mut Operation) {
    let Some(RefOr::T(any)) = call.responses.responses.remove(ANY) else { return };
    for (status, description) in statuses(call) {
        let mut response = any.clone();
        response.description = description.into();
        call.responses.responses.entry(status.into()).or_insert(RefOr::T(response));
    }
}

/// With what a call is refused, by what it takes.
fn statuses(call: &Operation) -> Vec<(&'static str, &'static str)> {
    let parameters = || {
        let parameters = call.parameters.iter().flatten();
        parameters.filter_map(|parameter| if let RefOr::T(parameter) = parameter { Some(parameter) } else { None })
    };
    let takes = |place: ParameterIn| parameters().any(|parameter| parameter.parameter_in == place);
    let header = |name: &str| parameters().any(|parameter| parameter.name == name);
    let (once, conditional) = (header("Idempotency-Key"), header("If-Match"));
    let (secured, body) = (call.security.is_some(), call.request_body.is_some());
    let is_json = matches!(&call.request_body, Some(RefOr::T(body)) if body.content.contains_key("application/json"));
    // Logging in takes cookies, and only of this server's pages.
    let login = call.tags.iter().flatten().any(|tag| tag == "auth");
    let all = [
        (
            body || once || login || takes(ParameterIn::Query),
            "400",
            "A parameter, a header or the JSON cannot be read.",
        ),
        (secured || login, "401", "The caller is not logged in, or not any more."),
        (secured || login, "403", "Not for this caller."),
        (takes(ParameterIn::Path), "404", "There is no such thing, or none that the caller may know of."),
        (once, "409", "The same request is being done, or there are too many already."),
        (conditional, "409", "It was changed by somebody else in this moment, or is taken."),
        (conditional, "412", "It was changed since the version that `If-Match` names."),
        (body, "408", "The body did not come in time."),
        (body, "413", "The body is too long."),
        (is_json, "415", "The body is not `application/json`."),
        (body, "422", "The body says what cannot be."),
        (true, "429", "Too many requests."),
    ];
    all.into_iter().filter(|(applies, ..)| *applies).map(|(_, status, description)| (status, description)).collect()
}

/// The answer says when to come back.
fn come_back(response: &mut Response) {
    let seconds = ObjectBuilder::new().schema_type(Type::Integer).build();
    let header = HeaderBuilder::new().schema(Some(seconds)).description(Some("Seconds after which to come back."));
    response.headers.insert("Retry-After".into(), RefOr::T(header.build()));
}
