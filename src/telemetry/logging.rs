//! Log lines on standard error: text for people, one JSON object per line for machines.
//!
//! No secret at any level. Dependencies may print anything below `info`: a driver traces its commands. So whatever
//! `RUST_LOG` says, only their lines from `warn` on are written.

mod batched;

use std::io::Write;

use env_logger::Target;
use env_logger::fmt::Formatter;
use log::{Level, LevelFilter, Record};

use self::batched::Batched;

/// How log lines look (`LOG_FORMAT`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

/// The target of access lines; `RUST_LOG=info,access=off` silences them.
pub const ACCESS: &str = "access";

/// Starts logging. `filter` is a valid `RUST_LOG`; see [`check_filter`].
pub fn start(filter: &str, format: LogFormat) {
    let mut builder = env_logger::Builder::new();
    // Its errors are malformed requests: anybody could fill the log with them.
    builder.parse_filters(filter).filter_module("actix_http::h1", LevelFilter::Off).format(
        move |out, record| {
            if !ours(record.target()) && record.level() > Level::Warn {
                return Ok(());
            }
            match format {
                LogFormat::Text => text(out, record),
                LogFormat::Json => json(out, record),
            }
        },
    );
    if let Ok(batched) = Batched::start() {
        builder.target(Target::Pipe(Box::new(batched)));
    }
    let _ = builder.try_init(); // a second start in one process, as in tests, changes nothing
}

/// Writes the waiting lines; the last act of a process.
pub fn flush() {
    batched::drain();
}

/// Whether `filter` is valid as a `RUST_LOG`.
pub fn check_filter(filter: &str) -> Result<(), String> {
    env_filter::Builder::new().try_parse(filter).map(drop).map_err(|error| error.to_string())
}

/// This crate, and those beside it.
fn ours(target: &str) -> bool {
    let name = target.split("::").next().unwrap_or_default();
    target == ACCESS || name == "token_gateway" || name.starts_with("token_gateway_")
}

fn text(out: &mut Formatter, record: &Record<'_>) -> std::io::Result<()> {
    let now = jiff::Timestamp::now();
    writeln!(out, "{now:.3} {:5} {} {}", record.level(), record.target(), record.args())
}

fn json(out: &mut Formatter, record: &Record<'_>) -> std::io::Result<()> {
    let line = serde_json::json!({
        "time": format!("{:.3}", jiff::Timestamp::now()),
        "level": record.level().as_str().to_ascii_lowercase(),
        "target": record.target(),
        "message": record.args().to_string(),
    });
    writeln!(out, "{line}")
}
