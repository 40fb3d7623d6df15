//! Entry points for `tests/fuzz`: one function a target. Nothing here may panic or take long.

use std::str::FromStr as _;

use super::{Description, Local, Offer, Profile, Source, frag::Fragment, play, publish};
use crate::{
    agreed::RtpCodec,
    transport::{Credentials, Fingerprint},
};

/// An offer, and the answers to it as a publisher's and as a viewer's: each must be readable and name the offer's
/// sections in its order.
pub fn offer(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(offer) = Offer::parse(text) else { return };
    let sources = [
        Source { codec: RtpCodec::H264, profile: Profile::H264 { idc: 0x64, constraints: 0 } },
        Source { codec: RtpCodec::Vp9, profile: Profile::Number(0) },
        Source::OPUS,
    ];
    let answers = [
        publish(&offer, &local()).map(|answer| answer.sdp).ok(),
        play(&offer, &sources, &local()).map(|answer| answer.sdp).ok(),
    ];
    for sdp in answers.into_iter().flatten() {
        let answer = Description::from_str(&sdp).expect("an answer can be read");
        let mids = |description: &Description| {
            description.sections.iter().map(|section| section.mid.clone()).collect::<Vec<_>>()
        };
        assert_eq!(mids(&answer), mids(&offer.description));
        for section in answer.sections.iter().filter(|section| !section.is_refused()) {
            let is_bundled = section.mid.as_ref().is_some_and(|mid| answer.bundle.contains(mid));
            assert!(is_bundled || offer.description.bundle.is_empty(), "{sdp}");
            assert!(!section.codecs.is_empty() && section.rtcp_mux, "{sdp}");
        }
    }
}

/// A fragment, and the answer to it.
pub fn frag(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(fragment) = Fragment::parse(text) else { return };
    let answer = Fragment::parse(&fragment.answer(&local())).expect("an answer can be read");
    assert!(answer.restarts(&Credentials { ufrag: "theirs".into(), pwd: "0123456789012345678901".into() }));
}

fn local() -> Local {
    Local {
        credentials: Credentials { ufrag: "ours".into(), pwd: "0123456789012345678901".into() },
        fingerprint: Fingerprint { algorithm: "sha-256".into(), value: "AA:BB".into() },
        candidates: [].into(),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use proptest::prelude::*;

    use super::*;

    /// The inputs of a target.
    fn corpus(target: &str) -> Vec<Vec<u8>> {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus").join(target);
        let inputs = fs::read_dir(&corpus).expect("the corpus is in the repository");
        inputs.map(|input| fs::read(input.expect("a readable entry").path()).expect("a readable input")).collect()
    }

    #[test]
    fn the_corpora_are_harmless_whole_and_cut_short() {
        for (target, run) in [("sdp_offer", offer as fn(&[u8])), ("sdp_frag", frag)] {
            let inputs = corpus(target);
            assert!(!inputs.is_empty(), "{target} has inputs");
            for input in inputs {
                run(&input);
                for end in (0..input.len()).step_by(97) {
                    run(&input[..end]);
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn real_offers_with_lines_changed_are_answered_rightly_or_refused(
            which in any::<prop::sample::Index>(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), 0..4_u8, "[ -~]{0,24}"), 1..6),
        ) {
            let inputs = corpus("sdp_offer");
            let text = String::from_utf8(inputs[which.index(inputs.len())].clone()).unwrap();
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            for (at, change, words) in changes {
                if lines.is_empty() {
                    break;
                }
                let at = at.index(lines.len());
                match change {
                    0 => drop(lines.remove(at)),
                    1 => lines.insert(at, lines[at].clone()),
                    2 => {
                        let keep = lines[at].find(':').map_or(2, |colon| colon + 1).min(lines[at].len());
                        lines[at].replace_range(keep.., &words);
                    }
                    _ => lines.insert(at, format!("a={words}")),
                }
            }
            offer(lines.join("\r\n").as_bytes());
        }

        #[test]
        fn any_text_is_read_or_refused(lines in prop::collection::vec("[a-z]=[ -~]{0,40}", 0..40)) {
            let text = format!("v=0\n{}", lines.join("\n"));
            offer(text.as_bytes());
            frag(text.as_bytes());
        }
    }
}
