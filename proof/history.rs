//! Everything that clients did and heard, in one order. Tokens are numbers here: no history holds a token.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use token_gateway_testkit::api::{Tokens, claims};

/// A refresh token, by the order in which it was first seen.
pub type TokenId = u32;

/// What a client wants: from its first try to the answer that decided it, retries of the same attempt included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Present a refresh token, with an `Idempotency-Key` that is this number.
    Refresh { token: TokenId, key: u64 },
    /// Log out, or end all sessions of the user.
    End,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// This is the successor, `generation` its number in the chain.
    Granted {
        token: TokenId,
        generation: u64,
    },
    Refused,
    Ended,
    /// Nothing that decides was ever heard.
    Open,
}

#[derive(Debug, Clone)]
pub struct Event {
    pub session: String,
    pub wish: Wish,
    /// Places in the one order of everything.
    pub invoked: u64,
    pub returned: Option<u64>,
    pub outcome: Outcome,
    /// Set where an answer spoke of another subject or session than the one that asked.
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

    /// Something that the contract does not know was answered, or nothing for too long.
    pub fn note_odd(&self, what: String) {
        self.odd.lock().unwrap().push(what);
    }

    pub fn odd(&self) -> Vec<String> {
        self.odd.lock().unwrap().clone()
    }

    /// All of it so far, in the order in which it was begun.
    pub fn events(&self) -> Vec<Event> {
        let mut events = self.events.lock().unwrap().clone();
        events.sort_by_key(|event| event.invoked);
        events
    }
}

/// What is wrong with the answer to a client that has `own`, if anything.
pub fn foreign(subject: &str, session: &str, answer: &Tokens) -> Option<String> {
    let (access, refresh) = (claims(&answer.access), claims(&answer.refresh));
    let told = [&access["sub"], &refresh["sub"], &access["sid"], &refresh["sid"]];
    let expected = [subject, subject, session, session];
    let is_own = told.iter().zip(expected).all(|(told, own)| told.as_str() == Some(own));
    (!is_own).then(|| format!("{subject} asked for {session}, and was told {told:?}"))
}
