//! The whole server with real clients: see `tests/e2e/main.rs`.
