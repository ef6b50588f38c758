//! A model of the table of transitions (ARCHITECTURE.md, "Transitions"). A model checker looks through every possible
//! order of events.
//!
//! **Before you change the table, change `table.rs` here, and run `cargo test --test model`.** A broken promise is
//! shown as a story: each call, the place of its arrival, and the answer.
//! `cargo test --test model -- --nocapture lines` shows for each line how a promise breaks without it.
//!
//! - `table`: the table, and the alternatives of each line.
//! - `record`: the contents of a server.
//! - `world`: a primary, a replica behind it, a deposed primary that still answers, calls on their way, an honest
//!   client, a thief.
//! - `steps`: the possible next events. Calls arrive late, twice or never, and nodes change primaries.
//! - `promises`: the conditions for every arrival.
//! - `scopes`: the bounds of each question.
//! - `question`: a question to the model checker. `story`: its answer.
//! - `full`: the table as it is. `lines`: the table without one of its lines. `gaps`: the limits of its promises.
//! - `embedded`: whether `src/store/memory/transitions.rs` still has the same table.
//!
//! Time is an order. Moments are numbered anew after each step, so only their order makes a difference. Clocks either
//! agree or lie further apart than all moments. Grace is counted in hours.
//!
//! The model cannot show the need for one half of a line: `rotated` compares `jti` and `gen`, and a `jti` has but one
//! generation.

mod embedded;
mod full;
mod gaps;
mod lines;
mod promises;
mod question;
mod record;
mod scopes;
mod steps;
mod story;
mod table;
mod world;
