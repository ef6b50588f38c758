//! How many connections a node takes, by the file descriptors that its process may have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Connections of the admin listener. They have descriptors of their own.
pub const ADMIN_CONNECTIONS: usize = 32;

/// Kept back for listeners, the log and files.
const PER_PROCESS: usize = 32;

/// Kept back for the links of a worker to Redis, its event loop, and connections that wait for it. The main thread has links,
/// too: those of the feed, of Sentinels and of `/readyz`.
const PER_WORKER: usize = 64;

/// The least of these. With them a crowd at both addresses still leaves all that the node opens itself.
const LEAST_PER_WORKER: usize = 32;

/// With fewer public connections than this, a few clients fill a node.
const LOW: usize = 200;

/// The remedy for too few descriptors.
const REMEDY: &str =
    "raise the hard limit of open files (ulimit -Hn, LimitNOFILE=, ulimits: nofile) to 65536";

/// With so few descriptors, a crowd of clients would keep a node from Redis.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "the limit of open files is {descriptors}, and a node with WORKERS={workers} needs {least}; {REMEDY}"
)]
pub struct CapacityError {
    descriptors: usize,
    workers: usize,
    least: usize,
}

/// Descriptors of a process, and what is left of them for clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    pub descriptors: usize,
    /// Connections of the public listener.
    pub connections: usize,
}

impl Capacity {
    /// Raises the soft limit of this process to the hard one, and divides it.
    ///
    /// # Errors
    ///
    /// When there are too few for a node with so many workers.
    pub fn raised(workers: usize) -> Result<Self, CapacityError> {
        Self::of(raised_limit(), workers)
    }

    /// At least a quarter is for clients.
    fn of(descriptors: usize, workers: usize) -> Result<Self, CapacityError> {
        let kept = |per_worker| PER_PROCESS + ADMIN_CONNECTIONS + per_worker * (workers + 1);
        let least = kept(LEAST_PER_WORKER);
        if descriptors < least {
            return Err(CapacityError { descriptors, workers, least });
        }
        let connections = descriptors.saturating_sub(kept(PER_WORKER)).max(descriptors / 4);
        Ok(Self { descriptors, connections })
    }

    pub fn is_low(self) -> bool {
        self.connections < LOW
    }
}

impl std::fmt::Display for Capacity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { descriptors, connections } = self;
        write!(f, "up to {connections} connections of clients, of {descriptors} file descriptors")?;
        if self.is_low() {
            write!(f, "; {REMEDY}")?;
        }
        Ok(())
    }
}

/// Where the limit cannot be raised, it stays. No limit at all counts as the largest that Linux has unless told otherwise.
fn raised_limit() -> usize {
    const UNLIMITED: u64 = 1 << 20;
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    let present = if raised.is_ok() { limit.maximum } else { limit.current };
    present.unwrap_or(UNLIMITED).min(UNLIMITED) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_descriptors_are_kept_back_and_a_low_limit_is_told() {
        for (descriptors, workers, connections, is_low) in
            [(1024, 2, 768, false), (65536, 8, 64896, false), (256, 1, 64, true), (1024, 28, 256, false)]
        {
            let capacity = Capacity::of(descriptors, workers).expect("enough");
            assert_eq!((capacity.connections, capacity.is_low()), (connections, is_low), "{descriptors}");
            assert_eq!(capacity.to_string().contains("raise"), is_low);
        }
    }

    #[test]
    fn too_few_descriptors_are_an_error_that_says_how_many_are_needed() {
        assert!(Capacity::of(128, 1).is_ok());
        let error = Capacity::of(127, 1).expect_err("too few");
        let told =
            "the limit of open files is 127, and a node with WORKERS=1 needs 128; raise the hard limit";
        assert!(error.to_string().starts_with(told), "{error}");
    }
}
