//! A path as a story of calls and answers.

use std::fmt::Write;

use crate::record::Token;
use crate::steps::Step;
use crate::table::Answer;
use crate::world::{Party, Place, What};

pub fn line(step: Step, answer: Option<Answer>) -> String {
    match step {
        Step::Send(what, Place::Authority) => format!("{} is sent", sent(what)),
        Step::Send(what, Place::Deposed) => format!("{} is sent, dated by the deposed primary", sent(what)),
        Step::Meet(call) => format!("a busy node gets only now to {}", sent(call.what)),
        Step::Steal => "the thief copies the token that the client holds".to_owned(),
        Step::Arrive { call, at, heard, max_age } => {
            let at = match at {
                Place::Authority => "the primary",
                Place::Deposed => "the deposed primary",
            };
            let lost = if heard { "" } else { ", but the answer is lost" };
            let by = max_age
                .map(|hours| format!(", by a node with a lifetime of {hours} hours"))
                .unwrap_or_default();
            let late = if call.expired { ", past its deadline," } else { "" };
            format!("{}{late} arrives at {at}{by}: {}{lost}", sent(call.what), answered(answer))
        }
        Step::Replicate => "the replica catches up".to_owned(),
        Step::FailOver { clock } => format!("the replica is promoted{}", clock_of(clock)),
        Step::Repeat(session) => format!("a node ends session {session} again"),
        Step::Deadline => "the deadline of the logins on their way goes by".to_owned(),
        Step::Forget(session) => format!("the tombstone of session {session} expires"),
        Step::Hour => "an hour goes by".to_owned(),
    }
}

/// The name of a token: its session and generation. The attempts follow if one of them was not the client's.
fn token(token: Token) -> String {
    let mut name = format!("{}.{}", token.session, token.generation);
    let attempts = (0..token.generation).map(|back| (token.jti >> (3 * back)) & 7);
    let (mut strange, mut attempts) = (String::new(), attempts.collect::<Vec<_>>());
    attempts.reverse();
    if attempts.iter().any(|attempt| *attempt != 1) {
        strange = attempts.iter().map(u32::to_string).collect();
    }
    if !strange.is_empty() {
        let _ = write!(name, " (by attempts {strange})");
    }
    name
}

fn sent(what: What) -> String {
    match what {
        What::Refresh(Party::Honest, presented) => format!("the client's refresh of {}", token(presented)),
        What::Refresh(Party::Thief, presented) => format!("the thief's refresh of {}", token(presented)),
        What::Login => "a login as session 1".to_owned(),
        What::Logout(session) => format!("a logout of session {session}"),
        What::EndSubject => "a logout everywhere".to_owned(),
    }
}

fn answered(answer: Option<Answer>) -> String {
    match answer {
        None => "done".to_owned(),
        Some(Answer::Unknown) => "unknown".to_owned(),
        Some(Answer::Ended) => "ended".to_owned(),
        Some(Answer::Replayed(successor)) => format!("replayed, {}", token(successor)),
        Some(Answer::Rotated(successor)) => format!("rotated, {}", token(successor)),
        Some(Answer::RolledBack(successor)) => format!("rolled back, {}", token(successor)),
        Some(Answer::Late) => "late".to_owned(),
        Some(Answer::Suspect) => "suspect".to_owned(),
        Some(Answer::Reused) => "reused".to_owned(),
    }
}

fn clock_of(clock: i8) -> &'static str {
    match clock {
        0 => "",
        1.. => ", and its clock is ahead",
        _ => ", and its clock is behind",
    }
}
