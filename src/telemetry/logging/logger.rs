//! The logger of the process.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io;
use std::panic::PanicHookInfo;

use env_logger::Target;
use env_logger::fmt::Formatter;
use log::kv::ToValue;
use log::{Level, Record};

use super::backlog::Rank;
use super::log_filter::LogFilter;
use super::log_line::{self, LogFormat};
use super::targets::{LOG_TARGET, THEFT_LOG_TARGET, is_ours};
use super::writer;

/// Starts logging. The lines say, too, where the filter is likely to be a mistake.
///
/// # Errors
///
/// When the writing thread cannot be started.
pub fn start(filter: &LogFilter, format: LogFormat) -> io::Result<()> {
    writer::start()?;
    let mut logger = filter.builder();
    logger.format(hand_on).target(Target::Pipe(Box::new(io::sink())));
    if log_line::choose(format) && logger.try_init().is_ok() {
        std::panic::set_hook(Box::new(log_panic));
        for doubt in filter.doubts_at_start() {
            writer::push(
                Rank::Warning,
                log_line::formed(
                    Level::Warn,
                    LOG_TARGET,
                    format_args!("RUST_LOG: {doubt}"),
                    &[("setting", "RUST_LOG"), ("warning", doubt.as_str())].as_slice(),
                ),
            );
        }
    }
    Ok(()) // a second start in one process, as in tests, changes nothing
}

/// Hands a line to the writing thread, with its rank. Nothing is left for the logger's own output.
fn hand_on(_: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    if record.level() <= Level::Warn || is_ours(record.target()) {
        let (level, target, message) = (record.level(), record.target(), *record.args());
        let line = log_line::formed(level, target, message, record.key_values());
        writer::push(rank_of(record), line);
    }
    Ok(())
}

fn rank_of(record: &Record<'_>) -> Rank {
    match record.level() {
        _ if record.target() == THEFT_LOG_TARGET => Rank::Alarm,
        Level::Error | Level::Warn => Rank::Warning,
        Level::Info | Level::Debug | Level::Trace => Rank::Ordinary,
    }
}

/// In place of the standard hook, whose write waits for a reader. A trace has a line for each of its own.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let (text, trace) = (panic.to_string().replace('\n', " "), Backtrace::capture());
    let trace = if trace.status() == BacktraceStatus::Captured { trace.to_string() } else { String::new() };
    let location = panic.location().map(ToString::to_string);
    for line in std::iter::once(text.as_str()).chain(trace.lines()) {
        writer::push(
            Rank::Alarm,
            log_line::formed(
                Level::Error,
                "panic",
                format_args!("{line}"),
                &[("error", line.to_value()), ("location", location.to_value())].as_slice(),
            ),
        );
    }
}
