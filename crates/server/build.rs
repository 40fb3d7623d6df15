//! Refuses to build without the pages, which are embedded.

use std::path::Path;

fn main() {
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/dist");
    println!("cargo:rerun-if-changed={}", pages.display());
    if !pages.join("index.html").exists() {
        println!("cargo:error=the pages are not built: run `make web` (or `cd web && npm ci && npm run build`) first");
        std::process::exit(1);
    }
}
