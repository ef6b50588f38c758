//! token-gateway: the session backend for teams with their own login.
//!
//! A login service proves the identity of a user. From there on the gateway owns the tokens. In reading order:
//!
//! - [`token_gateway_core`], a crate of its own: sessions, the clock of the store, the strict checks of tokens, and the
//!   denylist of ended sessions.
//! - [`token`]: keys, claims, minting. Pure.
//! - [`store`]: the trait, the embedded store that specifies it, and Redis with its Lua scripts.
//! - [`view`]: sessions as shown over HTTP and by the commands.
//! - [`gateway`]: the use cases, one file per verb.
//! - [`http`]: the route table, the error table, one file per resource.
//! - [`transport`]: connections, their number and their deadlines.
//! - [`telemetry`], [`config`], [`startup`], [`cli`]: everything else in a process.
//!
//! API nodes check access tokens with a crate of their own, `token-gateway-verify`.
//!
//! `ARCHITECTURE.md` answers a newcomer's questions, and names the invariants.

// Nobody waits for standard error or output: `telemetry::logging::say` and `cli`'s `print` write there.
#![warn(clippy::print_stderr, clippy::print_stdout)]

pub mod cli;
pub mod config;
mod copied_text;
pub mod gateway;
pub mod http;
mod shown_value;
pub mod startup;
pub mod store;
pub mod telemetry;
pub mod token;
pub mod transport;
pub mod view;
