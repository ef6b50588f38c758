//! The outcome of a call that failed. [`Links`](crate::Links) repeats the call, or makes it a [`LinkError`].

use std::sync::Arc;

use deadpool::managed::{PoolError, TimeoutType};
use redis::RedisError;

use crate::address::Address;
use crate::sent::Sent;
use crate::server::Server;
use crate::{Call, Diagnosis, ErrorReply, LinkError};

/// Why a call failed. Callers of the crate never see it.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The connection is gone; the call may or may not have been carried out.
    Lost(Diagnosis),
    /// The server is no primary any more, or lacks the replicas it must have.
    Demoted(Diagnosis),
    /// Another server serves this slot.
    Moved(Redirection),
    /// The slot is on the move, and the key has arrived there.
    Ask(Redirection),
    /// The slot is on the move, and some keys are here and some there.
    TryAgain(Diagnosis),
    /// The server refuses this call, and every repetition of it.
    Replied(ErrorReply),
    Final(LinkError),
}

/// A server leads to another one.
#[derive(Debug, Clone)]
pub(crate) struct Redirection {
    pub to: Address,
    pub by: Arc<Server>,
}

impl Failure {
    /// The meaning of an error reply of `server`; `call` where a script was called.
    pub fn of(error: &RedisError, server: &Arc<Server>, call: Option<&Call>) -> Self {
        let diagnosis = || Diagnosis::of(error, server);
        let redirected = error.redirect_node().and_then(|(node, _slot)| redirected(node, &server.address));
        let redirected = redirected.map(|to| Redirection { to, by: server.clone() });
        match (error.code(), redirected) {
            (Some("MOVED"), Some(redirection)) => Self::Moved(redirection),
            (Some("ASK"), Some(redirection)) => Self::Ask(redirection),
            (Some("TRYAGAIN"), _) => Self::TryAgain(diagnosis()),
            // A script has asked for a key that has left already, while its slot moves.
            (Some("ERR"), _) if error.to_string().contains("non local key") => Self::TryAgain(diagnosis()),
            (Some("READONLY" | "NOREPLICAS" | "MASTERDOWN"), _) => Self::Demoted(diagnosis()),
            (None, _) => Self::Lost(diagnosis()),
            (Some(_), _) => ErrorReply::of(error, server, |text| {
                call.map_or_else(Sent::default, |call| call.sent("EVALSHA", text))
            })
            .map_or_else(|| Self::Final(diagnosis().into()), Self::Replied),
        }
    }

    pub fn is_final(&self) -> bool {
        matches!(self, Self::Final(_) | Self::Replied(_))
    }

    pub fn is_lost(&self) -> bool {
        matches!(self, Self::Lost(_) | Self::Demoted(_))
    }

    pub fn into_error(self) -> LinkError {
        match self {
            Self::Lost(diagnosis) | Self::Demoted(diagnosis) | Self::TryAgain(diagnosis) => diagnosis.into(),
            Self::Moved(Redirection { to, by }) | Self::Ask(Redirection { to, by }) => {
                let cause = format!("redirected once too often, to {to}");
                Diagnosis::new(by, cause, "look at the slots with redis-cli --cluster check").into()
            }
            Self::Replied(reply) if reply.is_of_record() => LinkError::Corrupt(reply.to_string()),
            Self::Replied(reply) => LinkError::Replied(reply),
            Self::Final(error) => error,
        }
    }
}

impl From<PoolError<LinkError>> for Failure {
    fn from(error: PoolError<LinkError>) -> Self {
        Self::Final(match error {
            PoolError::Timeout(TimeoutType::Wait) => LinkError::Overloaded,
            PoolError::Backend(error) => error,
            other => Diagnosis::new(None, other.to_string(), "start the node again").into(),
        })
    }
}

/// `host:port`, or `:port` on the same host.
fn redirected(node: &str, server: &Address) -> Option<Address> {
    let (host, port) = node.rsplit_once(':')?;
    let host = if host.is_empty() { &server.host } else { host };
    Some(Address { host: host.to_owned(), port: port.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirection_leads_to_the_server_that_it_names() {
        let server = Address { host: "10.0.0.1".to_owned(), port: 7000 };
        for (node, host) in [("10.0.0.2:7001", "10.0.0.2"), (":7001", "10.0.0.1"), ("::1:7001", "::1")] {
            assert_eq!(redirected(node, &server), Some(Address { host: host.to_owned(), port: 7001 }));
        }
        assert_eq!(redirected("nowhere", &server), None);
    }
}
