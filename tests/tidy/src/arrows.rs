//! The allowed arrows between crates, and the one owner of each heavy library.

use std::{collections::BTreeSet, fs, path::PathBuf};

/// Who may use whom. Siblings (ingest, packager, edge, chat, control) never import each other; only the server sees all.
const ARROWS: &[(&str, &[&str])] = &[
    ("identity", &[]),
    ("supervise", &[]),
    ("redis", &[]),
    ("worker", &[]),
    ("pictures", &["worker"]),
    ("media", &["identity"]),
    ("hls", &["media", "identity"]),
    ("peer", &["media", "identity"]),
    ("ingest", &["peer", "media", "identity", "supervise"]),
    ("packager", &["hls", "media", "identity", "supervise", "worker"]),
    ("edge", &["hls", "peer", "media", "identity", "supervise"]),
    ("chat", &["identity", "redis"]),
    ("control", &["identity", "redis"]),
    (
        "server",
        &[
            "identity",
            "supervise",
            "redis",
            "worker",
            "pictures",
            "media",
            "hls",
            "peer",
            "ingest",
            "packager",
            "edge",
            "chat",
            "control",
        ],
    ),
];

/// Libraries that only one crate may name, so that their types stay home.
const OWNERS: &[(&str, &str)] = &[
    ("gst", "packager"),
    ("gst-plugin-fmp4", "packager"),
    ("rtc", "peer"),
    ("quinn-udp", "peer"),
    ("jsonwebtoken", "identity"),
    ("rml_rtmp", "ingest"),
    ("rml_amf0", "ingest"),
    ("tungstenite", "chat"),
    ("rusqlite", "control"),
    ("scylla", "control"),
    ("argon2", "control"),
    ("openidconnect", "control"),
    ("reqwest", "control"),
    ("metrics-exporter-prometheus", "server"),
    ("clap", "server"),
    ("image", "pictures"),
    ("png", "pictures"),
];

fn crates() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../crates")
}

/// The names in a crate's `[dependencies]`; what only its tests use is its own affair.
fn dependencies(krate: &str) -> BTreeSet<String> {
    let path = crates().join(krate).join("Cargo.toml");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let manifest: toml::Table = text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    manifest["dependencies"].as_table().expect("a table").keys().cloned().collect()
}

#[test]
fn every_crate_has_its_row() {
    let rows: BTreeSet<String> = ARROWS.iter().map(|(krate, _)| (*krate).to_owned()).collect();
    let found: BTreeSet<String> = fs::read_dir(crates())
        .expect("crates/ is there")
        .map(|entry| entry.expect("a readable entry").file_name().into_string().expect("a name in UTF-8"))
        .collect();
    assert_eq!(found, rows);
}

#[test]
fn crates_use_only_whom_they_may() {
    for (krate, allowed) in ARROWS {
        for name in dependencies(krate) {
            if let Some(used) = name.strip_prefix("weir-") {
                assert!(allowed.contains(&used), "{krate} must not use {used}; see ARCHITECTURE.md");
            }
        }
    }
}

#[test]
fn heavy_libraries_have_one_owner() {
    for (krate, _) in ARROWS {
        let used = dependencies(krate);
        for (library, owner) in OWNERS {
            assert!(!used.contains(*library) || krate == owner, "only {owner} may use {library}, not {krate}");
        }
    }
}
