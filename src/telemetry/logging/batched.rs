//! Log lines go to standard error in batches: one system call per line would cost more than the logged request.

use std::io::Write;
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// How long a line may wait for others. A process that is killed loses no more than this.
const LOG_BATCH: Duration = Duration::from_millis(5);

/// Bytes that may wait. Beyond this, logging threads wait, too, until standard error is read.
const LOG_BACKLOG_LEN: usize = 1 << 20;

static LINES: Lines =
    Lines { waiting: Mutex::new(Vec::new()), arrived: Condvar::new(), output: Mutex::new(()) };

struct Lines {
    waiting: Mutex<Vec<u8>>,
    arrived: Condvar,
    /// Held while lines are written, so that batches keep their order.
    output: Mutex<()>,
}

/// The output of the logger. Starts the writing thread.
pub(super) struct Batched(());

impl Batched {
    pub(super) fn start() -> std::io::Result<Self> {
        thread::Builder::new().name("log".to_owned()).spawn(write_on)?;
        Ok(Self(()))
    }
}

impl Write for Batched {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let mut waiting = LINES.waiting.lock().expect("nobody panics while lines wait");
        if waiting.is_empty() {
            LINES.arrived.notify_one();
        }
        waiting.extend_from_slice(line);
        if waiting.len() > LOG_BACKLOG_LEN {
            drop(waiting);
            drain();
        }
        Ok(line.len())
    }

    /// Does nothing: the logger flushes after each line.
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn write_on() {
    loop {
        let waiting = LINES.waiting.lock().expect("nobody panics while lines wait");
        drop(LINES.arrived.wait_while(waiting, |waiting| waiting.is_empty()));
        thread::sleep(LOG_BATCH);
        drain();
    }
}

/// Writes the waiting lines. Errors are not reported: there is nowhere to report them to.
pub(super) fn drain() {
    let _output = LINES.output.lock();
    let lines = std::mem::take(&mut *LINES.waiting.lock().expect("nobody panics while lines wait"));
    let _ = std::io::stderr().write_all(&lines);
}
