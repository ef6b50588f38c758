//! Settings of a store in Redis.

use secrecy::SecretString;
use token_gateway_redis_link::LinkSettings;

/// Where the sessions lie in Redis.
#[derive(Debug, Clone)]
pub struct RedisSettings {
    pub link: LinkSettings,
    /// Prefix of every key, without the colon after it.
    pub prefix: String,
}

impl RedisSettings {
    /// The gateway's defaults: keys begin with `tg`, and a call may take half a second.
    pub fn new(url: impl Into<SecretString>) -> Self {
        Self { link: LinkSettings::new(url), prefix: "tg".to_owned() }
    }
}
