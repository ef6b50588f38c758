//! A server as errors name it.

use std::fmt;

use crate::address::Address;
use crate::role::Role;

/// A server: its address, and the server that gave the address where `REDIS_URL` does not name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Where it was tried.
    pub address: Address,
    pub(crate) role: Role,
    pub(crate) over_tls: bool,
    pub(crate) announcer: Option<Announcer>,
}

/// The server that gave an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Announcer {
    /// A Sentinel, for the primary of this master name.
    Sentinel(Address, String),
    /// A server of a Cluster.
    Cluster(Address),
}

impl Server {
    /// The same server, by an address that another one gave. The settings name a server that gave its own.
    pub(crate) fn announced(mut self, announcer: Option<Announcer>) -> Self {
        let itself = Announcer::Cluster(self.address.clone());
        self.announcer = announcer.filter(|announcer| *announcer != itself);
        self
    }

    /// The settings with the user and the password for it.
    pub(crate) fn login_settings(&self) -> &'static str {
        match self.role {
            Role::Data => "REDIS_URL",
            Role::Sentinel => "REDIS_SENTINEL_USERNAME and REDIS_SENTINEL_PASSWORD",
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.role {
            Role::Data => write!(f, "Redis at {}", self.address)?,
            Role::Sentinel => write!(f, "the Sentinel at {}", self.address)?,
        }
        match &self.announcer {
            None => Ok(()),
            Some(Announcer::Sentinel(address, name)) => {
                write!(f, ", announced by the Sentinel at {address} as the primary of '{name}',")
            }
            Some(Announcer::Cluster(address)) => {
                write!(f, ", announced by the Cluster's server at {address},")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_with_the_server_that_announced_it() {
        let at = |port| Address { host: "::1".to_owned(), port };
        let server = Server { address: at(1), role: Role::Data, over_tls: false, announcer: None };
        assert_eq!(server.to_string(), "Redis at [::1]:1");
        for (announcer, said) in [
            (Announcer::Cluster(at(1)), "Redis at [::1]:1"),
            (Announcer::Cluster(at(2)), "Redis at [::1]:1, announced by the Cluster's server at [::1]:2,"),
            (
                Announcer::Sentinel(at(1), "main".to_owned()),
                "Redis at [::1]:1, announced by the Sentinel at [::1]:1 as the primary of 'main',",
            ),
        ] {
            assert_eq!(server.clone().announced(Some(announcer)).to_string(), said);
        }
    }
}
