//! Whether calls and connections fail at present, for a process that logs its outages.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::LinkError;
use crate::address::Address;

/// The last failure of the calls and the connections of a process. All its links share it.
#[derive(Debug, Default)]
pub struct LinkHealth {
    last: Mutex<Option<(Instant, LinkError)>>,
    /// No call has succeeded since the last failure.
    is_failing: AtomicBool,
    /// The servers of the last connections, the latest at the end.
    connected: Mutex<Vec<Address>>,
}

impl LinkHealth {
    /// A call or a connection has failed.
    pub(crate) fn failed(&self, error: &LinkError) {
        *self.lock() = Some((Instant::now(), error.clone()));
        self.is_failing.store(true, Ordering::Release);
    }

    /// A call has succeeded.
    pub(crate) fn succeeded(&self) {
        if self.is_failing.load(Ordering::Relaxed) {
            self.is_failing.store(false, Ordering::Release);
        }
    }

    /// A link leads to a server. The log has one line per server, and one after each failover, whatever the number of
    /// links. `is_alone` where every link leads to the same server.
    pub(crate) fn connected(&self, address: &Address, is_alone: bool) {
        let mut connected = self.connected.lock().expect("no panic while it is held");
        if connected.contains(address) {
            return;
        }
        if is_alone {
            connected.clear();
        }
        connected.push(address.clone());
        log::info!(address:%; "connected to Redis at {address}");
    }

    /// A Cluster has these primaries now: one that comes back gets a line again.
    pub(crate) fn keep_connected(&self, primaries: &[Address]) {
        let mut connected = self.connected.lock().expect("no panic while it is held");
        connected.retain(|address| primaries.contains(address));
    }

    /// The last failure, where it came within this time.
    pub fn failure_within(&self, limit: Duration) -> Option<LinkError> {
        let last = self.lock();
        let (at, error) = last.as_ref()?;
        (at.elapsed() < limit).then(|| error.clone())
    }

    /// Whether no call has succeeded since the last failure.
    pub fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Acquire)
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Instant, LinkError)>> {
        self.last.lock().expect("no panic while it is held")
    }
}
