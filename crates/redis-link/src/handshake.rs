//! The first exchange on each connection, which the caller hands in.

use crate::LinkError;
use crate::script::{Call, Reply};

/// A script that every server must answer before a call is sent to it.
///
/// Only a primary answers a script that may write, so a replica fails the handshake, too.
#[derive(Clone)]
pub struct Handshake {
    pub(crate) key: String,
    pub(crate) call: Call,
    pub(crate) check: HandshakeCheck,
}

/// Reads the answer of a handshake.
pub(crate) type HandshakeCheck = fn(Reply) -> Result<(), LinkError>;

impl Handshake {
    /// `call` names `key`, by which a Cluster knows the server that answers. `check` refuses what must not be written to.
    pub fn new(key: String, call: Call, check: fn(Reply) -> Result<(), LinkError>) -> Self {
        Self { key, call, check }
    }
}
