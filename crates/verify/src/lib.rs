#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

#[cfg(feature = "actix")]
pub mod actix;
mod build_error;
mod feed;
mod http_cause;
mod jwks;
mod lasting_status;
mod server_url;
mod sse_reader;
mod verifier;

pub use token_gateway_core::checker::{Access, AccessRefusal, Outcome, Unknown};
pub use token_gateway_core::token::TokenRefusal;
#[cfg(feature = "redis")]
pub use token_gateway_redis_link::{LinkSettings, address::Tls};

pub use self::build_error::BuildError;
pub use self::feed::Feed;
pub use self::verifier::{Builder, Verifier};
