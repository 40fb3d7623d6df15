//! The HTTP requests of WHIP (RFC 9725 §4).

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Extension, Path, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::Response,
    routing::{MethodRouter, delete, options, patch, post},
};
use parking_lot::Mutex;
use tokio::{sync::mpsc, time::timeout};
use tracing::{debug, error, info};
use weir_identity::StreamKey;
use weir_media::Publish;
use weir_peer::{
    resource::{self, Answer, BODY_BYTES_MAX, EntityTag, Patch, Problem, Protocol},
    sdp::{self, Local, Offer},
    socket::{RegisterError, Sockets},
    transport::{Credentials, Side, Transport},
};

use super::{
    Shared,
    mailbox::Mailbox,
    meters, problems,
    pump::Pump,
    session::{self, Session},
    table::{COMMANDS_MAX, Command, Ice, Resource, Seat},
};
use crate::{Denied, Gate};

/// Longest wait for a request's body, and for the gate, each.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// Who sent a request: an extension that whoever serves the routes adds. Without it the sender is unknown.
#[derive(Debug, Clone, Copy)]
pub struct Remote(pub SocketAddr);

pub(super) fn router<G: Gate>(shared: Arc<Shared<G>>) -> Router {
    let endpoint: MethodRouter<Arc<Shared<G>>> =
        post(publish::<G>).merge(options(endpoint_options::<G>)).fallback(async || told(Problem::endpoint_method()));
    let session: MethodRouter<Arc<Shared<G>>> = patch(change::<G>)
        .merge(delete(end::<G>))
        .merge(options(async || respond(Answer::session_options())))
        .fallback(async || told(Problem::session_method()));
    Router::new().route("/whip", endpoint).route("/whip/{id}", session).with_state(shared)
}

async fn endpoint_options<G: Gate>(State(shared): State<Arc<Shared<G>>>) -> Response {
    respond(Answer::endpoint_options(&shared.ice_servers))
}

async fn publish<G: Gate>(
    State(shared): State<Arc<Shared<G>>>,
    remote: Option<Extension<Remote>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let from = remote.map_or(SocketAddr::from(([0; 4], 0)), |Extension(Remote(from))| from);
    let created = async {
        let publish = admit(&shared, from, &headers).await?;
        let offer = offer(&headers, body).await?;
        begin(&shared, from, publish, &offer).await
    };
    match created.await {
        Ok(answer) => respond(answer),
        Err(problem) => {
            metrics::counter!(meters::REFUSALS, "reason" => problem.slug).increment(1);
            info!(%from, problem = problem.slug, why = problem.detail, "WHIP publisher refused");
            told(problem)
        }
    }
}

/// Asks the gate whether whoever sent the request may publish.
async fn admit<G: Gate>(shared: &Shared<G>, from: SocketAddr, headers: &HeaderMap) -> Result<Publish, Problem> {
    let bearer = resource::bearer(text(headers, &header::AUTHORIZATION));
    // What cannot be a key is not known either.
    let key =
        StreamKey::parse(bearer.ok_or_else(problems::no_key)?).map_err(|_| problems::denied(Denied::UnknownKey))?;
    let admitted = timeout(WAIT_MAX, shared.gate.admit(key, from)).await.unwrap_or(Err(Denied::Unavailable));
    let publish = Publish { protocol: "whip", ..admitted.map_err(problems::denied)? };
    // Asked again when the peer is connected: this is so that a refusal is told.
    shared.registry.has_room_for(&publish).map_err(problems::busy)?;
    Ok(publish)
}

async fn offer(headers: &HeaderMap, body: Body) -> Result<Offer, Problem> {
    let body = read(headers, body).await?;
    resource::offer(text(headers, &header::CONTENT_TYPE), &body)
}

/// Makes the session that answers an offer.
async fn begin<G: Gate>(
    shared: &Arc<Shared<G>>,
    from: SocketAddr,
    publish: Publish,
    offer: &Offer,
) -> Result<Answer, Problem> {
    let listener = shared.listener.lock().clone().ok_or_else(problems::stopping)?;
    let local = Local {
        credentials: Credentials::random(),
        fingerprint: shared.certificate.fingerprint(),
        candidates: shared.sockets.candidates(),
    };
    let answered = sdp::publish(offer, &local).map_err(|why| Problem::unacceptable(Protocol::Whip, &why))?;
    let now = tokio::time::Instant::now().into_std();
    let (ours, theirs) = (local.credentials, offer.credentials.clone());
    let (mailbox, datagrams) = Mailbox::new(&ours).map_err(|error| internal(&error))?;
    let mailbox = Arc::new(mailbox);
    let registration = register(&shared.sockets, &ours, &mailbox)?;
    let fingerprints = offer.fingerprints.clone();
    let transport = Transport::new(now, Side::Server, &shared.certificate, ours, theirs.clone(), fingerprints)
        .map_err(|error| internal(&error))?;
    let (commands, asked) = mpsc::channel(COMMANDS_MAX);
    let (id, tag) = (resource::random_id(), EntityTag::random());
    let resource = Resource {
        channel: publish.channel.clone(),
        registration,
        mailbox,
        commands,
        ice: Mutex::new(Ice { tag: tag.clone(), remote: theirs }),
    };
    let seat: Seat = shared
        .table
        .enter(id.clone(), resource)
        .map_err(|_| problems::full("As many publishers are connecting as `ingest.whip.pending_max` allows."))?;
    let pump = Pump {
        transport,
        incoming: answered.incoming,
        publish,
        registry: shared.registry.clone(),
        sockets: shared.sockets.clone(),
        keyframe_interval: shared.config.keyframe_interval,
        datagrams,
        commands: asked,
        seat,
    };
    let arguments = session::Arguments { pump, from };
    let spawned = Session::spawn_under(arguments, &listener).await;
    // The owner may have ended meanwhile.
    spawned.map_err(|error| {
        error!(%error, "a session did not start");
        problems::stopping()
    })?;
    Ok(Answer::created(&format!("/whip/{id}"), &tag, answered.sdp, &shared.ice_servers))
}

fn register(
    sockets: &Sockets,
    local: &Credentials,
    mailbox: &Arc<Mailbox>,
) -> Result<weir_peer::socket::Registration, Problem> {
    sockets.register(&local.ufrag, mailbox.clone()).map_err(|error| match error {
        RegisterError::Full => problems::full("As many WebRTC sessions run as `webrtc.sessions_max` allows."),
        RegisterError::Taken | RegisterError::Gone => internal(&error),
    })
}

/// Trickle, which asks for nothing of a lite agent, and ICE restarts.
async fn change<G: Gate>(
    State(shared): State<Arc<Shared<G>>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let changed = async {
        let session = shared.table.get(&id).ok_or_else(Problem::no_session)?;
        let body = read(&headers, body).await?;
        let (content_type, if_match) = (text(&headers, &header::CONTENT_TYPE), text(&headers, &header::IF_MATCH));
        let asked = {
            let ice = session.ice.lock();
            resource::patch(content_type, if_match, &body, &ice.tag, &ice.remote)?
        };
        let (remote, fragment) = match asked {
            Patch::Restart(remote, fragment) => (remote, fragment),
            Patch::Done(answer) => return Ok(answer),
        };
        let local = Local {
            credentials: Credentials::random(),
            fingerprint: shared.certificate.fingerprint(),
            candidates: shared.sockets.candidates(),
        };
        let tag = session.restart(local.credentials.clone(), remote).map_err(|error| {
            debug!(%error, "ICE was not restarted");
            problems::no_restart(&error.to_string())
        })?;
        Ok(Answer::restarted(&tag, fragment.answer(&local)))
    };
    changed.await.map_or_else(told, respond)
}

async fn end<G: Gate>(State(shared): State<Arc<Shared<G>>>, Path(id): Path<String>) -> Response {
    let Some(session) = shared.table.remove(&id) else { return told(Problem::no_session()) };
    // An error means that it has ended by itself, or is told already.
    let _ = session.commands.try_send(Command::End);
    respond(Answer::ended())
}

async fn read(headers: &HeaderMap, body: Body) -> Result<axum::body::Bytes, Problem> {
    let length = text(headers, &header::CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok());
    if length.is_some_and(|length| length > BODY_BYTES_MAX) {
        return Err(Problem::too_long());
    }
    // A broken connection gets an answer as well; nobody hears it.
    timeout(WAIT_MAX, to_bytes(body, BODY_BYTES_MAX))
        .await
        .map_err(|_| problems::late())?
        .map_err(|_| Problem::too_long())
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn internal(error: &dyn std::fmt::Display) -> Problem {
    error!(%error, "a WHIP session could not be made");
    Problem::new(500, "internal", "Something is wrong here", "The session could not be made. Try again.")
}

fn told(problem: Problem) -> Response {
    respond(problem.answer())
}

fn respond(answer: Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in answer.headers {
        // All are made here of printable characters.
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().append(HeaderName::from_static(name), value);
        }
    }
    response
}
