//! Software by others, over the real HTTP surface: OAuth clients and JWT verifiers from npm and PyPI, one small script
//! for each in `npm` and `pypi`, and a property-based fuzzer.
//!
//! `install` puts it below the target folder, in the versions pinned in `npm/package-lock.json` and
//! `pypi/requirements.txt`; `scripts/test` calls `install`. The proxies of `tests/verify` come the same way. Users may
//! copy the scripts: they show the place of the `Idempotency-Key` in each library, and how a verifier keeps the
//! published keys.

mod api;
mod clients;
pub mod foreign;
mod fuzz;
mod fuzzer;
mod rotation;
mod verifier;
mod verifiers;
