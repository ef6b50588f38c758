//! All tests from outside, against real redis-server and gateway processes.
//!
//! - `http`: the HTTP API, one file per resource, and its requirements with an id each.
//! - `store`: both backends against one specification.
//! - `durability`: the fate of acknowledged refreshes and logouts in accidents.
//! - `faults`: races, lost answers, Redis gone.
//! - `cli`: commands and settings.
//! - `footprint`: memory, round trips.
//! - `stack`: docker-compose.yml and its services.
//! - `architecture`: the import rules, no circles, no secret in a struct that prints itself.
//! - `log_lines`: docs/reference/log-lines.md against the sources.
//! - `verify`: API nodes with their own checks of access tokens.
//! - `ops`: the cookbook and the migration notes, as printed.
//! - `interop`: OAuth clients, JWT verifiers and a fuzzer by others.
//! - `kit`: workflows, recipes, the changelog, and the blanks.
//! - `planted`: whether the faults of `scripts/plant` still fit.
//! - `walkthrough`: README, `docs/start` and `docs/guides`, followed by a reader.
//! - `prose`: the wording of pages and comments.
//! - `links`: the links of pages.
//! - `pictures`: the pictures of pages.
//! - `decisions`: the form of the decisions.

mod architecture;
mod cli;
mod decisions;
mod durability;
mod faults;
mod feed;
mod footprint;
mod http;
mod interop;
mod kit;
mod links;
mod log_lines;
mod ops;
mod pictures;
mod planted;
mod prose;
mod sources;
mod stack;
mod store;
mod verify;
mod walkthrough;

use token_gateway::token::key_set::KeySet;
use token_gateway_core::token::Alg;
use token_gateway_testkit::gateway::Binary;
use token_gateway_testkit::keys::Keys;

const GATEWAY: Binary = Binary(env!("CARGO_BIN_EXE_token-gateway"));

/// A key set of one key, which signs.
fn keys_of(alg: Alg) -> Keys {
    Keys::with(GATEWAY, &KeySet::generate(alg).to_text())
}
