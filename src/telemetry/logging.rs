//! Log lines on standard error: text for people, one JSON object per line for machines.

mod lines;

use env_logger::Target;
use log::LevelFilter;

pub use self::lines::{ACCESS_LOG_TARGET, LogFormat, flush};

/// Starts logging. `filter` is a valid `RUST_LOG`; see [`check_filter`].
pub fn start(filter: &str, format: LogFormat) {
    let mut builder = env_logger::Builder::new();
    // Its errors are malformed requests: anybody could fill the log with them.
    builder.parse_filters(filter).filter_module("actix_http::h1", LevelFilter::Off);
    builder.format(lines::formatter(format));
    if let Ok(batches) = lines::Batches::start() {
        builder.target(Target::Pipe(Box::new(batches)));
    }
    let _ = builder.try_init(); // a second start in one process, as in tests, changes nothing
}

/// Whether `filter` is valid as a `RUST_LOG`.
pub fn check_filter(filter: &str) -> Result<(), String> {
    env_filter::Builder::new().try_parse(filter).map(drop).map_err(|error| error.to_string())
}
