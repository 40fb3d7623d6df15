use super::*;

const OFFER: &str = include_str!("../sdp/testdata/obs_publish.sdp");
const RESTART: &str = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:ysXw\r\n\
    a=ice-pwd:vw5LmwG4y/e6dPP/zAP9Gp5k\r\n";

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
}

#[test]
fn an_offer_is_told_by_its_type() {
    let check = |content_type, body: &str, want: Result<(), u16>| {
        let got = offer(content_type, body.as_bytes()).map(|_| ()).map_err(|problem| problem.status);
        assert_eq!(got, want, "{content_type:?}");
    };
    check(Some("application/sdp"), OFFER, Ok(()));
    check(Some("Application/SDP; charset=utf-8"), OFFER, Ok(()));
    check(Some("application/json"), OFFER, Err(415));
    check(None, OFFER, Err(415));
    check(Some(SDP), "v=0\r\nnonsense", Err(400));
    check(Some(SDP), &OFFER.repeat(100), Err(413));
    assert_eq!(offer(Some(SDP), &[0xff]).unwrap_err().status, 400);
    let answer = offer(None, b"").unwrap_err().answer();
    assert_eq!(header(&answer, "accept-post"), Some(SDP));
}

#[test]
fn a_patch_names_the_ice_session_that_it_is_about() {
    let tag = EntityTag::random();
    let remote = Credentials { ufrag: "EsAw".into(), pwd: "bP+XJMM09aR8AiX1jdukzR6Y".into() };
    let check = |if_match: Option<&str>, body: &str, want: &str| {
        let got = match patch(Some(FRAGMENT), if_match, body.as_bytes(), &tag, &remote) {
            Ok(Patch::Done(answer)) => format!("done {}", answer.status),
            Ok(Patch::Restart(credentials, _)) => format!("restart {}", credentials.ufrag),
            Err(problem) => problem.status.to_string(),
        };
        assert_eq!(got, want, "{if_match:?}");
    };
    let current = tag.to_string();
    let trickle = "a=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\n";
    check(None, trickle, "428");
    check(Some("\"other\""), trickle, "412");
    check(Some(&format!("W/{current}")), trickle, "412");
    check(Some(&format!("\"other\", {current}")), trickle, "done 204");
    check(Some(&current), trickle, "done 204");
    check(Some("*"), RESTART, "restart ysXw");
    check(Some(&current), RESTART, "restart ysXw");
    check(Some("\"old\""), RESTART, "412");
    check(Some("*"), "a=ice-ufrag:ysXw\r\n", "400");
    let problem = patch(Some(SDP), Some("*"), b"", &tag, &remote).unwrap_err().answer();
    assert_eq!((problem.status, header(&problem, "accept-patch")), (415, Some(FRAGMENT)));
}

#[test]
fn a_restart_that_is_asked_for_again_is_answered_again() {
    let begun = Credentials { ufrag: "EsAw".into(), pwd: "bP+XJMM09aR8AiX1jdukzR6Y".into() };
    let ask = |if_match: &str, tag: &EntityTag, remote: &Credentials| match patch(
        Some(FRAGMENT),
        Some(if_match),
        RESTART.as_bytes(),
        tag,
        remote,
    )
    .unwrap()
    {
        Patch::Done(answer) => Err(answer),
        Patch::Restart(credentials, _) => Ok(credentials),
    };
    let first = EntityTag::random();
    let restarted = ask("*", &first, &begun).expect("a restart");
    let tag = EntityTag::random();
    // What the caller keeps is a clone.
    let answer = Answer::restarted(&tag.clone(), "a=ice-ufrag:ours".into());
    assert_eq!((answer.status, answer.body.as_str()), (200, "a=ice-ufrag:ours"));
    assert_eq!(ask("*", &tag, &restarted), Err(answer));
    assert_eq!(ask(&tag.to_string(), &tag, &restarted), Err(Answer::trickled()), "it knows the answer");
    assert_eq!(ask("*", &first, &restarted), Err(Answer::trickled()), "begun by the offer");
}

#[test]
fn a_new_session_tells_where_it_is_and_which_servers_help() {
    let turn = IceServer {
        urls: vec!["turn:turn.example.org?transport=udp".into(), "turns:turn.example.org".into()],
        username: Some("user".into()),
        credential: Some("secret".into()),
    };
    let stun = IceServer { urls: vec!["stun:stun.example.org".into()], ..IceServer::default() };
    let tag = EntityTag::random();
    let answer = Answer::created("/whip/1", &tag, "v=0".into(), &[stun, turn]);
    assert_eq!(answer.status, 201);
    assert_eq!(header(&answer, "location"), Some("/whip/1"));
    assert_eq!(header(&answer, "etag"), Some(tag.to_string().as_str()));
    assert!(header(&answer, "access-control-expose-headers").is_some_and(|it| it.contains("Location")));
    let links: Vec<_> = answer.headers.iter().filter(|(name, _)| *name == "link").map(|(_, link)| link).collect();
    let turn = "rel=\"ice-server\"; username=\"user\"; credential=\"secret\"; credential-type=\"password\"";
    assert_eq!(
        links,
        [
            "<stun:stun.example.org>; rel=\"ice-server\"",
            &format!("<turn:turn.example.org?transport=udp>; {turn}"),
            &format!("<turns:turn.example.org>; {turn}"),
        ]
    );
}

#[test]
fn a_problem_is_a_document() {
    let problem = Problem::new(409, "busy", "Busy", "It says \"no\".").with("retry-after", "5").answer();
    let document: serde_json::Value = serde_json::from_str(&problem.body).unwrap();
    assert_eq!(document["type"], "urn:weir:problem:busy");
    assert_eq!((document["status"].as_u64(), document["detail"].as_str()), (Some(409), Some("It says \"no\".")));
    assert_eq!(header(&problem, "retry-after"), Some("5"));
    assert_eq!(header(&problem, "content-type"), Some("application/problem+json"));
}

#[test]
fn without_a_codec_in_common_publishers_and_viewers_hear_their_own_status() {
    let kind = crate::sdp::Kind::Video;
    let why = Unacceptable::Codecs { kind, offered: "VP8".into(), wanted: "has HEVC".into() };
    assert_eq!(Problem::unacceptable(Protocol::Whip, &why).status, 415);
    assert_eq!(Problem::unacceptable(Protocol::Whep, &why).status, 406);
    assert_eq!(Problem::unacceptable(Protocol::Whip, &Unacceptable::NoBundle).status, 422);
    assert_eq!(Problem::unacceptable(Protocol::Whep, &Unacceptable::IceLite).status, 422);
}

#[test]
fn the_bearer_is_found() {
    let check = |header, want| assert_eq!(bearer(header), want);
    check(Some("Bearer abc"), Some("abc"));
    check(Some("bearer  abc "), Some("abc"));
    check(Some("Basic abc"), None);
    check(Some("Bearer "), None);
    check(None, None);
}

#[test]
fn ids_cannot_be_guessed() {
    let [one, two] = [random_id(), random_id()];
    assert_ne!(one, two);
    assert!(one.len() == 32 && one.bytes().all(|byte| byte.is_ascii_hexdigit()));
}
