//! The source of revocation events for an API node: the gateway over HTTP, or Redis itself.

use std::fmt;
use std::sync::Arc;

use reqwest::{Client, Url};
use secrecy::SecretString;
use token_gateway_core::feed::Denylist;
#[cfg(feature = "redis")]
use token_gateway_core::feed::stream_keys;
#[cfg(feature = "redis")]
use token_gateway_redis_link::{Links, feed_reader};

#[cfg(feature = "redis")]
use crate::LinkSettings;
use crate::sse_reader::SseReader;
use crate::{BuildError, server_url};

/// The revocation feed.
pub struct Feed(FeedSource);

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").finish_non_exhaustive()
    }
}

enum FeedSource {
    Http {
        url: Url,
        service_key: SecretString,
    },
    #[cfg(feature = "redis")]
    Redis {
        settings: Box<LinkSettings>,
        prefix: String,
    },
}

impl Feed {
    /// `GET /v1/revocations` of the gateway. The service key must have the role `feed`.
    ///
    /// # Errors
    ///
    /// When the URL is not an http(s) URL, or holds a user or a password.
    pub fn http(url: &str, service_key: impl Into<SecretString>) -> Result<Self, BuildError> {
        let url = server_url::parse("the URL of the feed", url)?;
        Ok(Self(FeedSource::Http { url, service_key: service_key.into() }))
    }

    /// The stream in Redis, read from its primary: standalone, behind Sentinels, or in a Cluster. `prefix` is the
    /// gateway's `REDIS_PREFIX`, `tg` by default. `docs/guides/follow-the-revocation-feed.md` names the rights the Redis user needs.
    ///
    /// ```no_run
    /// use token_gateway_verify::{BuildError, Feed, LinkSettings};
    ///
    /// # fn example() -> Result<Feed, BuildError> {
    /// let settings = LinkSettings::new("redis+sentinel://sentinel-1:26379,sentinel-2:26379/main");
    /// Feed::redis(settings, "tg")
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When the URL or a certificate cannot be read, or certificates are given without TLS.
    #[cfg(feature = "redis")]
    pub fn redis(settings: LinkSettings, prefix: impl Into<String>) -> Result<Self, BuildError> {
        settings.check().map_err(BuildError)?;
        Ok(Self(FeedSource::Redis { settings: Box::new(settings), prefix: prefix.into() }))
    }

    /// Passes all revocation events to the denylist, as long as it is polled.
    pub(crate) async fn subscribe(self, client: Client, denylist: Arc<Denylist>) {
        match self.0 {
            FeedSource::Http { url, service_key } => {
                SseReader::new(url, service_key, client, denylist).read().await;
            }
            #[cfg(feature = "redis")]
            FeedSource::Redis { settings, prefix } => match Links::open(&settings, None) {
                Ok(links) => {
                    let keys = keys_of(&links, &prefix);
                    feed_reader::subscribe(&links, &keys, denylist.retention(), &*denylist).await;
                }
                Err(error) => log::error!(error:%; "the feed cannot be read: {error}"),
            },
        }
    }
}

/// The keys of the feed's partitions.
#[cfg(feature = "redis")]
fn keys_of(links: &Links, prefix: &str) -> Vec<String> {
    if links.is_cluster() { stream_keys::partitions(prefix) } else { vec![stream_keys::stream(prefix)] }
}
