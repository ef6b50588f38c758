//! The lines of the log: their form, and their way to standard error.
//!
//! - No secret at any level. Dependencies may print anything below `info`: a driver traces its commands. So whatever
//!   `RUST_LOG` says, only their lines from `warn` on are written.
//! - Lines go out in batches: one system call per line would cost more than the logged request.

use std::io::Write;
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::Duration;

use env_logger::fmt::Formatter;
use log::{Level, Record};
use token_gateway_core::ascii_json::to_ascii_json;

/// How log lines look (`LOG_FORMAT`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

/// The target of access lines; `RUST_LOG=info,access=off` silences them.
pub const ACCESS_LOG_TARGET: &str = "access";

/// How long a line may wait for others. A process that is killed loses no more than this.
const LOG_BATCH: Duration = Duration::from_millis(5);

/// Bytes that may wait. Beyond this, logging threads wait, too, until standard error is read.
const LOG_BACKLOG_LEN: usize = 1 << 20;

/// The form of each line.
pub(super) fn formatter(format: LogFormat) -> impl Fn(&mut Formatter, &Record<'_>) -> std::io::Result<()> {
    move |out, record| {
        if !ours(record.target()) && record.level() > Level::Warn {
            return Ok(());
        }
        match format {
            LogFormat::Text => text(out, record),
            LogFormat::Json => json(out, record),
        }
    }
}

/// This crate, and those beside it.
fn ours(target: &str) -> bool {
    let name = target.split("::").next().unwrap_or_default();
    target == ACCESS_LOG_TARGET || name == "token_gateway" || name.starts_with("token_gateway_")
}

fn text(out: &mut Formatter, record: &Record<'_>) -> std::io::Result<()> {
    let now = jiff::Timestamp::now();
    let message = one_line(&record.args().to_string());
    writeln!(out, "{now:.3} {:5} {} {message}", record.level(), record.target())
}

/// A text with its control characters and all that Unicode takes for the end of a line spelled out.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

fn json(out: &mut Formatter, record: &Record<'_>) -> std::io::Result<()> {
    let line = serde_json::json!({
        "time": format!("{:.3}", jiff::Timestamp::now()),
        "level": record.level().as_str().to_ascii_lowercase(),
        "target": record.target(),
        "message": record.args().to_string(),
    });
    writeln!(out, "{}", to_ascii_json(&line))
}

static LOG_LINES: Lines =
    Lines { waiting: Mutex::new(Vec::new()), arrived: Condvar::new(), output: Mutex::new(()) };

struct Lines {
    waiting: Mutex<Vec<u8>>,
    arrived: Condvar,
    /// Held while lines are written, so that batches keep their order.
    output: Mutex<()>,
}

/// The output of the logger. Starts the writing thread.
pub(super) struct Batches(());

impl Batches {
    pub(super) fn start() -> std::io::Result<Self> {
        thread::Builder::new().name("log".to_owned()).spawn(write_on)?;
        Ok(Self(()))
    }
}

impl Write for Batches {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let mut waiting = LOG_LINES.waiting.lock().expect("nobody panics while lines wait");
        if waiting.is_empty() {
            LOG_LINES.arrived.notify_one();
        }
        waiting.extend_from_slice(line);
        if waiting.len() > LOG_BACKLOG_LEN {
            drop(waiting);
            flush();
        }
        Ok(line.len())
    }

    /// Does nothing: the logger calls it after each line.
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn write_on() {
    loop {
        let waiting = LOG_LINES.waiting.lock().expect("nobody panics while lines wait");
        drop(LOG_LINES.arrived.wait_while(waiting, |waiting| waiting.is_empty()));
        thread::sleep(LOG_BATCH);
        flush();
    }
}

/// Writes the waiting lines; the last act of a process. Errors are not reported: there is nowhere to report them to.
pub fn flush() {
    let _output = LOG_LINES.output.lock();
    let lines = std::mem::take(&mut *LOG_LINES.waiting.lock().expect("nobody panics while lines wait"));
    let _ = std::io::stderr().write_all(&lines);
}
