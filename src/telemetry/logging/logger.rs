//! The logger of the process.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;

use log::{Level, Log, Metadata, Record};

use super::backlog::Rank;
use super::log_filter::LogFilter;
use super::log_line::{self, LogFormat};
use super::targets::{LOG_TARGET, THEFT_LOG_TARGET, is_ours};
use super::writer;

struct Logger(env_filter::Filter);

/// Starts logging. The lines say, too, where the filter is likely to be a mistake.
///
/// # Errors
///
/// When the writing thread cannot be started.
pub fn start(filter: &LogFilter, format: LogFormat) -> std::io::Result<()> {
    writer::start()?;
    let logger = Logger(filter.build());
    let level = logger.0.filter();
    if log_line::choose(format) && log::set_boxed_logger(Box::new(logger)).is_ok() {
        log::set_max_level(level);
        std::panic::set_hook(Box::new(log_panic));
        for doubt in filter.doubts_at_start() {
            let line = log_line::formed(Level::Warn, LOG_TARGET, format_args!("RUST_LOG: {doubt}"));
            writer::push(Rank::Warning, line);
        }
    }
    Ok(()) // a second start in one process, as in tests, changes nothing
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        (metadata.level() <= Level::Warn || is_ours(metadata.target())) && self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let line = log_line::formed(record.level(), record.target(), *record.args());
            writer::push(rank_of(record), line);
        }
    }

    fn flush(&self) {}
}

fn rank_of(record: &Record<'_>) -> Rank {
    match record.level() {
        _ if record.target() == THEFT_LOG_TARGET => Rank::Alarm,
        Level::Error | Level::Warn => Rank::Warning,
        Level::Info | Level::Debug | Level::Trace => Rank::Ordinary,
    }
}

/// In place of the standard hook, whose write waits for a reader.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let (text, trace) = (panic.to_string().replace('\n', " "), Backtrace::capture());
    let trace = match trace.status() {
        BacktraceStatus::Captured => format!("\n{trace}"),
        _ => String::new(),
    };
    let line = log_line::formed(Level::Error, "panic", format_args!("{text}{trace}"));
    writer::push(Rank::Alarm, line);
}
