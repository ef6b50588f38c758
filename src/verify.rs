//! Access tokens checked where they are used: from memory, without a request to any server.
//!
//! For API nodes in Rust, with the feature `verify` and without the server's (`default-features = false`):
//!
//! ```no_run
//! # #[cfg(feature = "verify")]
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use token_gateway::verify::{Feed, Outcome, Verifier};
//!
//! let feed = Feed::http("https://auth.example/v1/revocations", "a service key with the role feed")?;
//! let verifier = Verifier::builder("https://auth.example", "api")
//!     .jwks("https://auth.example/.well-known/jwks.json")?
//!     .feed(feed)
//!     .start()?;
//! match verifier.verify("eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFUzI1NiJ9.e30.c2ln").await {
//!     Outcome::Accepted(access) => println!("serve {}", access.subject().as_str()),
//!     Outcome::Refused(refusal) => println!("answer 401: {refusal}"),
//!     Outcome::Unknown(reason) => println!("answer 503: {reason}"),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! - `Verifier` (feature `verify`): keys, feed and rules, put together.
//! - [`Access`]: the content of a valid token.
//! - [`Outcome`]: accepted, refused, or unknown. [`Checker`]: the decision; `/verify` of the gateway uses it, too.
//! - `Feed` (`verify`; from Redis: `verify-redis`): the source of revocation events. `jwks`: the source of keys.
//! - `actix` (`verify-actix`): a middleware and an extractor.

#[cfg(feature = "verify-actix")]
pub mod actix;
#[cfg(feature = "verify")]
mod feed;
#[cfg(feature = "verify")]
mod jwks;
#[cfg(feature = "verify")]
mod verifier;

pub use token_gateway_core::checker::{Access, AccessRefusal, Checker, Keys, Outcome, Rules, Unknown};
pub use token_gateway_core::token::TokenRefusal;

#[cfg(feature = "verify")]
pub use self::feed::Feed;
#[cfg(feature = "verify-redis")]
pub use self::feed::RedisSettings;
#[cfg(feature = "verify")]
pub use self::verifier::{Builder, Invalid, Verifier};
