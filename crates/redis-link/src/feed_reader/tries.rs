//! The tries of a reader whose partition cannot be read: the pauses between them.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use token_gateway_core::feed::timing;

use super::feed_log::FeedLog;
use crate::LinkError;

/// The tries of one partition.
pub struct Tries<'a> {
    log: &'a FeedLog,
    number: usize,
    key: &'a str,
    /// Between tries that may help at any moment.
    pauses: ExponentialBackoff,
    /// While Redis refuses: somebody must mend something first.
    refused_pauses: ExponentialBackoff,
}

impl<'a> Tries<'a> {
    pub fn new(log: &'a FeedLog, number: usize, key: &'a str) -> Self {
        let (pauses, refused_pauses) =
            (pauses(timing::LONGEST_READER_PAUSE), pauses(timing::LONGEST_REFUSED_PAUSE));
        Self { log, number, key, pauses, refused_pauses }
    }

    /// A try has failed; returns the pause before the next one. `was_open` where it got as far as a
    /// connection.
    pub fn failed(&mut self, error: &LinkError, was_open: bool) -> Duration {
        let is_of_feed = was_open && matches!(error, LinkError::Replied(_));
        self.log.failed(self.number, self.key, error, is_of_feed);
        if !error.is_lasting() {
            self.refused_pauses = pauses(timing::LONGEST_REFUSED_PAUSE);
        }
        let pauses = if error.is_lasting() { &mut self.refused_pauses } else { &mut self.pauses };
        pauses.next().expect("the backoff never ends")
    }

    /// The partition was read up to its end.
    pub fn succeeded(&mut self) {
        if self.log.succeeded(self.number, self.key) {
            *self = Self::new(self.log, self.number, self.key);
        }
    }
}

/// Each pause is up to twice as long by its jitter.
fn pauses(longest: Duration) -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(timing::FIRST_RECONNECT_PAUSE)
        .with_max_delay(longest / 2)
        .with_jitter()
        .without_max_times()
        .build()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use redis::{ErrorKind, RedisError, ServerErrorKind};

    use super::*;
    use crate::address::Address;
    use crate::role::Role;
    use crate::server::Server;
    use crate::{Diagnosis, unavailable};

    fn answer(kind: ServerErrorKind) -> LinkError {
        let error = RedisError::from((ErrorKind::Server(kind), "an answer"));
        let address = Address { host: "one".to_owned(), port: 1 };
        unavailable(&error, &Arc::new(Server { address, role: Role::Data, over_tls: false, announcer: None }))
    }

    fn refused_connection() -> LinkError {
        Diagnosis::new(None, "Connection refused", "start it").into()
    }

    fn pauses_after(errors: &[&LinkError]) -> Vec<Duration> {
        let log = FeedLog::new(true);
        let mut tries = Tries::new(&log, 0, "tg:revocations");
        errors.iter().map(|error| tries.failed(error, true)).collect()
    }

    #[test]
    fn what_passes_by_itself_is_tried_again_within_a_second_however_long_it_lasts() {
        use ServerErrorKind::{BusyLoading, ClusterDown, MasterDown, Moved, ReadOnly, TryAgain};
        let mut errors: Vec<_> =
            [BusyLoading, ClusterDown, MasterDown, Moved, ReadOnly, TryAgain].map(answer).into();
        errors.push(refused_connection());
        errors.push(LinkError::Overloaded);
        for error in errors {
            let pauses = pauses_after(&[&error; 200]);
            assert!(pauses.iter().all(|pause| *pause <= Duration::from_secs(1)), "{error}");
            let distinct: std::collections::BTreeSet<_> = pauses[150..].iter().collect();
            assert!(distinct.len() > 10, "the pauses of many readers are spread: {error}");
        }
    }

    #[test]
    fn what_redis_refuses_is_tried_less_and_less_up_to_every_thirty_seconds() {
        for kind in [ServerErrorKind::NoPerm, ServerErrorKind::ResponseError] {
            let pauses = pauses_after(&[&answer(kind); 40]);
            assert!(pauses.iter().all(|pause| *pause <= Duration::from_secs(30)), "{pauses:?}");
            assert!(pauses[20..].iter().all(|pause| *pause >= Duration::from_secs(15)), "{pauses:?}");
            let first_tries: Duration = pauses[..8].iter().sum();
            assert!(first_tries > Duration::from_secs(5), "{pauses:?}");
        }
    }

    #[test]
    fn a_failure_of_another_kind_begins_with_its_own_pauses() {
        let (refused, gone) = (answer(ServerErrorKind::NoPerm), refused_connection());
        let mut errors = vec![&refused; 30];
        errors.extend([&gone, &refused]);
        let pauses = pauses_after(&errors);
        assert!(pauses[29] >= Duration::from_secs(15) && pauses[30] <= Duration::from_secs(1));
        assert!(pauses[31] <= Duration::from_secs(1), "{pauses:?}");
    }
}
