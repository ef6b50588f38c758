//! Invariants of a whole history, whatever was lost on the way.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::Broken;
use crate::history::{Event, History, Outcome, TokenId, Wish};

/// Facts about a scenario that the checks must take into account.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// No thief presented a token and nobody logged out, so no client may be refused.
    pub all_honest: bool,
}

pub fn check(events: &[Event], history: &History, rules: Rules) -> Vec<Broken> {
    let mut broken = Vec::new();
    broken.extend(foreign(events));
    broken.extend(forks(events));
    broken.extend(skipped_generations(events, history));
    for session in by_session(events).values() {
        broken.extend(success_after_an_end(session));
        broken.extend(accusations(session, rules));
    }
    broken
}

/// Closed: no request succeeds if it was begun and answered while no node reached Redis.
pub fn success_while_cut_off(history: &History, cuts: &[(u64, u64)]) -> Option<Broken> {
    let succeeded = |event: &Event| matches!(event.outcome, Outcome::Granted { .. } | Outcome::Ended);
    let is_within = |event: &Event| {
        cuts.iter()
            .any(|(from, to)| event.invoked > *from && event.returned.is_some_and(|returned| returned < *to))
    };
    let found = history.events().into_iter().find(|event| succeeded(event) && is_within(event))?;
    Some(Broken::new("closed: nothing 2xx while cut off from Redis", [&found]))
}

pub fn by_session(events: &[Event]) -> BTreeMap<&str, Vec<&Event>> {
    let mut sessions: BTreeMap<&str, Vec<&Event>> = BTreeMap::new();
    for event in events {
        sessions.entry(&event.session).or_default().push(event);
    }
    sessions
}

/// The subject and session of every answer are the client's own.
fn foreign(events: &[Event]) -> Option<Broken> {
    let found = events.iter().find(|event| event.foreign.is_some())?;
    Some(Broken::new("an answer is for whoever asked", [found]))
}

/// At most one successor for any refresh token.
fn forks(events: &[Event]) -> Vec<Broken> {
    let mut successors: HashMap<TokenId, &Event> = HashMap::new();
    let mut broken = Vec::new();
    for event in events {
        let (Wish::Refresh { token, .. }, Outcome::Granted { token: successor, .. }) =
            (&event.wish, &event.outcome)
        else {
            continue;
        };
        let first = successors.entry(*token).or_insert(event);
        if !matches!(first.outcome, Outcome::Granted { token, .. } if token == *successor) {
            broken.push(Broken::new(
                "single use: at most one successor for any refresh token",
                [*first, event],
            ));
        }
    }
    broken
}

/// Each rotation is one generation more.
fn skipped_generations(events: &[Event], history: &History) -> Vec<Broken> {
    let is_wrong = |event: &&Event| match (&event.wish, &event.outcome) {
        (Wish::Refresh { token, .. }, Outcome::Granted { generation, .. }) => {
            *generation != history.generation(*token) + 1
        }
        _ => false,
    };
    events.iter().filter(is_wrong).map(|event| Broken::new("a rotation is one generation", [event])).collect()
}

/// No request of a session succeeds after the session's end was acknowledged.
fn success_after_an_end(session: &[&Event]) -> Option<Broken> {
    let end = session.iter().find(|event| event.wish == Wish::End && event.outcome == Outcome::Ended)?;
    let acknowledged = end.returned?;
    let after = session
        .iter()
        .find(|event| event.invoked > acknowledged && matches!(event.outcome, Outcome::Granted { .. }))?;
    Some(Broken::new("revocation: nothing succeeds after an acknowledged end", [*end, *after]))
}

/// A session is refused for two causes only. Either a client has ended it, or a token was presented with two keys, and
/// one of them has superseded the token, or may have.
fn accusations(session: &[&Event], rules: Rules) -> Option<Broken> {
    let refused = session.iter().find(|event| event.outcome == Outcome::Refused)?;
    let began = |event: &&&Event| event.invoked < refused.returned.unwrap_or(u64::MAX);
    let ended = session.iter().filter(began).any(|event| event.wish == Wish::End);
    let (mut keys, mut superseded) = (HashMap::<TokenId, HashSet<u64>>::new(), HashSet::new());
    for event in session.iter().filter(began) {
        if let Wish::Refresh { token, key } = event.wish {
            keys.entry(token).or_default().insert(key);
            if event.outcome != Outcome::Refused {
                superseded.insert(token);
            }
        }
    }
    let reused = keys.iter().any(|(token, keys)| keys.len() > 1 && superseded.contains(token));
    if (ended || reused) && !rules.all_honest {
        return None;
    }
    Some(Broken::new("no false alarm: an honest client is never refused", tail(session, refused)))
}

/// An event, with the three before it.
fn tail<'a>(session: &[&'a Event], last: &Event) -> Vec<&'a Event> {
    let place = session.iter().position(|event| event.invoked == last.invoked).unwrap_or(0);
    session[place.saturating_sub(3)..=place].to_vec()
}
