//! Tokens as verifiers need them, pure: no HTTP, no store, no async, no files, no key that signs.
//!
//! A string becomes trusted claims in these steps, for all callers:
//!
//! 1. [`Parts`]: the token taken apart. `header`: its algorithm and its type.
//! 2. [`find_access_key`], [`open_refresh_token`]: the key of the token.
//! 3. [`VerifyingKey`]: the check of the signature. [`Secret`]: a key for HS256.
//! 4. `claims`: the claims as they are read, and the check of the times.
//! 5. [`AccessToken::accept`], [`RefreshToken::read`]: the decision on the claims.
//!
//! JWT libraries accept more than one thinks: 60 s past `exp`, any `typ`, an unknown `crit`, a missing or oddly typed
//! `iss` or `aud`. So all of these are checked here, and signatures by the crypto library.

mod access_token;
mod claims;
mod header;
mod jws;
mod refresh_token;
mod refusal;
mod secret;
mod unusable_jwk;
mod verifying_key;

pub use access_token::{Acceptance, AccessToken, Audiences};
pub use header::{Alg, Typ, UnknownAlg};
pub(crate) use jws::Fingerprint;
pub use jws::Parts;
pub use refresh_token::RefreshToken;
pub use refusal::TokenRefusal;
pub use secret::{InvalidSecret, Secret, without_line_ends};
pub use unusable_jwk::UnusableJwk;
pub use verifying_key::{VerifyingKey, find_access_key, open_refresh_token};
