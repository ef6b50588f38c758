//! A table, asked within a scope: does a promise break, and how?

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use stateright::{Checker, HasDiscoveries, Model, Path, Property};

use crate::promises::end_is_lost;
use crate::steps::{Scope, Step, take};
use crate::story;
use crate::table::{Answer, Table};
use crate::world::{Broken, World};

/// The one property: no step has broken a promise.
const KEPT: &str = "every promise is kept";

pub struct Question {
    table: Table,
    scope: Scope,
    /// The only promise to look at; `None` for all of them.
    promise: Option<Broken>,
    met: Arc<AtomicU8>,
}

/// The result of the search.
pub struct Finding {
    /// The broken promise, and the steps that led to it.
    pub broken: Option<String>,
    pub states: usize,
    /// A bit for each kind of answer met.
    met: u8,
}

impl Finding {
    pub fn has_met(&self, answer: Answer) -> bool {
        self.met & bit(answer) != 0
    }
}

/// Looks through every order of events within the scope.
pub fn ask(table: Table, scope: Scope, promise: Option<Broken>) -> Finding {
    let met = Arc::new(AtomicU8::new(0));
    let question = Question { table, scope, promise, met: met.clone() };
    let checker = question.checker().threads(2).finish_when(HasDiscoveries::Any).spawn_bfs().join();
    let broken = checker.discovery(KEPT).map(|path| tell(checker.model(), path));
    Finding { broken, states: checker.unique_state_count(), met: met.load(Ordering::Relaxed) }
}

fn tell(question: &Question, path: Path<World, Step>) -> String {
    let mut story = String::new();
    let mut promise = None;
    for (number, (world, step)) in path.into_vec().into_iter().enumerate() {
        promise = world.broken;
        if let Some(step) = step {
            let (_, answer) = take(&question.table, &question.scope, &world, step);
            let _ = writeln!(story, "{:3}. {}", number + 1, story::line(step, answer));
        }
    }
    let promise = promise.expect("the last step has broken one");
    format!("{promise}\n{story}")
}

fn bit(answer: Answer) -> u8 {
    match answer {
        Answer::Unknown => 1,
        Answer::Ended => 2,
        Answer::Replayed(_) => 4,
        Answer::Rotated(_) => 8,
        Answer::RolledBack(_) => 16,
        Answer::Late => 32,
        Answer::Reused => 64,
        Answer::Suspect => 128,
    }
}

impl Model for Question {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self.scope.left, self.scope.max_ages[0])]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        if world.broken.is_none() {
            self.scope.steps(world, steps);
        }
    }

    fn next_state(&self, before: &World, step: Step) -> Option<World> {
        let (mut after, answer) = take(&self.table, &self.scope, before, step);
        if let Some(answer) = answer {
            self.met.fetch_or(bit(answer), Ordering::Relaxed);
        }
        if after.broken.is_none() && end_is_lost(&after) {
            after.broken = Some(Broken::LostEnd);
        }
        Some(after)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always(KEPT, |question: &Self, world: &World| {
            match (world.broken, question.promise) {
                (Some(broken), Some(promise)) => broken != promise,
                (broken, _) => broken.is_none(),
            }
        })]
    }
}
