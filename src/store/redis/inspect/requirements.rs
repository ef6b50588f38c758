//! The demands on Redis that follow from the settings.

use token_gateway_redis_link::LinkSettings;
use token_gateway_redis_link::address::Topology;

use crate::store::StoreError;

/// The demands on each primary, from the settings.
#[derive(Debug, Clone)]
pub struct Requirements {
    /// Replicas to acknowledge an ended session.
    pub wait_replicas: usize,
    /// Another server should take over from a lost primary.
    pub successor: bool,
    /// `REDIS_URL` names a Cluster.
    pub cluster: bool,
    /// `REDIS_URL` names a database other than 0.
    pub database: bool,
    /// The user of `REDIS_URL`; `None` for `default`.
    pub user: Option<String>,
}

impl Requirements {
    pub fn of(settings: &LinkSettings) -> Result<Self, StoreError> {
        let parsed = settings.parse()?;
        Ok(Self {
            wait_replicas: settings.wait_replicas,
            successor: !matches!(parsed.topology, Topology::Standalone(_)),
            cluster: matches!(parsed.topology, Topology::Cluster { .. }),
            database: parsed.redis.db() != 0,
            user: parsed.redis.username().filter(|name| !name.is_empty()).map(str::to_owned),
        })
    }

    pub fn user(&self) -> &str {
        self.user.as_deref().unwrap_or("default")
    }
}
