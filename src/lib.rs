//! token-gateway: the session backend for teams with their own login.
//!
//! A login service proves who a user is; from there on the gateway owns the tokens. In reading order:
//!
//! - [`session`]: the vocabulary: subject, session, `jti`, attempt, reason.
//! - [`clock`]: time as the store tells it.
//! - [`token`]: claims, minting, and the strict checks. Pure.
//! - [`store`]: the trait, the embedded store that specifies it, and Redis with its Lua scripts.
//! - [`view`]: sessions as they are shown, over HTTP and by the commands.
//! - [`gateway`]: the use cases, one file per verb.
//! - [`http`]: the route table, the error table, one file per resource.
//! - [`telemetry`], [`config`], [`startup`], [`cli`]: what a process needs around that.
//!
//! `ARCHITECTURE.md` answers the questions a newcomer has, and names the invariants.

pub mod cli;
pub mod clock;
pub mod config;
pub mod gateway;
pub mod http;
pub mod session;
pub mod startup;
pub mod store;
pub mod telemetry;
pub mod token;
pub mod view;
