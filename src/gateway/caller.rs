//! The client of a refresh or a revocation, and the sessions that it may touch.

use super::service_keys::Service;
use super::{Gateway, GrantRefusal, Verdict};

/// A client as it has named itself, or shown itself by a key.
pub struct Caller {
    /// All client ids that its name may stand for; none where it has no name.
    pub client_ids: Vec<String>,
    /// Whether it is a service, by its key.
    pub is_service: bool,
}

impl Caller {
    pub fn service(service: &Service) -> Self {
        Self { client_ids: vec![service.name.clone()], is_service: true }
    }

    pub fn public(client_ids: Vec<String>) -> Self {
        Self { client_ids, is_service: false }
    }

    /// Whether it is another client than the token's. A client without a name is not.
    fn is_another(&self, issued_to: &str) -> bool {
        !self.client_ids.is_empty() && self.client_ids.iter().all(|client_id| client_id != issued_to)
    }
}

impl Gateway {
    /// Decides on the client of a token that we signed, before the store is asked (RFC 6749 sections 6 and 10.4).
    pub(super) fn check_caller(&self, caller: &Caller, issued_to: &str) -> Verdict<()> {
        let has_key = caller.is_service && !caller.is_another(issued_to);
        if !has_key && self.services.is_confidential(issued_to) {
            Err(GrantRefusal::NoKey)
        } else if caller.is_another(issued_to) {
            Err(GrantRefusal::Client)
        } else {
            Ok(())
        }
    }
}
