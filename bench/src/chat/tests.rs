//! What adapters make of what servers send.

use super::{
    account::Room,
    adapter::{Adapter, Aside},
    centrifugo::Centrifugo,
    weir::Weir,
};

#[track_caller]
fn check(adapter: &dyn Adapter, frame: &str, asides: &[Aside], has_messages: bool) {
    let mut heard = Vec::new();
    let messages = adapter.read(frame.as_bytes(), &mut |aside| heard.push(aside));
    assert_eq!(heard, asides, "{frame}");
    assert_eq!(memchr::memmem::find(messages, b"wb:").is_some(), has_messages, "{frame}");
}

fn weir() -> Weir {
    Weir::new(Room { channel: "anna_{i}".into(), token: "t".into() }, true)
}

#[test]
fn weir_is_read_as_its_contract_says() {
    let weir = weir();
    assert_eq!(weir.path(3), "/api/v1/channels/anna_3/chat");
    assert_eq!(weir.hello(0, true), [r#"{"type":"join","token":"t","batch":true}"#]);
    assert_eq!(weir.hello(0, false), [r#"{"type":"join","token":null,"batch":true}"#]);
    check(&weir, r#"{"type":"joined","epoch":"e","offset":0}"#, &[Aside::In], false);
    check(&weir, r#"{"offset":1,"type":"message","text":"wb:1"}"#, &[], true);
    check(&weir, r#"[{"offset":1,"text":"wb:1"},{"offset":2,"text":"wb:2"}]"#, &[], true);
    check(&weir, r#"{"type":"ack","id":"1","offset":1}"#, &[Aside::Taken], false);
    check(&weir, r#"{"type":"presence","count":3}"#, &[Aside::Other], false);
    check(&weir, r#"{"type":"reconnect","reason":"slow"}"#, &[Aside::ComeBack], false);
    let error = r#"{"type":"error","code":"rate_limited"}"#;
    check(&weir, error, &[Aside::Refused(error.into())], false);
}

#[test]
fn centrifugo_is_read_line_by_line() {
    let centrifugo = Centrifugo::new("room".into());
    assert_eq!(centrifugo.hello(0, true)[1], r#"{"id":2,"subscribe":{"channel":"room"}}"#);
    let push = r#"{"push":{"channel":"room","pub":{"data":{"text":"wb:1"},"offset":5}}}"#;
    check(&centrifugo, r#"{"id":1,"connect":{"client":"c"}}"#, &[Aside::Other], false);
    check(&centrifugo, r#"{"id":2,"subscribe":{}}"#, &[Aside::In], false);
    check(&centrifugo, push, &[], true);
    check(&centrifugo, &format!("{push}\n{push}"), &[], true);
    check(&centrifugo, &format!("{push}\n{{\"id\":7,\"publish\":{{}}}}"), &[Aside::Taken], true);
    check(&centrifugo, "{}", &[Aside::Ping("{}")], false);
    let error = r#"{"id":9,"error":{"code":103,"message":"permission denied"}}"#;
    check(&centrifugo, error, &[Aside::Refused(error.into())], false);
}
