//! How a deployment is reached.

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use crate::address::{Dialer, Parsed, Tls};
use crate::{Diagnosis, ErrorReplies, LinkError, LinkHealth, redis_url};

/// How to reach a deployment.
#[derive(Debug, Clone)]
pub struct LinkSettings {
    /// See the table in [`redis_url`]; may hold a password.
    pub url: SecretString,
    /// For TLS.
    pub tls: Tls,
    /// The user for Sentinels, where they want one.
    pub sentinel_username: Option<String>,
    /// The password for Sentinels, where they want one.
    pub sentinel_password: Option<SecretString>,
    /// The longest that one call may take.
    pub timeout: Duration,
    /// Calls in flight at once to one primary; further ones wait at most 100 ms.
    pub max_in_flight: usize,
    /// Replicas that must acknowledge a write of [`call_and_wait`](crate::Links::call_and_wait) (0: none).
    pub wait_replicas: usize,
    /// The error replies of late. Links of these settings and of clones of them share it.
    pub error_replies: Arc<ErrorReplies>,
    /// Whether the links log an outage. They need not in a process that watches [`health`](Self::health).
    pub logs_outages: bool,
    /// Whether calls and connections fail at present. Shared likewise.
    pub health: Arc<LinkHealth>,
}

impl LinkSettings {
    /// With the defaults of the gateway: a call may take half a second, and 1,024 may be in flight.
    pub fn new(url: impl Into<SecretString>) -> Self {
        Self {
            url: url.into(),
            tls: Tls::default(),
            sentinel_username: None,
            sentinel_password: None,
            timeout: Duration::from_millis(500),
            max_in_flight: 1024,
            wait_replicas: 0,
            error_replies: Arc::default(),
            logs_outages: true,
            health: Arc::default(),
        }
    }

    /// Whether these lead anywhere.
    ///
    /// ```
    /// use token_gateway_redis_link::LinkSettings;
    ///
    /// let sentinels = LinkSettings::new("redis+sentinel://sentinel-1,sentinel-2/main");
    /// assert_eq!(sentinels.check(), Ok(()));
    /// let error = LinkSettings::new("https://redis.example").check().unwrap_err();
    /// assert!(error.starts_with("REDIS_URL: must be redis://"));
    /// ```
    ///
    /// # Errors
    ///
    /// Which setting is wrong, and what would be right; never the URL, which may hold a password.
    pub fn check(&self) -> Result<(), String> {
        let parsed =
            redis_url::parse(self.url.expose_secret()).map_err(|problem| format!("REDIS_URL: {problem}"))?;
        if !parsed.tls && !self.tls.is_empty() {
            let setting = if self.tls.ca.is_some() { "REDIS_TLS_CA" } else { "REDIS_TLS_CERT" };
            return Err(format!("{setting}: has no effect without TLS; let REDIS_URL begin with rediss"));
        }
        self.tls.check()?;
        let built = Dialer::new(&parsed, &self.tls).check();
        built.map_err(|error| format!("REDIS_TLS_CERT: cannot be used for TLS: {error}; make another one"))
    }

    /// Reads the URL.
    ///
    /// # Errors
    ///
    /// When it is none that is understood.
    pub fn parse(&self) -> Result<Parsed, LinkError> {
        redis_url::parse(self.url.expose_secret()).map_err(|problem| {
            Diagnosis::new(None, "REDIS_URL leads to no server", problem.to_string()).into()
        })
    }

    /// Dials Sentinels, as the user for them.
    pub(crate) fn sentinel_dialer(&self, dialer: &Dialer) -> Dialer {
        dialer.to_sentinels(self.sentinel_username.as_deref(), self.sentinel_password.as_ref())
    }
}
