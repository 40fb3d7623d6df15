//! Entry points for `tests/fuzz`: one function a target. Nothing here may panic or take long.

use crate::{
    filter::{Filter, Verdict, list},
    socket::frame::{Incoming, Reader, Violation},
    wire::inbound,
};

/// Longest text that the reader of the targets takes, in bytes.
const TEXT_BYTES_MAX: usize = 4_096;

/// What a client sends: the first byte says how it is cut. However that is, the same is read.
///
/// # Panics
/// When it is not: that is what fuzzing looks for.
pub fn frames(data: &[u8]) {
    let Some((cut, data)) = data.split_first() else { return };
    let whole = read(data, data.len().max(1));
    let parts = read(data, usize::from(*cut).max(1));
    assert_eq!(whole, parts);
    for incoming in whole.0 {
        if let Incoming::Text(text) = incoming {
            assert!(text.len() <= TEXT_BYTES_MAX);
            let _ = inbound::read(&text);
        }
    }
}

fn read(data: &[u8], cut: usize) -> (Vec<Incoming>, Option<Violation>) {
    let mut reader = Reader::new(TEXT_BYTES_MAX);
    let mut all = Vec::new();
    for part in data.chunks(cut) {
        reader.feed(part);
        loop {
            match reader.next() {
                Ok(Some(incoming)) => all.push(incoming),
                Ok(None) => break,
                Err(violation) => return (all, Some(violation)),
            }
        }
    }
    (all, None)
}

/// A list of words and, behind an empty line, what somebody says. What is masked says nothing that is still to be masked.
pub fn words(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (words, said) = text.split_once("\n\n").unwrap_or(("mask:silly\n*bad*", text));
    let Ok(filter) = Filter::new(&list::parse(words)) else { return };
    if let Verdict::Masked(masked) = filter.judge(said) {
        let _ = filter.judge(&masked);
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use proptest::prelude::*;

    use super::*;

    /// Runs a target on every input of its corpus, and on each of them cut short.
    fn replay(target: &str, run: fn(&[u8])) {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus").join(target);
        let inputs: Vec<_> = fs::read_dir(&corpus).expect("the corpus is in the repository").collect();
        assert!(!inputs.is_empty(), "{} has inputs", corpus.display());
        for input in inputs {
            let data = fs::read(input.unwrap().path()).unwrap();
            for end in (0..data.len()).step_by(1 + data.len() / 200).chain([data.len()]) {
                run(&data[..end]);
            }
        }
    }

    #[test]
    fn what_fuzzing_began_with_does_no_harm() {
        replay("chat_frames", frames);
        replay("chat_words", words);
    }

    proptest! {
        #[test]
        fn nothing_that_comes_does_harm(data in prop::collection::vec(any::<u8>(), 0..300), text in ".{0,60}\n\n.{0,60}") {
            frames(&data);
            words(&data);
            words(text.as_bytes());
        }
    }
}
