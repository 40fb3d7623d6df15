//! Sessions as scripts: what a publisher says, and what comes of it, in words.

use rml_amf0::Amf0Value;

use super::*;

/// A publisher with its own chunk writer, and a core.
struct Peer {
    core: Core,
    writer: Writer,
    answers: Reader,
    out: Outputs,
    now: Instant,
}

impl Peer {
    fn new() -> Self {
        let now = Instant::now();
        let limits = Limits { message_bytes_max: 1 << 20, held_bytes_max: 1 << 20, streams_max: 8 };
        let core = Core::new(&Config::default(), now);
        Self { core, writer: Writer::new(), answers: Reader::new(limits), out: Outputs::new(), now }
    }

    /// One that has shaken hands.
    fn greeted() -> Self {
        let mut peer = Self::new();
        peer.bytes(&[&[3][..], &[0; 3072]].concat()).unwrap();
        assert!(matches!(peer.out.pop_front(), Some(Output::Send(bytes)) if bytes.len() == 3073));
        peer
    }

    fn connected(app: &str) -> Self {
        let mut peer = Self::greeted();
        let object = Amf0Value::Object([("app".to_owned(), Amf0Value::Utf8String(app.into()))].into());
        peer.message(kind::COMMAND, 0, &command::body("connect", 1.0, object, vec![])).unwrap();
        assert_eq!(peer.told(), "window bandwidth _result:NetConnection.Connect.Success");
        peer
    }

    /// One that publishes.
    fn live() -> Self {
        let mut peer = Self::connected("live");
        peer.command("publish", 5.0, &["abcd-1234"]).unwrap();
        peer.core.step(peer.now, Input::Granted, &mut peer.out).unwrap();
        assert_eq!(peer.told(), "ask:abcd-1234 begin onStatus:NetStream.Publish.Start");
        peer
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.core.step(self.now, Input::Bytes(bytes), &mut self.out)
    }

    fn message(&mut self, kind: u8, time: u32, body: &[u8]) -> Result<(), Error> {
        let mut bytes = Vec::new();
        self.writer.message(3, time, kind, 1, body, &mut bytes);
        self.bytes(&bytes)
    }

    fn command(&mut self, name: &str, transaction: f64, texts: &[&str]) -> Result<(), Error> {
        let texts = texts.iter().map(|text| Amf0Value::Utf8String((*text).to_owned())).collect();
        self.message(kind::COMMAND, 0, &command::body(name, transaction, Amf0Value::Null, texts))
    }

    /// Everything that came of it, in words.
    fn told(&mut self) -> String {
        let mut words = Vec::new();
        while let Some(output) = self.out.pop_front() {
            match output {
                Output::Send(bytes) | Output::Whisper(bytes) => {
                    let mut rest = &bytes[..];
                    while let Some(message) = self.answers.next(&mut rest).unwrap() {
                        words.push(answer(&message));
                    }
                }
                Output::AskGate(key) => words.push(format!("ask:{}", key.reveal())),
                Output::Announce(told) => words.push(format!("announce:{}{}", told.video as u8, told.audio as u8)),
                Output::Track(_) => words.push("track".into()),
                Output::Frame(frame) => words.push(format!("frame:{}", frame.dts.nanos() / 1_000_000)),
                Output::Unpublish => words.push("unpublish".into()),
                Output::Close(_) => words.push("close".into()),
            }
        }
        words.join(" ")
    }
}

/// One of our messages as a word.
fn answer(message: &Message) -> String {
    match (message.kind, &message.payload[..]) {
        (kind::WINDOW_SIZE, _) => "window".into(),
        (kind::PEER_BANDWIDTH, _) => "bandwidth".into(),
        (kind::ACKNOWLEDGEMENT, bytes) => format!("ack:{}", u32::from_be_bytes(bytes.try_into().unwrap())),
        (kind::USER_CONTROL, [0, 0, ..]) => "begin".into(),
        (kind::USER_CONTROL, [0, 7, ..]) => "pong".into(),
        (kind::COMMAND, body) => {
            let command = Command::parse(body).unwrap();
            match command.arguments.first() {
                Some(Amf0Value::Object(status)) => match &status["code"] {
                    Amf0Value::Utf8String(code) => format!("{}:{code}", command.name),
                    _ => command.name,
                },
                Some(Amf0Value::Number(number)) => format!("{}:{number}", command.name),
                _ => command.name,
            }
        }
        (kind, _) => format!("message of type {kind}"),
    }
}

/// AAC configuration and a frame.
const SOUND_CONFIG: &[u8] = &[0xaf, 0, 0x11, 0x90];
const SOUND: &[u8] = &[0xaf, 1, 1, 2, 3];

#[test]
fn an_encoder_publishes_and_leaves() {
    let mut peer = Peer::connected("live");
    for (name, transaction) in [("releaseStream", 2.0), ("FCPublish", 3.0), ("createStream", 4.0), ("_checkbw", 5.0)] {
        peer.command(name, transaction, &["abcd-1234"]).unwrap();
    }
    assert_eq!(peer.told(), "_result _result onFCPublish:NetStream.Publish.Start _result:1 _result");
    peer.command("publish", 5.0, &["abcd-1234", "live"]).unwrap();
    assert_eq!(peer.told(), "ask:abcd-1234");
    peer.core.step(peer.now, Input::Granted, &mut peer.out).unwrap();
    assert_eq!(peer.told(), "begin onStatus:NetStream.Publish.Start");
    peer.message(kind::AUDIO, 0, SOUND_CONFIG).unwrap();
    peer.message(kind::AUDIO, 21, SOUND).unwrap();
    assert_eq!(peer.told(), "track frame:21");
    peer.command("FCUnpublish", 6.0, &["abcd-1234"]).unwrap();
    peer.command("deleteStream", 7.0, &[]).unwrap();
    assert_eq!(peer.told(), "unpublish onStatus:NetStream.Unpublish.Success");
}

#[test]
fn the_answer_to_connect_says_what_enhanced_rtmp_asks() {
    let mut peer = Peer::greeted();
    let object = Amf0Value::Object([("app".to_owned(), Amf0Value::Utf8String("live".into()))].into());
    peer.message(kind::COMMAND, 0, &command::body("connect", 1.0, object, vec![])).unwrap();
    let mut properties = None;
    for output in peer.out.drain(..) {
        let Output::Send(bytes) = output else { continue };
        let mut rest = &bytes[..];
        while let Some(message) = peer.answers.next(&mut rest).unwrap() {
            if message.kind == kind::COMMAND {
                properties = Command::parse(&message.payload).unwrap().object.get_object_properties();
            }
        }
    }
    let properties = properties.expect("there is an answer");
    let Amf0Value::StrictArray(list) = &properties["fourCcList"] else { panic!("a list") };
    assert!(["hvc1", "av01", "vp09", "Opus"].iter().all(|name| list.contains(&Amf0Value::Utf8String((*name).into()))));
    assert_eq!(properties["capsEx"], Amf0Value::Number(12.0), "ModEx and nanoseconds, no reconnect, no multitrack");
    let Amf0Value::Object(map) = &properties["videoFourCcInfoMap"] else { panic!("a map") };
    assert_eq!(map["hvc1"], Amf0Value::Number(4.0));
}

#[test]
fn bytes_behind_the_question_wait_for_the_answer() {
    let mut peer = Peer::connected("live");
    let mut eager = Vec::new();
    let publish = command::body("publish", 5.0, Amf0Value::Null, vec![Amf0Value::Utf8String("abcd-1234".into())]);
    peer.writer.message(3, 0, kind::COMMAND, 1, &publish, &mut eager);
    peer.writer.message(4, 0, kind::AUDIO, 1, SOUND_CONFIG, &mut eager);
    peer.writer.message(4, 7, kind::AUDIO, 1, SOUND, &mut eager);
    peer.bytes(&eager).unwrap();
    assert_eq!(peer.told(), "ask:abcd-1234");
    peer.core.step(peer.now, Input::Granted, &mut peer.out).unwrap();
    assert_eq!(peer.told(), "begin onStatus:NetStream.Publish.Start track frame:7");
}

#[test]
fn refusals_are_told_and_end_the_session() {
    let mut peer = Peer::connected("live");
    peer.command("publish", 5.0, &["abcd-1234"]).unwrap();
    peer.core.step(peer.now, Input::Refused("No."), &mut peer.out).unwrap();
    assert_eq!(peer.told(), "ask:abcd-1234 onStatus:NetStream.Publish.BadName close");
    peer.command("publish", 5.0, &["abcd-1234"]).unwrap();
    peer.core.step(peer.now, Input::Kicked("Really."), &mut peer.out).unwrap();
    assert_eq!(peer.told(), "", "nothing comes after the end");
}

#[test]
fn an_address_without_key_or_application_is_refused_without_asking() {
    for (app, name) in [("live", ""), ("other", "abcd-1234"), ("live", "a b c d e f g h")] {
        let mut peer = Peer::connected(app);
        peer.command("publish", 5.0, &[name]).unwrap();
        assert_eq!(peer.told(), "onStatus:NetStream.Publish.BadName close");
    }
}

#[test]
fn players_are_sent_away() {
    let mut peer = Peer::connected("live");
    peer.command("play", 5.0, &["anna"]).unwrap();
    assert_eq!(peer.told(), "onStatus:NetStream.Play.Failed close");
}

#[test]
fn media_that_is_not_carried_is_refused_in_words() {
    let mut peer = Peer::live();
    peer.message(kind::AUDIO, 0, &[0x2f, 1, 2, 3]).unwrap();
    assert_eq!(peer.told(), "onStatus:NetStream.Publish.BadName close");
}

#[test]
fn a_kicked_publisher_is_told() {
    let mut peer = Peer::live();
    peer.core.step(peer.now, Input::Kicked("Time to go."), &mut peer.out).unwrap();
    assert_eq!(peer.told(), "onStatus:NetStream.Publish.BadName close");
}

#[test]
fn commands_may_say_that_they_are_amf3() {
    let mut peer = Peer::connected("live");
    let body = command::body("createStream", 2.0, Amf0Value::Null, vec![]);
    peer.message(kind::COMMAND_AMF3, 0, &[&[0], &body[..]].concat()).unwrap();
    peer.message(kind::COMMAND_AMF3, 0, &body).unwrap();
    assert_eq!(peer.told(), "_result:1 _result:2");
}

#[test]
fn unknown_commands_are_answered_if_an_answer_is_expected() {
    let mut peer = Peer::connected("live");
    peer.command("getStreamLength", 9.0, &[]).unwrap();
    peer.command("somethingElse", 0.0, &[]).unwrap();
    assert_eq!(peer.told(), "_error:NetConnection.Call.Failed");
}

#[test]
fn commands_out_of_place_end_the_session() {
    let mut peer = Peer::greeted();
    assert!(matches!(peer.command("publish", 1.0, &["abcd-1234"]), Err(Error::Command(_))));
    let mut peer = Peer::connected("live");
    assert!(matches!(peer.command("connect", 1.0, &[]), Err(Error::Command(_))));
    let mut peer = Peer::live();
    peer.command("publish", 1.0, &["abcd-1234"]).unwrap();
    assert_eq!(peer.told(), "onStatus:NetStream.Publish.BadName close");
}

#[test]
fn nested_amf0_before_login_ends_the_session_and_nothing_else() {
    let mut peer = Peer::greeted();
    let mut bytes = Vec::new();
    peer.writer.set_chunk_bytes(0x7fff_ffff, &mut bytes);
    peer.bytes(&bytes).unwrap();
    let refusal = peer.message(kind::COMMAND, 0, &[10, 0, 0, 0, 1].repeat(13_000)).unwrap_err();
    assert!(matches!(refusal, Error::Amf0(super::amf0::Amf0Error::TooDeep)), "{refusal}");

    let mut peer = Peer::greeted();
    let refusal = peer.message(kind::COMMAND, 0, &[10, 0, 0, 0, 1].repeat(1_000_000)).unwrap_err();
    assert_eq!(refusal.fault(), crate::Fault::Peer);
    assert_eq!(refusal.to_string(), "bad RTMP chunk: a message of type 20 and 5000000 bytes; at most 65536 are taken");
}

#[test]
fn a_stranger_may_hold_less_than_a_publisher() {
    let frame = [&[0x17, 1, 0, 0, 0][..], &[1; 1 << 20]].concat();
    let mut stranger = Peer::connected("live");
    let refusal = stranger.message(kind::VIDEO, 0, &frame).unwrap_err();
    assert!(matches!(refusal, Error::Chunk(chunks::ChunkError::MessageTooLong { .. })), "{refusal}");
    assert!(Peer::live().message(kind::VIDEO, 0, &frame).is_ok());
}

#[test]
fn pings_are_answered() {
    let mut peer = Peer::connected("live");
    peer.message(kind::USER_CONTROL, 0, &[0, 6, 1, 2, 3, 4]).unwrap();
    peer.message(kind::USER_CONTROL, 0, &[0, 3, 0, 0, 0, 1, 0, 0, 11, 184]).unwrap();
    peer.message(kind::USER_CONTROL, 0, &[0]).unwrap();
    assert_eq!(peer.told(), "pong");
}

#[test]
fn a_peer_hears_how_much_has_come_but_not_more_often_than_needed() {
    let mut peer = Peer::live();
    peer.message(kind::WINDOW_SIZE, 0, &100_000_u32.to_be_bytes()).unwrap();
    let before = peer.core.acknowledge.received;
    while peer.out.is_empty() {
        peer.message(kind::AUDIO, 0, &[0xaf]).unwrap();
    }
    let after = peer.core.acknowledge.received;
    assert!((100_000..100_100).contains(&after), "{after} bytes, {before} before");
    assert_eq!(peer.told(), format!("ack:{after}"));
    peer.message(kind::WINDOW_SIZE, 0, &[0; 4]).unwrap();
    for _ in 0..100 {
        peer.message(kind::AUDIO, 0, &[0xaf]).unwrap();
    }
    assert_eq!(peer.told(), "", "a window of nothing is not taken literally");
}

#[test]
fn metadata_announces_tracks_and_odd_metadata_is_ignored() {
    let mut peer = Peer::live();
    let properties = [("videocodecid".to_owned(), Amf0Value::Number(7.0))].into();
    let values = vec![
        Amf0Value::Utf8String("@setDataFrame".into()),
        Amf0Value::Utf8String("onMetaData".into()),
        Amf0Value::Object(properties),
    ];
    let body = rml_amf0::serialize(&values).unwrap();
    peer.message(kind::DATA, 0, &body).unwrap();
    peer.message(kind::DATA_AMF3, 0, &[&[0], &body[..]].concat()).unwrap();
    peer.message(kind::DATA, 0, &[11; 20]).unwrap();
    peer.message(kind::DATA, 0, &[]).unwrap();
    assert_eq!(peer.told(), "announce:10 announce:10");
}

#[test]
fn aggregates_are_taken_apart() {
    let tag = |kind: u8, time: u32, body: &[u8]| {
        let head = [&[kind], &(body.len() as u32).to_be_bytes()[1..], &time.to_be_bytes()[1..], &[0, 0, 0, 0]].concat();
        [&head, body, &(body.len() as u32 + 11).to_be_bytes()].concat()
    };
    let all = [tag(8, 500, SOUND_CONFIG), tag(8, 500, SOUND), tag(8, 521, SOUND)].concat();
    let mut peer = Peer::live();
    peer.message(kind::AGGREGATE, 7000, &all).unwrap();
    assert_eq!(peer.told(), "track frame:7000 frame:7021");
    for cut in 0..all.len() {
        let mut peer = Peer::live();
        peer.message(kind::AGGREGATE, 7000, &all[..cut]).unwrap();
    }
}

#[test]
fn whoever_does_not_log_in_is_closed_in_time() {
    let timeout = Config::default().login_timeout;
    for mut peer in [Peer::new(), Peer::greeted(), Peer::connected("live")] {
        // One byte now and then does not help.
        let begin = peer.now;
        peer.now += timeout - Duration::from_millis(1);
        let _ = peer.bytes(&[3]);
        assert_eq!(peer.core.deadline(), begin + timeout);
        assert!(peer.core.step(peer.now, Input::Tick, &mut peer.out).is_ok());
        peer.now += Duration::from_millis(1);
        let ending = peer.core.step(peer.now, Input::Tick, &mut peer.out).unwrap_err();
        assert!(matches!(ending, Error::LoginTimeout(_)), "{ending}");
    }
}

#[test]
fn whoever_never_pauses_is_closed_in_time_too() {
    let mut peer = Peer::connected("live");
    let begin = peer.now;
    let ending = loop {
        peer.now += Duration::from_millis(1);
        if let Err(ending) = peer.message(kind::USER_CONTROL, 0, &[0, 6, 1, 2, 3, 4]) {
            break ending;
        }
    };
    assert!(matches!(ending, Error::LoginTimeout(_)), "{ending}");
    assert_eq!(peer.now - begin, Config::default().login_timeout);
}

#[test]
fn a_publisher_whose_message_never_ends_is_idle() {
    let mut peer = Peer::live();
    peer.bytes(&[4, 0, 0, 0, 0x0f, 0, 0, 9, 1, 0, 0, 0]).unwrap();
    let until = peer.now + Config::default().idle_timeout;
    while peer.now < until {
        peer.bytes(&[7; 100]).unwrap();
        peer.bytes(&[7; 28]).unwrap();
        peer.bytes(&[0xc4]).unwrap();
        peer.now += Duration::from_millis(100);
    }
    let ending = peer.bytes(&[7; 100]).unwrap_err();
    assert!(matches!(ending, Error::Idle(_)), "{ending}");
}

#[test]
fn a_publisher_that_sends_frames_stays() {
    let mut peer = Peer::live();
    for _ in 0..100 {
        peer.now += Duration::from_secs(1);
        peer.message(kind::AUDIO, 0, SOUND).unwrap();
        peer.core.step(peer.now, Input::Tick, &mut peer.out).unwrap();
    }
}

#[test]
fn chunk_streams_may_interleave_in_a_live_session() {
    let mut peer = Peer::live();
    peer.message(kind::AUDIO, 0, SOUND_CONFIG).unwrap();
    let head = |id: u8, length: u8, kind: u8| vec![id, 0, 0, 9, 0, 0, length, kind, 1, 0, 0, 0];
    let mut bytes = head(6, 200, 9);
    bytes.extend([0x27].iter().chain(&[1; 127]));
    bytes.extend(head(4, 5, 8).iter().chain(SOUND));
    bytes.extend([0xc6].iter().chain(&[1; 72]));
    peer.bytes(&bytes).unwrap();
    assert_eq!(peer.told(), "track frame:9");
}
