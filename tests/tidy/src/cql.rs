//! What no statement of the cluster's store may need: a second way to rows beside their partition.

use std::{
    fs,
    path::{Path, PathBuf},
};

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() {
            files(&path, found);
        } else if name.ends_with(".cql") || name.ends_with(".rs") {
            found.push(path);
        }
    }
}

#[test]
fn rows_are_found_by_their_partition() {
    let mut found = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/control/src"), &mut found);
    assert!(found.iter().any(|path| path.ends_with("cql/0001_begin.cql")));
    for path in found {
        let text = fs::read_to_string(&path).expect("a readable file");
        let is_cql = path.to_string_lossy().contains("cql");
        let banned: &[&str] = if is_cql {
            &["ALLOW FILTERING", "MATERIALIZED VIEW", "CREATE INDEX", "CREATE CUSTOM INDEX", "TRUNCATE", "DROP "]
        } else {
            &["ALLOW FILTERING", "MATERIALIZED VIEW"]
        };
        for word in banned {
            assert!(!text.contains(word), "{} has {word:?}", path.display());
        }
    }
}
