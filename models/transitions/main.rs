//! A model of the table of transitions (ARCHITECTURE.md, "Transitions"), and a checker that looks through every order in
//! which things can happen to it.
//!
//! **Before you change the table: change `table.rs` here first, and run `cargo test --test model`.** A promise that breaks
//! is told as a story: who sent what, where it arrived, what was answered.
//! `cargo test --test model -- --nocapture lines` tells for each line what goes wrong without it.
//!
//! - `table`: the table, and what each line might be instead. - `record`: what a server holds.
//! - `world`: a master, a replica that is behind, a deposed master that still answers, calls on their way, an honest client, a
//!   thief. - `steps`: what can happen next: calls arrive late, twice or never, and nodes change masters.
//! - `promises`: what must hold. - `scopes`: how far each question looks. - `question`: asking the checker. - `story`: its answer.
//! - `full`: the table as it is. - `lines`: without one of its lines. - `gaps`: what it does not promise.
//! - `embedded`: whether the table is still that of `src/store/memory.rs`.
//!
//! Time is an order: moments are numbered anew after each step, so that only what came before what makes a difference. Clocks
//! either agree or lie further apart than all moments. Grace is counted in hours.
//!
//! One half of a line cannot be missed: `rotated` compares `jti` and `gen`, and a `jti` has but one generation.

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
