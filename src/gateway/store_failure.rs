//! The errors of the store, as the metrics count them.

use crate::store::StoreError;
use crate::telemetry::metrics::StoreFailure;

/// The cause that is counted; `None` where the store was not asked.
pub fn of(error: &StoreError) -> Option<StoreFailure> {
    Some(match error {
        error if error.is_of_memory() => StoreFailure::OutOfMemory,
        StoreError::Unavailable(_) => StoreFailure::Unavailable,
        StoreError::Replied(_) => StoreFailure::Refused,
        StoreError::Corrupt(_) => StoreFailure::Unreadable,
        StoreError::Overloaded => return None,
    })
}
