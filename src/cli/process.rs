//! The process of a command: its runtime and its log.

use anyhow::{Context, Result};

use crate::config::Flags;
use crate::telemetry::logging;

/// Runs a future on a runtime; the client of Redis needs one.
pub fn on_runtime<T>(part: impl Future<Output = T>) -> T {
    actix_web::rt::System::new().block_on(part)
}

pub fn start_logging(flags: &Flags) -> Result<()> {
    let (filter, format) = flags.log();
    logging::start(filter, format).context("the thread that writes the log cannot be started")
}

/// Log lines are written in batches. The rest is written when `body` ends, even by a panic, or lost after a second without
/// a reader.
pub fn flushed<T>(body: impl FnOnce() -> T) -> T {
    struct Flush;
    impl Drop for Flush {
        fn drop(&mut self) {
            logging::flush();
        }
    }
    let _flush = Flush;
    body()
}
