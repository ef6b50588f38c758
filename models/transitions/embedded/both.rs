//! The table and the embedded store side by side, with the answers of both in one spelling.

use std::time::Duration;

use futures_util::FutureExt;
use token_gateway::store::memory::MemoryStore;
use token_gateway::store::{
    Created, EndOutcome, Lookup, NewSession, Policy, ReuseScope, Rotated, Rotation, Store,
};
use token_gateway_core::clock::{Moment, Timestamp};
use token_gateway_core::session::{Attempt, Jti, Reason, SessionId, Subject};

use super::Step;
use crate::record::{Record, Records, SESSIONS, Stamp, Token};
use crate::table::{self, Answer, Now, Table};

const HOUR: Duration = Duration::from_secs(3600);

/// The absolute lifetimes of the nodes, in hours.
pub const MAX_AGES: [Option<u8>; 3] = [None, Some(9), Some(4)];

/// The last generation with a `jti` in the model.
const LAST_GENERATION: u8 = 9;

/// Both, and their common story.
pub struct Both {
    records: Records,
    /// One store, as nodes with different settings see it.
    nodes: [MemoryStore; MAX_AGES.len()],
    subject: Subject,
    firsts: [Jti; SESSIONS],
    grace: u8,
    hour: u8,
    /// The store's time before each step. The model's time is the number of the step, doubled.
    moments: Vec<Timestamp>,
    tokens: Vec<Token>,
}

impl Both {
    pub fn new(grace: u8) -> Self {
        let year = HOUR * 24 * 365;
        let policy = |max_age: Option<u8>| Policy {
            refresh_ttl: year,
            session_max_age: max_age.map(|hours| HOUR * u32::from(hours)),
            refresh_grace: HOUR * u32::from(grace),
            reuse_scope: ReuseScope::Subject,
            held_up: year,
            max_sessions: SESSIONS,
            tombstone_ttl: year,
            feed_retention: year,
        };
        let store = MemoryStore::new(policy(None));
        Self {
            records: [Record::Missing; SESSIONS],
            nodes: MAX_AGES.map(|max_age| store.under(policy(max_age))),
            subject: "alice".parse().expect("a subject"),
            firsts: std::array::from_fn(|_| Jti::first(SessionId::random())),
            grace,
            hour: 0,
            moments: Vec::new(),
            tokens: Vec::new(),
        }
    }

    fn store(&self) -> &MemoryStore {
        &self.nodes[0]
    }

    /// Notes a moment later than all stamps so far, and earlier than all later ones.
    pub fn begin(&mut self) {
        let moment = self.later_than(self.time());
        self.later_than(moment);
        self.moments.push(moment);
    }

    fn later_than(&self, moment: Timestamp) -> Timestamp {
        std::iter::repeat_with(|| self.time()).find(|now| *now > moment).expect("time goes by")
    }

    fn time(&self) -> Timestamp {
        at_once(self.store().now(&self.subject)).expect("a clock")
    }

    /// The moment at which the call of this step set out, for the model and for the store.
    fn sent(&self, steps_ago: usize) -> (Stamp, Moment) {
        let step = (self.moments.len() - 1).saturating_sub(steps_ago);
        (Stamp { clock: 0, moment: 2 * step as u8 }, Moment::Stored(self.moments[step]))
    }

    fn now(&self, node: usize) -> Now {
        let time = Stamp { clock: 0, moment: 2 * self.moments.len() as u8 - 1 };
        Now { time, hour: self.hour, grace: self.grace, max_age: MAX_AGES[node] }
    }

    /// A granted token: `before` tokens older than the newest, and moved `ahead` by so many rotations.
    fn token(&self, before: usize, ahead: u8) -> Option<Token> {
        let token = self.tokens.iter().rev().nth(before % self.tokens.len().max(1))?;
        (token.generation + ahead < LAST_GENERATION)
            .then(|| (0..ahead).fold(*token, |token, _| token.successor(4)))
    }

    /// The answers of the model and of the store.
    pub fn take(&mut self, step: &Step) -> (String, String) {
        match *step {
            Step::Login { node, session, expired } => self.login(node, session, expired),
            Step::Rotate { node, token, ahead, attempt, steps_ago, accuse } => {
                let token = self.token(token, ahead);
                token.map(|token| self.rotate(node, token, attempt, (steps_ago, accuse))).unwrap_or_default()
            }
            Step::EndSession(session) => {
                let was_live = self.records[session].live().is_some();
                Table::end_session(&mut self.records[session]);
                let session = self.firsts[session].session();
                let ended = at_once(self.store().end_session(&self.subject, session, Reason::Logout));
                (was_live.to_string(), (ended.expect("an answer") == EndOutcome::Ended).to_string())
            }
            Step::EndSubject { steps_ago } => {
                let ((stamp, sent_at), now) = (self.sent(steps_ago), self.now(0));
                Table::FULL.end_subject(&mut self.records, stamp, now);
                at_once(self.store().end_subject(&self.subject, None, Reason::Logout, sent_at))
                    .expect("an answer");
                Default::default()
            }
            Step::Hour => {
                self.hour += 1;
                self.store().age(HOUR);
                self.records.iter_mut().for_each(|record| record.expire(self.hour));
                self.moments.iter_mut().for_each(|moment| *moment = moment.minus(HOUR));
                Default::default()
            }
        }
    }

    fn login(&mut self, node: usize, session: usize, expired: bool) -> (String, String) {
        let (first, now) = (Token::first(session), self.now(node));
        let expected = Table::FULL.create(&mut self.records[session], expired, first, now);
        let deadline = if expired { Timestamp(0) } else { self.time().plus(HOUR) };
        let (jti, deadline) = (self.firsts[session], Moment::Stored(deadline));
        let (subject, claims, text) = (&self.subject, "{}", "");
        let new = NewSession {
            subject,
            jti,
            deadline,
            claims,
            client: claims,
            client_id: text,
            scope: text,
            aud: text,
        };
        let created = at_once(self.nodes[node].create(&new)).expect("an answer");
        self.tokens.push(first);
        (expected.to_string(), matches!(created, Created::Created { .. }).to_string())
    }

    fn rotate(
        &mut self,
        node: usize,
        presented: Token,
        attempt: u8,
        (steps_ago, accuse): (usize, bool),
    ) -> (String, String) {
        let ((stamp, sent_at), now) = (self.sent(steps_ago), self.now(node));
        let successor = presented.successor(attempt);
        let call = table::Rotation { presented, successor, sent_at: stamp, accuse };
        let expected = Table::FULL.rotate(&mut self.records, call, now);
        let rotation = Rotation {
            subject: &self.subject,
            presented: self.jti(presented),
            generation: presented.generation.into(),
            successor: self.jti(successor),
            sent_at,
            client: "",
            accuse,
        };
        let rotated = at_once(self.nodes[node].rotate(&rotation)).expect("an answer");
        self.tokens.extend(expected.successor().filter(|token| self.tokens.last() != Some(token)));
        (self.told(expected), told(&rotated))
    }

    /// The store's `jti` for a token of the model, made by the attempts in the model's `jti`, in their order.
    fn jti(&self, token: Token) -> Jti {
        let attempts = (0..token.generation).rev().map(|back| (token.jti >> (3 * back)) & 7);
        attempts.fold(self.firsts[usize::from(token.session)], |jti, attempt| {
            let key = format!("attempt-number-{attempt}").parse().expect("long enough");
            jti.successor(&Attempt::Keyed(key))
        })
    }

    fn told(&self, answer: Answer) -> String {
        let name = name_of(answer);
        answer.successor().map_or_else(
            || name.to_owned(),
            |token| format!("{name} {} {}", self.jti(token), token.generation),
        )
    }

    /// The records of both.
    pub fn states(&self) -> (Vec<String>, Vec<String>) {
        let of_model = self.records.iter().map(|record| match record {
            Record::Missing => "missing".to_owned(),
            Record::Ended => "ended".to_owned(),
            Record::Live(live) => format!("{} {}", self.jti(live.current), live.current.generation),
        });
        let of_store = self.firsts.iter().map(|first| {
            match at_once(self.store().get(&self.subject, first.session())).expect("an answer") {
                Lookup::Missing => "missing".to_owned(),
                Lookup::Ended { .. } => "ended".to_owned(),
                Lookup::Live { record, jti, .. } => format!("{jti} {}", record.generation),
            }
        });
        (of_model.collect(), of_store.collect())
    }
}

fn at_once<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("the embedded store waits for nothing")
}

fn name_of(answer: Answer) -> &'static str {
    match answer {
        Answer::Unknown => "unknown",
        Answer::Ended => "ended",
        Answer::Replayed(_) => "replayed",
        Answer::Rotated(_) => "rotated",
        Answer::RolledBack(_) => "rolled back",
        Answer::Late => "late",
        Answer::Suspect => "suspect",
        Answer::Reused => "reused",
    }
}

fn told(rotated: &Rotated) -> String {
    match rotated {
        Rotated::Missing => "unknown".to_owned(),
        Rotated::Ended { .. } => "ended".to_owned(),
        Rotated::Replayed(to) => format!("replayed {} {}", to.jti, to.generation),
        Rotated::Rotated(to) => format!("rotated {} {}", to.jti, to.generation),
        Rotated::RolledBack(to) => format!("rolled back {} {}", to.jti, to.generation),
        Rotated::Late => "late".to_owned(),
        Rotated::Suspect => "suspect".to_owned(),
        Rotated::Reused(_) => "reused".to_owned(),
    }
}
