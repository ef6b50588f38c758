//! All requests and answers of the clients, in one order. Tokens are numbers here, so no history holds a token.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use token_gateway_testkit::api::{Tokens, claims};

/// A refresh token, numbered in the order of first sight.
pub type TokenId = u32;

/// A request as its client means it: from the first try to the deciding answer, with all retries of the attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Present a refresh token, with this number as the `Idempotency-Key`.
    Refresh { token: TokenId, key: u64 },
    /// Log out. A scenario also notes an `End` for a session that a theft ends.
    End,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The token is the successor; `generation` counts the rotations of the session.
    Granted {
        token: TokenId,
        generation: u64,
    },
    Refused,
    Ended,
    /// No deciding answer has arrived.
    Open,
}

#[derive(Debug, Clone)]
pub struct Event {
    pub session: String,
    pub wish: Wish,
    /// The places of request and answer in the one order.
    pub invoked: u64,
    pub returned: Option<u64>,
    pub outcome: Outcome,
    /// Set if the answer names another subject or session than the client's own.
    pub foreign: Option<String>,
}

#[derive(Default)]
pub struct History {
    clock: AtomicU64,
    known: Mutex<Known>,
    events: Mutex<Vec<Event>>,
    odd: Mutex<Vec<String>>,
}

#[derive(Default)]
struct Known {
    /// Ids of refresh tokens, by their `jti`.
    tokens: HashMap<String, TokenId>,
    generations: Vec<u64>,
}

impl History {
    /// The next place in the one order.
    pub fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    pub fn token(&self, refresh: &str) -> TokenId {
        let claims = claims(refresh);
        let jti = claims["jti"].as_str().expect("a jti").to_owned();
        let mut known = self.known.lock().unwrap();
        let next = known.tokens.len() as TokenId;
        let id = *known.tokens.entry(jti).or_insert(next);
        if id == next {
            known.generations.push(claims["gen"].as_u64().expect("a generation"));
        }
        id
    }

    pub fn generation(&self, token: TokenId) -> u64 {
        self.known.lock().unwrap().generations[token as usize]
    }

    pub fn note(&self, event: Event) {
        self.events.lock().unwrap().push(event);
    }

    /// Notes an answer outside the contract, or no answer for too long.
    pub fn note_odd(&self, what: String) {
        self.odd.lock().unwrap().push(what);
    }

    pub fn odd(&self) -> Vec<String> {
        self.odd.lock().unwrap().clone()
    }

    /// All events so far, in the order in which they began.
    pub fn events(&self) -> Vec<Event> {
        let mut events = self.events.lock().unwrap().clone();
        events.sort_by_key(|event| event.invoked);
        events
    }
}

/// Describes an answer that names another subject or session than the client's own.
pub fn foreign(subject: &str, session: &str, answer: &Tokens) -> Option<String> {
    let (access, refresh) = (claims(&answer.access), claims(&answer.refresh));
    let told = [&access["sub"], &refresh["sub"], &access["sid"], &refresh["sid"]];
    let expected = [subject, subject, session, session];
    let is_own = told.iter().zip(expected).all(|(told, own)| told.as_str() == Some(own));
    (!is_own).then(|| format!("{subject} asked for {session}, and was told {told:?}"))
}
