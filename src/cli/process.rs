//! The process of a command: its runtime and its log.

use crate::config::Flags;
use crate::telemetry::logging;

/// Runs a future on a runtime; the client of Redis needs one.
pub fn on_runtime<T>(part: impl Future<Output = T>) -> T {
    actix_web::rt::System::new().block_on(part)
}

pub fn start_logging(flags: &Flags) {
    let (filter, format) = flags.log();
    logging::start(filter, format);
}

/// Log lines are written in batches. The rest is written when `body` ends, even by a panic.
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
