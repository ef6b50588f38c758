//! Linearizability of each session: stateright's tester compares it with a sequential specification.

use std::collections::HashMap;

use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};

use super::Broken;
use super::invariants::by_session;
use crate::history::{Event, Outcome, TokenId, Wish};

/// Wishes of a session before the next cut. Sessions are cut into pieces because the tester's search is exponential at
/// worst, and only where no request is under way.
const PIECE: usize = 40;

/// One session, one call after the other.
#[derive(Debug, Clone, PartialEq)]
struct Session {
    current: TokenId,
    /// The token exchanged last, and its key.
    previous: Option<(TokenId, u64)>,
    ended: bool,
    /// The successor of each attempt: the same for every client and every retry.
    successors: HashMap<(TokenId, u64), TokenId>,
}

#[derive(Debug, Clone, PartialEq)]
enum Verdict {
    Granted(TokenId),
    Refused,
    Ended,
}

impl SequentialSpec for Session {
    type Op = Wish;
    type Ret = Verdict;

    fn invoke(&mut self, wish: &Wish) -> Verdict {
        match *wish {
            Wish::End => {
                self.ended = true;
                Verdict::Ended
            }
            Wish::Refresh { .. } if self.ended => Verdict::Refused,
            Wish::Refresh { token, key } if self.previous == Some((token, key)) => {
                Verdict::Granted(self.current)
            }
            Wish::Refresh { token, key } if token == self.current => {
                self.previous = Some((token, key));
                // If no answer of an attempt has arrived, the successor is unknown.
                self.current = self.successors.get(&(token, key)).copied().unwrap_or(TokenId::MAX);
                Verdict::Granted(self.current)
            }
            Wish::Refresh { .. } => {
                self.ended = true;
                Verdict::Refused
            }
        }
    }
}

pub fn check(events: &[Event]) -> Vec<Broken> {
    let sessions = by_session(events);
    sessions.values().flat_map(|session| pieces(session)).filter_map(check_piece).collect()
}

/// Cuts a session's history where no request is under way and the state is known: after a granted refresh.
fn pieces<'a>(session: &[&'a Event]) -> Vec<Vec<&'a Event>> {
    let (mut pieces, mut piece, mut latest) = (Vec::new(), Vec::new(), 0);
    for event in session {
        let is_quiet = piece.len() >= PIECE && event.invoked > latest;
        if is_quiet
            && piece.last().is_some_and(|last: &&Event| matches!(last.outcome, Outcome::Granted { .. }))
        {
            pieces.push(std::mem::take(&mut piece));
        }
        latest = latest.max(event.returned.unwrap_or(u64::MAX));
        piece.push(*event);
    }
    pieces.push(piece);
    pieces
}

fn check_piece(piece: Vec<&Event>) -> Option<Broken> {
    let first = piece.iter().find_map(|event| match event.wish {
        Wish::Refresh { token, .. } => Some(token),
        Wish::End => None,
    })?;
    let successors = piece.iter().filter_map(|event| match (&event.wish, &event.outcome) {
        (Wish::Refresh { token, key }, Outcome::Granted { token: successor, .. }) => {
            Some(((*token, *key), *successor))
        }
        _ => None,
    });
    // Tokens are numbered in the order of their first sight. The lowest number is the token at the beginning.
    let tokens = piece.iter().filter_map(|event| match event.wish {
        Wish::Refresh { token, .. } => Some(token),
        Wish::End => None,
    });
    let current = tokens.min().unwrap_or(first);
    let session = Session { current, previous: None, ended: false, successors: successors.collect() };
    let moments = moments(&piece)?;
    if is_consistent(&session, &moments) {
        return None;
    }
    // The shortest inconsistent prefix. A binary search finds it, as every prefix of a consistent history is
    // consistent.
    let all: Vec<usize> = (0..moments.len()).collect();
    let shortest = all.partition_point(|last| is_consistent(&session, &moments[..=*last]));
    let shown: Vec<_> = moments[..=shortest].iter().filter(|moment| moment.verdict.is_none()).collect();
    let last = shown[shown.len().saturating_sub(8)..].iter().map(|moment| piece[moment.wish]);
    Some(Broken::new("linearizable: as if one call came after the other", last))
}

/// The moment at which a wish begins, or gets its verdict.
struct Moment<'a> {
    at: u64,
    wish: usize,
    event: &'a Event,
    verdict: Option<Verdict>,
}

fn moments<'a>(piece: &[&'a Event]) -> Option<Vec<Moment<'a>>> {
    let mut moments = Vec::new();
    for (wish, event) in piece.iter().copied().enumerate() {
        moments.push(Moment { at: event.invoked, wish, event, verdict: None });
        if let Some(at) = event.returned {
            moments.push(Moment { at, wish, event, verdict: Some(verdict(&event.outcome)?) });
        }
    }
    moments.sort_by_key(|moment| (moment.at, moment.wish, moment.verdict.is_some()));
    Some(moments)
}

fn is_consistent(session: &Session, moments: &[Moment<'_>]) -> bool {
    let mut tester = LinearizabilityTester::new(session.clone());
    for Moment { wish, event, verdict, .. } in moments {
        // Each wish has a thread of its own, because an open wish must not hold up the next.
        let done = match verdict {
            None => tester.on_invoke(*wish, event.wish.clone()).err(),
            Some(verdict) => tester.on_return(*wish, verdict.clone()).err(),
        };
        assert_eq!(done, None, "a history is well-formed");
    }
    tester.is_consistent()
}

fn verdict(outcome: &Outcome) -> Option<Verdict> {
    match outcome {
        Outcome::Granted { token, .. } => Some(Verdict::Granted(*token)),
        Outcome::Refused => Some(Verdict::Refused),
        Outcome::Ended => Some(Verdict::Ended),
        Outcome::Open => None,
    }
}
