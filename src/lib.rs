//! token-gateway: the session backend for teams with their own login.
//!
//! A login service proves the identity of a user. From there on the gateway owns the tokens. In reading order:
//!
//! - [`token_gateway_core`], a crate of its own: sessions, the clock of the store, the strict checks of tokens, and the
//!   denylist of ended sessions.
//! - [`token`]: keys, claims, minting. Pure.
//! - [`store`]: the trait, the embedded store that specifies it, and Redis with its Lua scripts.
//! - [`verify`]: access tokens checked from memory, at the gateway and at API nodes.
//! - [`view`]: sessions as shown over HTTP and by the commands.
//! - [`gateway`]: the use cases, one file per verb.
//! - [`http`]: the route table, the error table, one file per resource.
//! - [`telemetry`], [`config`], [`startup`], [`cli`]: everything else in a process.
//!
//! `ARCHITECTURE.md` answers a newcomer's questions, and names the invariants.

#[cfg(feature = "server")]
pub mod cli;
#[cfg(feature = "server")]
pub mod config;
#[cfg(feature = "server")]
pub mod gateway;
#[cfg(feature = "server")]
pub mod http;
#[cfg(feature = "server")]
pub mod startup;
#[cfg(feature = "store")]
pub mod store;
#[cfg(feature = "server")]
pub mod telemetry;
#[cfg(feature = "server")]
pub mod token;
pub mod verify;
#[cfg(feature = "server")]
pub mod view;
