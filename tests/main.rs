//! Everything that is tested from outside, against real redis-server and gateway processes.
//!
//! - `http`: the HTTP surface, one file per resource. - `store`: both backends against one specification.
//! - `durability`: what an acknowledged refresh and logout survive. - `faults`: races, lost answers, Redis gone. - `cli`: commands and settings. - `footprint`: memory, round
//!   trips. - `stack`: docker-compose.yml and what it starts. - `architecture`: the import rules.
//! - `checklist`: what the HTTP surface must do, line by line, and which test decides it.
//! - `verify`: API nodes that check access tokens on their own.
//! - `ops`: the cookbook and the migration notes, as printed. - `interop`: OAuth clients, JWT verifiers and a fuzzer that
//!   others wrote. - `planted`: whether the faults of `scripts/plant` still fit. - `prose`: how pages and comments are written.

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
