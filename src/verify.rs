//! Access tokens checked where they are used: from memory, without a request to any server.
//!
//! For API nodes in Rust, with the feature `verify` and without the server's (`default-features = false`):
//!
//! ```no_run
//! # #[cfg(feature = "verify")]
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use token_gateway::verify::{Feed, Verifier};
//!
//! let feed = Feed::http("https://auth.example/v1/revocations", "a service key with the role feed")?;
//! let verifier = Verifier::builder("https://auth.example", "api")
//!     .jwks("https://auth.example/.well-known/jwks.json")?
//!     .feed(feed)
//!     .start()?;
//! let access = verifier.verify("eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFUzI1NiJ9.e30.c2ln").await?;
//! println!("{} may {}", access.subject().as_str(), access.scope().unwrap_or("do everything"));
//! # Ok(())
//! # }
//! ```
//!
//! - `Verifier` (feature `verify`): keys, feed and rules, put together.
//! - [`Access`]: the content of a valid token.
//! - [`Checker`]: the decision; `/verify` of the gateway uses it, too.
//! - `Feed` (`verify`; from Redis: `verify-redis`): the source of revocation events. `jwks`: the source of keys.
//! - `actix` (`verify-actix`): a middleware and an extractor.

mod access;
#[cfg(feature = "verify-actix")]
pub mod actix;
mod checker;
#[cfg(feature = "verify")]
mod feed;
#[cfg(feature = "verify")]
mod jwks;
mod seen;
#[cfg(feature = "verify")]
mod verifier;

pub use self::access::Access;
pub use self::checker::{Checker, Keys, Rules};
#[cfg(feature = "verify")]
pub use self::feed::Feed;
#[cfg(feature = "verify-redis")]
pub use self::feed::RedisSettings;
#[cfg(feature = "verify")]
pub use self::verifier::{Builder, Invalid, Verifier};
pub use crate::token::verify::Rejected;

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("{0}")]
    Token(#[from] Rejected),
    #[error("its session has ended")]
    Ended,
    /// No verdict on the token: ask later, or elsewhere.
    #[error("it cannot be known whether its session has ended")]
    Unsure,
}
