//! The local stack: docker-compose.yml, the image, and Redis and nginx as `ops` configures them, started for real.

mod chains;
mod compose;
mod config;
mod edge;
mod exchange;
mod image;
mod journey;
mod limits;
mod loss;
mod nosniff;
mod parts;
mod printed;
mod restart;
mod retry;
mod stopping;
mod tools;
mod users;

use std::path::PathBuf;

/// A file of the repository.
fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

pub fn text_of(path: &str) -> String {
    std::fs::read_to_string(repository(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}
