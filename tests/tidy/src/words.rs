//! What must not stand in the sources: work left for later, and tests that are switched off.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Every Rust source below `folder`.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target" && name != "node_modules") {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn nothing_is_left_for_later_and_no_test_is_switched_off() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut found = Vec::new();
    for folder in ["crates", "bench", "tests"] {
        sources(&root.join(folder), &mut found);
    }
    // Spelled apart, so that this file does not find itself.
    let banned = [["TO", "DO"], ["FIX", "ME"], ["#[ign", "ore"], ["todo", "!("]].map(|halves| halves.concat());
    for path in found {
        let text = fs::read_to_string(&path).expect("a readable source");
        for word in &banned {
            assert!(!text.contains(word.as_str()), "{} has {word:?}", path.display());
        }
    }
}
