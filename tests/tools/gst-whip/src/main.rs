//! Publishes a test picture and a tone with GStreamer's `whipclientsink`, until standard input ends.
//!
//! `gst-whip ENDPOINT TOKEN CAPS`, where CAPS choose the codec of the picture, such as `video/x-h264`.

use std::{error::Error, io::Read, thread};

use gst::{MessageView, prelude::*};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [endpoint, token, caps] = arguments.as_slice() else { return Err("gst-whip ENDPOINT TOKEN CAPS".into()) };
    gst::init()?;
    gstrswebrtc::plugin_register_static()?;
    // Congestion control of this sink takes an element of a further crate; a test's link needs none.
    let pipeline = gst::parse::launch(&format!(
        "whipclientsink name=sink congestion-control=disabled video-caps={caps} audio-caps=audio/x-opus \
         videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=240,framerate=30/1 ! queue ! sink. \
         audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=2 ! queue ! sink."
    ))?;
    let pipeline = pipeline.downcast::<gst::Pipeline>().map_err(|_| "a pipeline")?;
    let sink = pipeline.by_name("sink").ok_or("the sink has that name")?;
    // Its default is somebody's server on the internet.
    sink.set_property("stun-server", None::<String>);
    let signaller: gst::glib::Object = sink.property("signaller");
    signaller.set_property("whip-endpoint", endpoint);
    signaller.set_property("auth-token", token);
    pipeline.set_state(gst::State::Playing)?;
    let playing = pipeline.clone();
    thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        playing.send_event(gst::event::Eos::new());
    });
    for message in pipeline.bus().ok_or("a pipeline has a bus")?.iter_timed(gst::ClockTime::NONE) {
        match message.view() {
            MessageView::Error(error) => return Err(format!("{}: {:?}", error.error(), error.debug()).into()),
            MessageView::Warning(warning) => eprintln!("{}: {:?}", warning.error(), warning.debug()),
            MessageView::Eos(_) => break,
            _ => {}
        }
    }
    pipeline.set_state(gst::State::Null)?;
    Ok(())
}
