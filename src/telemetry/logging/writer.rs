//! The way of lines to standard error. One thread writes, and it alone waits for a reader.
//!
//! Lines go out in batches: one system call per line would cost more than the logged request.

use std::io::{ErrorKind, Write, stderr};
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use log::Level;
use log::kv::ToValue;
use prometheus_client::metrics::counter::Counter;

use super::backlog::{Backlog, Batch, Dropped, Rank};
use super::log_line;
use super::targets::LOG_TARGET;

/// How long a line may wait for others. A process that is killed loses no more than this.
const LOG_BATCH: Duration = Duration::from_millis(5);

/// Time between two tries, where standard error cannot be written: its reader is gone, or the disk is full.
const WRITE_PAUSE: Duration = Duration::from_millis(200);

/// The longest that the end of a process waits for its last lines.
const FLUSH_LIMIT: Duration = Duration::from_secs(1);

/// On a busy machine the writing thread may run late. That is no reader's fault, and has this limit of its own.
const THREAD_LIMIT: Duration = Duration::from_secs(5);

static DROPPED_LINES: LazyLock<Counter> = LazyLock::new(Counter::default);

static WRITER: LazyLock<Writer> = LazyLock::new(Writer::default);

#[derive(Default)]
struct Writer {
    state: Mutex<State>,
    arrived: Condvar,
    /// A batch was taken, or written.
    progress: Condvar,
}

#[derive(Default)]
struct State {
    backlog: Backlog,
    has_thread: bool,
    /// Whether a batch is with the thread.
    is_writing: bool,
}

/// The count of dropped lines, for the metrics.
pub fn dropped_lines() -> Counter {
    DROPPED_LINES.clone()
}

/// Starts the writing thread, if there is none.
pub(super) fn start() -> std::io::Result<()> {
    let mut state = lock();
    if !state.has_thread {
        thread::Builder::new().name("log".to_owned()).spawn(write_on)?;
        state.has_thread = true;
    }
    Ok(())
}

/// Hands a line to the writing thread, and never waits for it.
pub(super) fn push(rank: Rank, line: String) {
    let mut state = lock();
    if state.backlog.is_empty() {
        WRITER.arrived.notify_one();
    }
    let dropped = state.backlog.push(rank, line);
    if dropped > 0 {
        DROPPED_LINES.inc_by(dropped);
    }
}

/// A text for people as it stands, such as the error that ends the process. [`flush`] sees it out.
pub fn say(text: String) {
    match start() {
        Ok(()) => push(Rank::Alarm, text),
        Err(_) => drop(stderr().write_all(text.as_bytes())), // without threads, only this way is left
    }
}

/// Waits until the lines are written, and no longer than `FLUSH_LIMIT` for a reader; the last act of a process.
pub fn flush() {
    let is_late = |state: &mut State| !state.is_writing && !state.backlog.is_empty();
    drop(WRITER.progress.wait_timeout_while(lock(), THREAD_LIMIT, is_late));
    let waits = |state: &mut State| state.is_writing || !state.backlog.is_empty();
    drop(WRITER.progress.wait_timeout_while(lock(), FLUSH_LIMIT, waits));
}

fn lock() -> MutexGuard<'static, State> {
    WRITER.state.lock().expect("nobody panics while lines wait")
}

fn write_on() {
    loop {
        drop(WRITER.arrived.wait_while(lock(), |state| state.backlog.is_empty()));
        thread::sleep(LOG_BATCH);
        let (batch, dropped) = take();
        write_all(text_of(batch, dropped).as_bytes());
        lock().is_writing = false;
        WRITER.progress.notify_all();
    }
}

fn take() -> (Batch, Option<Dropped>) {
    let mut state = lock();
    state.is_writing = true;
    WRITER.progress.notify_all();
    state.backlog.take()
}

/// The lines, and below them the number of those that were dropped.
fn text_of(batch: Batch, dropped: Option<Dropped>) -> String {
    let mut text = batch.into_text();
    if let Some(Dropped { lines, alarms, since }) = dropped {
        let among = if alarms > 0 { format!(", {alarms} alarms among them") } else { String::new() };
        let since = format!("{since:.3}");
        text += &log_line::formed(
            Level::Warn,
            LOG_TARGET,
            format_args!(
                "{lines} log lines dropped since {since}{among}: standard error was not read in time"
            ),
            &[("lines", lines.to_value()), ("alarms", alarms.to_value()), ("since", since.to_value())]
                .as_slice(),
        );
    }
    text
}

/// Writes all of it, and waits as long as that takes.
fn write_all(text: &[u8]) {
    let mut done = 0;
    while done < text.len() {
        match stderr().write(&text[done..]) {
            Ok(written @ 1..) => done += written,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                // The former reader took the beginning of the line along.
                done = text[..done].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
                thread::sleep(WRITE_PAUSE);
            }
            Ok(0) | Err(_) => thread::sleep(WRITE_PAUSE),
        }
    }
}
