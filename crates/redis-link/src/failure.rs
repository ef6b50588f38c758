//! The outcome of a call that failed. [`Links`](crate::Links) repeats the call, or makes it a [`LinkError`].

use deadpool::managed::{PoolError, TimeoutType};
use redis::RedisError;

use crate::address::Address;
use crate::sent::Sent;
use crate::wire::describe;
use crate::{Call, ErrorReply, LinkError};

/// Why a call failed. Callers of the crate never see it.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The connection is gone; the call may or may not have been carried out.
    Lost(String),
    /// The server is no primary any more, or lacks the replicas it must have.
    Demoted(String),
    /// Another server serves this slot.
    Moved(Address),
    /// The slot is on the move, and the key has arrived there.
    Ask(Address),
    /// The slot is on the move, and some keys are here and some there.
    TryAgain(String),
    /// The server refuses this call, and every repetition of it.
    Replied(ErrorReply),
    Final(LinkError),
}

impl Failure {
    /// The meaning of an error reply of `server`; `call` where a script was called.
    pub fn of(error: &RedisError, server: &Address, call: Option<&Call>) -> Self {
        let description = describe(error);
        let redirected = error.redirect_node().and_then(|(node, _slot)| redirected(node, server));
        match (error.code(), redirected) {
            (Some("MOVED"), Some(address)) => Self::Moved(address),
            (Some("ASK"), Some(address)) => Self::Ask(address),
            (Some("TRYAGAIN"), _) => Self::TryAgain(description),
            // A script has asked for a key that has left already, while its slot moves.
            (Some("ERR"), _) if error.to_string().contains("non local key") => Self::TryAgain(description),
            (Some("READONLY" | "NOREPLICAS" | "MASTERDOWN"), _) => Self::Demoted(description),
            (None, _) => Self::Lost(description),
            (Some(_), _) => ErrorReply::of(error, |text| {
                call.map_or_else(Sent::default, |call| call.sent("EVALSHA", text))
            })
            .map_or_else(|| Self::Final(LinkError::Unavailable(description)), Self::Replied),
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
            Self::Lost(cause) | Self::Demoted(cause) | Self::TryAgain(cause) => LinkError::Unavailable(cause),
            Self::Moved(address) | Self::Ask(address) => {
                LinkError::Unavailable(format!("redirected too often, last to {address}"))
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
            other => LinkError::Unavailable(other.to_string()),
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
