//! The checks themselves: they complain about a history if it breaks a promise, and about no other.

use token_gateway_testkit::gateway::ISSUER;

use super::{Finding, Run};
use crate::check::{Rules, check, success_while_cut_off};
use crate::history::{Event, History, Outcome, Wish};

/// A hand-made refresh token, with no claims but those a history reads.
fn token(jti: &str, generation: u64) -> String {
    use base64::Engine as _;
    let claims = format!(r#"{{"iss":"{ISSUER}","jti":"{jti}","gen":{generation}}}"#);
    format!("e30.{}.sig", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(claims))
}

struct Story {
    history: History,
}

impl Story {
    fn new() -> Self {
        Self { history: History::default() }
    }

    fn refresh(&self, presented: (&str, u64), key: u64, successor: Option<(&str, u64)>) -> &Self {
        let invoked = self.history.now();
        let wish = Wish::Refresh { token: self.history.token(&token(presented.0, presented.1)), key };
        let outcome = match successor {
            Some((jti, generation)) => {
                Outcome::Granted { token: self.history.token(&token(jti, generation)), generation }
            }
            None => Outcome::Refused,
        };
        self.event(wish, invoked, outcome)
    }

    fn open(&self, presented: (&str, u64), key: u64) -> &Self {
        let invoked = self.history.now();
        let wish = Wish::Refresh { token: self.history.token(&token(presented.0, presented.1)), key };
        self.event(wish, invoked, Outcome::Open)
    }

    fn end(&self) -> &Self {
        let invoked = self.history.now();
        self.event(Wish::End, invoked, Outcome::Ended)
    }

    fn event(&self, wish: Wish, invoked: u64, outcome: Outcome) -> &Self {
        self.told(wish, invoked, outcome, None)
    }

    fn told(&self, wish: Wish, invoked: u64, outcome: Outcome, foreign: Option<String>) -> &Self {
        let returned = (outcome != Outcome::Open).then(|| self.history.now());
        let session = "one".to_owned();
        self.history.note(Event { session, wish, invoked, returned, outcome, foreign });
        self
    }

    /// A refresh with the answer to another subject.
    fn mistaken(&self, presented: (&str, u64), key: u64, successor: (&str, u64)) -> &Self {
        let invoked = self.history.now();
        let wish = Wish::Refresh { token: self.history.token(&token(presented.0, presented.1)), key };
        let token = self.history.token(&token(successor.0, successor.1));
        let outcome = Outcome::Granted { token, generation: successor.1 };
        self.told(wish, invoked, outcome, Some("bob's".to_owned()))
    }

    fn complaints(&self, all_honest: bool) -> Vec<&'static str> {
        check(&self.history, Rules { all_honest }).into_iter().map(|broken| broken.promise).collect()
    }
}

pub async fn prove(run: Run) -> Finding {
    let mut finding = Finding::default();
    let good = Story::new();
    good.refresh(("a", 0), 1, Some(("b", 1))).open(("b", 1), 2).refresh(("b", 1), 2, Some(("c", 2)));
    good.refresh(("b", 1), 2, Some(("c", 2))).end().refresh(("c", 2), 3, None);
    let theft = Story::new();
    theft.refresh(("a", 0), 1, Some(("b", 1))).refresh(("a", 0), 9, None).refresh(("b", 1), 2, None);
    let unanswered = Story::new();
    unanswered.open(("a", 0), 1).refresh(("a", 0), 2, None);
    for (name, story) in [("good", &good), ("theft", &theft), ("unanswered", &unanswered)] {
        let complaints = story.complaints(false);
        finding.demand("the checker accepts what is right", complaints.is_empty(), || {
            format!("{name}: {complaints:?}")
        });
        run.bar.inc(1);
    }
    for (name, expected, story) in bad() {
        let complaints = story.complaints(name == "false accusation");
        let found = complaints.iter().any(|complaint| complaint.starts_with(expected));
        finding.demand("the checker finds what is wrong", found, || format!("{name}: {complaints:?}"));
        run.bar.inc(1);
    }
    let cut = Story::new();
    let from = cut.history.now();
    cut.refresh(("a", 0), 1, Some(("b", 1)));
    let to = cut.history.now();
    for (cuts, expected) in [(vec![(from, to)], true), (vec![], false), (vec![(to, to + 9)], false)] {
        let found = success_while_cut_off(&cut.history, &cuts).is_some();
        finding.demand("the checker knows what succeeded while cut off", found == expected, || {
            format!("{cuts:?}")
        });
    }
    finding.measure("hand-made histories", 4 + bad().len());
    finding
}

fn bad() -> Vec<(&'static str, &'static str, Story)> {
    let story = |tell: &dyn Fn(&Story)| {
        let story = Story::new();
        tell(&story);
        story
    };
    let a = ("a", 0);
    vec![
        (
            "fork",
            "single use",
            story(&|it| {
                it.refresh(a, 1, Some(("b", 1))).refresh(a, 2, Some(("c", 1)));
            }),
        ),
        (
            "two leaves",
            "linearizable",
            story(&|it| {
                it.refresh(a, 1, Some(("b", 1))).refresh(("b", 1), 2, Some(("c", 2))).refresh(
                    a,
                    3,
                    Some(("b", 1)),
                );
            }),
        ),
        (
            "resurrection",
            "revocation",
            story(&|it| {
                it.refresh(a, 1, Some(("b", 1))).end().refresh(("b", 1), 2, Some(("c", 2)));
            }),
        ),
        (
            "lost end",
            "linearizable",
            story(&|it| {
                it.end().refresh(a, 1, Some(("b", 1)));
            }),
        ),
        (
            "false accusation",
            "no false alarm",
            story(&|it| {
                it.refresh(a, 1, Some(("b", 1))).refresh(("b", 1), 2, None);
            }),
        ),
        (
            "accused without a cause",
            "linearizable",
            story(&|it| {
                it.refresh(a, 1, Some(("b", 1))).refresh(("b", 1), 2, None);
            }),
        ),
        (
            "theft that nobody noticed",
            "linearizable",
            story(&|it| {
                it.refresh(a, 1, Some(("b", 1))).refresh(a, 9, None).refresh(("b", 1), 2, Some(("c", 2)));
            }),
        ),
        (
            "theft that shares the successor",
            "linearizable",
            story(&|it| {
                it.refresh(a, 1, Some(("b", 1))).refresh(a, 9, Some(("b", 1)));
            }),
        ),
        (
            "refused twice, for nothing that was done",
            "no false alarm",
            story(&|it| {
                it.refresh(a, 1, None).refresh(a, 2, None);
            }),
        ),
        (
            "somebody else's answer",
            "an answer is for whoever asked",
            story(&|it| {
                it.mistaken(a, 1, ("b", 1));
            }),
        ),
        (
            "an answer that the contract does not know",
            "every request is decided",
            story(&|it| {
                it.history.note_odd("500".to_owned());
            }),
        ),
        (
            "skipped generation",
            "a rotation is one generation",
            story(&|it| {
                it.refresh(a, 1, Some(("b", 2)));
            }),
        ),
    ]
}
