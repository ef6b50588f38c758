//! The time of the store, for a command that needs nothing else of it.

use token_gateway_core::clock::Timestamp;
use token_gateway_redis_link::Primaries;

use super::redis_settings::RedisSettings;
use crate::store::StoreError;

/// The time of a primary. In a Cluster any one will do: their clocks differ by less than the margins of keys.
pub async fn ask(settings: &RedisSettings) -> Result<Timestamp, StoreError> {
    Ok(Primaries::open(&settings.link).await?.time().await?)
}
