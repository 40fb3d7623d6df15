//! What a stream's sink gets.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use parking_lot::Mutex;

use super::*;
use crate::{Completed, Openings, Sink};

/// Takes segments below a number.
#[derive(Debug)]
struct Notes(Mutex<Vec<String>>, AtomicU64);

impl Sink for Notes {
    fn segment(&self, rendition: &RenditionSpec, segment: Completed) -> bool {
        let broken = if segment.discontinuity { "!" } else { "" };
        assert!(segment.gap || (segment.init.is_some() && !segment.body.is_empty()));
        assert_eq!(segment.target, TIMING.target());
        if segment.msn >= self.1.load(Relaxed) {
            return false;
        }
        self.0.lock().push(format!("{}{broken}{}", rendition.id, segment.msn));
        true
    }

    fn ended(&self) {
        self.0.lock().push("end".into());
    }
}

impl Notes {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock())
    }
}

fn recorded(show: &Show) -> Arc<Notes> {
    recorded_up_to(show, u64::MAX)
}

fn recorded_up_to(show: &Show, most: u64) -> Arc<Notes> {
    let notes = Arc::new(Notes(Mutex::default(), AtomicU64::new(most)));
    let sink: Arc<dyn Sink> = notes.clone();
    show.writer.stream().record(&sink);
    notes
}

#[test]
fn a_sink_gets_what_is_complete_once_and_in_order() {
    let show = Show::new();
    show.segments(1);
    let notes = recorded(&show);
    assert_eq!(notes.take(), ["video0", "audio0"], "what was there before it");
    show.segments(1);
    assert_eq!(notes.take(), ["video1", "audio1"]);
    let second = recorded(&show);
    show.writer.discontinuity();
    show.segments(1);
    assert_eq!((notes.take(), second.take()), (vec![], vec!["video!2".to_owned(), "audio!2".to_owned()]));
    show.parts(1);
    show.writer.end();
    assert_eq!(second.take(), ["video3", "audio3", "end"], "the last one is cut short");
    show.writer.end();
    assert_eq!(second.take(), [""; 0]);
}

#[test]
fn what_one_sink_does_not_take_the_next_one_gets() {
    let show = Show::new();
    let first = recorded_up_to(&show, 2);
    show.segments(4);
    assert_eq!(first.take(), ["video0", "audio0", "video1", "audio1"]);
    assert_eq!(recorded(&show).take(), ["video2", "video3", "audio2", "audio3"]);
}

#[test]
fn a_sink_that_comes_after_the_end_gets_what_is_kept() {
    let show = Show::new();
    show.segments(1);
    show.writer.end();
    assert_eq!(recorded(&show).take(), ["video0", "audio0", "end"]);
}

#[test]
fn whoever_observes_a_store_hears_of_its_streams() {
    #[derive(Debug, Default)]
    struct Heard(Mutex<Vec<PublishId>>);
    impl Openings for Heard {
        fn opened(&self, stream: &Arc<Stream>) {
            self.0.lock().push(stream.session());
        }
    }
    let (store, heard) = (Store::new(Limits::default()), Arc::new(Heard::default()));
    store.observe(heard.clone());
    let id = PublishId::random();
    let _writer = store.open(name(), id, false).unwrap();
    assert_eq!(*heard.0.lock(), [id]);
}
