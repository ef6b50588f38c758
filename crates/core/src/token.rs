//! Tokens as verifiers need them, pure: no HTTP, no store, no async, no files, no key that signs.
//!
//! - `header`: the algorithm and the type of a token. - [`Secret`]: a key for HS256.
//! - `jws`: a token taken apart. - [`verifying`]: keys that check signatures.
//! - `presented`: the claims as they are read. - [`verify`]: the one place where a string becomes trusted claims.

mod header;
mod jws;
mod presented;
mod secret;
pub mod verify;
pub mod verifying;

pub use header::{Alg, Typ, UnknownAlg};
pub use jws::Parts;
pub use secret::{InvalidSecret, Secret};
