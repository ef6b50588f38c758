//! All tests from outside, against real redis-server and gateway processes.
//!
//! - `http`: the HTTP surface, one file per resource.
//! - `store`: both backends against one specification.
//! - `durability`: the fate of acknowledged refreshes and logouts in accidents.
//! - `faults`: races, lost answers, Redis gone.
//! - `cli`: commands and settings.
//! - `footprint`: memory, round trips.
//! - `stack`: docker-compose.yml and its services.
//! - `architecture`: the import rules.
//! - `checklist`: the duties of the HTTP surface, line by line, each with its test.
//! - `verify`: API nodes with their own checks of access tokens.
//! - `ops`: the cookbook and the migration notes, as printed.
//! - `interop`: OAuth clients, JWT verifiers and a fuzzer by others.
//! - `planted`: whether the faults of `scripts/plant` still fit.
//! - `prose`: the wording of pages and comments.

mod architecture;
mod checklist;
mod cli;
mod durability;
mod faults;
mod footprint;
mod http;
mod interop;
mod ops;
mod planted;
mod prose;
mod stack;
mod store;
mod support;
mod verify;
