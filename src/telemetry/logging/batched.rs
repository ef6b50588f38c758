//! Log lines go to standard error in batches: a system call each would cost more than what they tell about.

use std::io::Write;
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// How long a line may wait for others. A process that is killed loses no more than this.
const BATCH: Duration = Duration::from_millis(5);

/// Bytes that may wait; where nobody reads standard error, whoever logs more waits too.
const MOST: usize = 1 << 20;

static LINES: Lines =
    Lines { waiting: Mutex::new(Vec::new()), arrived: Condvar::new(), output: Mutex::new(()) };

struct Lines {
    waiting: Mutex<Vec<u8>>,
    arrived: Condvar,
    /// Held while lines are written, so that batches keep their order.
    output: Mutex<()>,
}

/// Where the logger writes to. Starts the thread that writes on.
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
        if waiting.len() > MOST {
            drop(waiting);
            drain();
        }
        Ok(line.len())
    }

    /// Nothing: the logger flushes after each line.
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn write_on() {
    loop {
        let waiting = LINES.waiting.lock().expect("nobody panics while lines wait");
        drop(LINES.arrived.wait_while(waiting, |waiting| waiting.is_empty()));
        thread::sleep(BATCH);
        drain();
    }
}

/// Writes what waits. Errors are not reported: there is nowhere to report them to.
pub(super) fn drain() {
    let _output = LINES.output.lock();
    let lines = std::mem::take(&mut *LINES.waiting.lock().expect("nobody panics while lines wait"));
    let _ = std::io::stderr().write_all(&lines);
}
