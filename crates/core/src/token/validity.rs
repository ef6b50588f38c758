//! The time for which a token is valid.

use std::time::Duration;

use super::refusal::TokenRefusal;
use crate::clock::Timestamp;

/// The most by which `iat` and `nbf` may lie in the future, because clocks differ. For `exp` there is no leeway.
const CLOCK_LEEWAY: Duration = Duration::from_secs(10);

/// Both ends, in seconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Validity {
    pub not_before: u64,
    pub expires_at: u64,
}

impl Validity {
    pub fn check(self, now: Timestamp) -> Result<(), TokenRefusal> {
        if now.seconds() >= self.expires_at {
            Err(TokenRefusal::Expired)
        } else if self.not_before > now.plus(CLOCK_LEEWAY).seconds() {
            Err(TokenRefusal::NotYetValid)
        } else {
            Ok(())
        }
    }

    pub fn lifetime(self) -> Duration {
        Duration::from_secs(self.expires_at.saturating_sub(self.not_before))
    }
}
