//! Whether a history keeps the promises.

mod invariants;
mod linear;

pub use self::invariants::{Rules, success_while_cut_off};
use crate::history::{Event, History};

/// A broken promise, and the part of the history that shows it.
#[derive(Debug, Clone)]
pub struct Broken {
    pub promise: &'static str,
    pub excerpt: String,
}

impl Broken {
    fn new<'a>(promise: &'static str, events: impl IntoIterator<Item = &'a Event>) -> Self {
        let lines: Vec<_> = events.into_iter().map(|event| format!("{event:?}")).collect();
        Self { promise, excerpt: lines.join("\n") }
    }
}

/// Checks both: the invariants of the whole history, and that each session behaves as if its calls came one by one.
pub fn check(history: &History, rules: Rules) -> Vec<Broken> {
    let events = history.events();
    let mut broken = invariants::check(&events, history, rules);
    let odd = history.odd();
    if !odd.is_empty() {
        let excerpt = odd[..odd.len().min(5)].join("\n");
        broken.push(Broken { promise: "every request is decided, by an answer of the contract", excerpt });
    }
    broken.extend(linear::check(&events));
    broken
}
