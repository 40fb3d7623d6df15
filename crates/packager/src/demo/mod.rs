//! A publisher: a moving test picture with the wall clock burnt in, and a tone, over real RTMP.

mod clock;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gst::prelude::*;

pub use clock::{CELL, CELLS, read};

/// Width of the picture in pixels.
pub const WIDTH: u32 = 1280;
/// Height of the picture in pixels.
pub const HEIGHT: u32 = 720;
/// How often it is looked whether to stop.
const GLANCE: gst::ClockTime = gst::ClockTime::from_mseconds(200);
/// How long the goodbye to the server may take.
const GOODBYE_MAX: Duration = Duration::from_secs(1);

/// GStreamer's elements that the demo needs, and the Debian packages they are in.
const ELEMENTS: &[(&str, &str)] = &[
    ("videotestsrc", "gstreamer1.0-plugins-base"),
    ("audiotestsrc", "gstreamer1.0-plugins-base"),
    ("audioconvert", "gstreamer1.0-plugins-base"),
    ("x264enc", "gstreamer1.0-plugins-ugly"),
    ("voaacenc", "gstreamer1.0-plugins-bad"),
    ("aacparse", "gstreamer1.0-plugins-good"),
    ("flvmux", "gstreamer1.0-plugins-good"),
    ("rtmp2sink", "gstreamer1.0-plugins-bad"),
];

/// Why there is no test picture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An element of GStreamer is not installed.
    #[error("GStreamer's {element} is missing; on Debian: apt-get install {package}")]
    Missing {
        /// The element.
        element: &'static str,
        /// The Debian package that it is in.
        package: &'static str,
    },
    /// GStreamer cannot be used.
    #[error("GStreamer is not usable: {0}")]
    Gstreamer(String),
    /// The connection failed, or the server refused the publish: its words.
    #[error("publishing failed: {0}")]
    Refused(String),
}

/// Publishes to `url` (such as `rtmp://127.0.0.1:1935/live`) with `key` until `stop` says so. Blocks meanwhile.
///
/// # Errors
/// [`Error`] when something is not installed, or the server refuses or goes away.
pub fn publish(url: &str, key: &str, stop: impl Fn() -> bool) -> Result<(), Error> {
    gst::init().map_err(|error| Error::Gstreamer(error.to_string()))?;
    for (element, package) in ELEMENTS {
        gst::ElementFactory::find(element).ok_or(Error::Missing { element, package })?;
    }
    let failed = |error: &dyn std::fmt::Display| Error::Gstreamer(error.to_string());
    let pipeline = gst::parse::launch(&format!(
        "flvmux name=mux streamable=true ! rtmp2sink name=sink \
         videotestsrc is-live=true pattern=ball background-color=0xff203040 \
         ! video/x-raw,format=I420,width={WIDTH},height={HEIGHT},framerate=30/1 ! identity name=draw \
         ! x264enc tune=zerolatency speed-preset=superfast bitrate=2500 key-int-max=60 option-string=scenecut=0 \
         ! video/x-h264,profile=main ! queue ! mux. \
         audiotestsrc is-live=true wave=sine freq=440 volume=0.05 ! audio/x-raw,rate=48000,channels=2 ! audioconvert \
         ! voaacenc bitrate=128000 ! aacparse ! queue ! mux."
    ))
    .map_err(|error| failed(&error))?;
    let pipeline = pipeline.downcast::<gst::Pipeline>().map_err(|_| failed(&"not a pipeline"))?;
    let (Some(sink), Some(draw)) = (pipeline.by_name("sink"), pipeline.by_name("draw")) else {
        return Err(failed(&"an element has no name"));
    };
    sink.set_property("location", format!("{}/{key}", url.trim_end_matches('/')));
    let pad = draw.static_pad("src").ok_or_else(|| failed(&"identity has no pad"))?;
    pad.add_probe(gst::PadProbeType::BUFFER, |_, info| {
        if let Some(buffer) = info.buffer_mut()
            && let Ok(mut picture) = buffer.make_mut().map_writable()
        {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            clock::draw(&mut picture, WIDTH as usize, HEIGHT as usize, now);
        }
        gst::PadProbeReturn::Ok
    });
    let result = play(&pipeline, stop).map_err(|words| Error::Refused(words.replace(key, "(key)")));
    // Nothing is asked of the pipeline any more, so how its end goes does not matter.
    let _ = pipeline.set_state(gst::State::Null);
    result
}

/// Runs the pipeline until it fails or is told to stop.
fn play(pipeline: &gst::Pipeline, stop: impl Fn() -> bool) -> Result<(), String> {
    let bus = pipeline.bus().ok_or("the pipeline has no bus")?;
    let started = pipeline.set_state(gst::State::Playing);
    let failure = |message: &gst::Message| match message.view() {
        gst::MessageView::Error(error) => Some(error.error().to_string()),
        gst::MessageView::Eos(_) => Some("the server ended the stream".into()),
        _ => None,
    };
    let kinds = [gst::MessageType::Error, gst::MessageType::Eos];
    if started.is_err() {
        let message = bus.pop_filtered(&kinds);
        return Err(message.as_ref().and_then(failure).unwrap_or_else(|| "the pipeline does not start".into()));
    }
    while !stop() {
        if let Some(words) = bus.timed_pop_filtered(GLANCE, &kinds).as_ref().and_then(failure) {
            return Err(words);
        }
    }
    pipeline.send_event(gst::event::Eos::new());
    let goodbye = gst::ClockTime::try_from(GOODBYE_MAX).unwrap_or(GLANCE);
    // Whatever comes of it, the publish ends with the connection.
    let _ = bus.timed_pop_filtered(goodbye, &kinds);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_not_there_is_told_in_words_and_without_the_key() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("rtmp://{}/live", socket.local_addr().expect("an address"));
        drop(socket);
        let Err(Error::Refused(words)) = publish(&url, "secret-key-123", || false) else { panic!("nobody listens") };
        assert!(!words.is_empty());
        assert!(!words.contains("secret"), "{words}");
    }

    #[test]
    fn it_stops_when_told() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("rtmp://{}/live", socket.local_addr().expect("an address"));
        assert_eq!(publish(&url, "secret-key-123", || true), Ok(()));
    }
}
