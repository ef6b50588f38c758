//! One hostile client, and what it knows about the node.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use super::tally::Tally;
use super::wire::Wire;

/// The victim.
#[derive(Clone, Default)]
pub struct Target {
    /// Addresses of nodes; the clients are dealt out to them in turn.
    pub nodes: Vec<String>,
    /// Loopback addresses from which the clients come, in turn; the system's choice if empty.
    pub sources: Vec<IpAddr>,
    /// Access tokens of accounts under the attackers' control.
    pub access: Vec<String>,
    /// An account with as many sessions as it may have.
    pub subject: String,
}

pub struct Client {
    number: usize,
    target: Arc<Target>,
    pub tally: Arc<Tally>,
}

impl Client {
    pub fn new(number: usize, target: Arc<Target>, tally: Arc<Tally>) -> Self {
        Self { number, target, tally }
    }

    pub async fn connect(&self) -> io::Result<Wire> {
        let node = in_turn(&self.target.nodes, self.number).expect("a node");
        Wire::open(node, in_turn(&self.target.sources, self.number).copied(), self.tally.clone()).await
    }

    pub fn access(&self) -> &str {
        in_turn(&self.target.access, self.number).expect("an account of the attackers")
    }

    pub fn subject(&self) -> &str {
        &self.target.subject
    }

    /// Sends the same request again and again, as fast as answers come.
    pub async fn hammer(&self, request: &str) -> io::Result<()> {
        let mut wire = self.connect().await?;
        loop {
            wire.send(request.as_bytes()).await?;
            wire.answer().await?;
        }
    }
}

fn in_turn<T>(all: &[T], number: usize) -> Option<&T> {
    all.get(number.checked_rem(all.len())?)
}
