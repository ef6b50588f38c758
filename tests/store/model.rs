//! A model-based property test: random operations on several sessions of several subjects, with delayed and doubled
//! calls and time moved forward, run against both backends. Compares every answer, and the resulting state after each
//! step. A failure shrinks to the shortest story of it.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use token_gateway::store::{
    Created, Ends, Lookup, Policy, ReuseScope, Rotated, Rotation, SessionRecord, Successor,
};
use token_gateway_core::clock::{Moment, Timestamp};
use token_gateway_core::feed::EndedSession;
use token_gateway_core::session::{Jti, Reason, SessionId, Subject};
use tokio::runtime::Runtime;

use super::{Bench, CLIENT, new_session, policy, subject, successor};

/// The nodes of a deployment; they differ in their absolute lifetime.
const NODES: usize = 3;

/// Devices at a refresh: none, that of the login, and another.
const CLIENTS: [&str; 3] = ["", CLIENT, r#"{"label":"phone"}"#];

const SUBJECTS: [&str; 2] = ["alice", "b}b"];

#[derive(Debug, Clone)]
enum Step {
    Create {
        node: usize,
        subject: usize,
    },
    /// An earlier create arrives again.
    CreateAgain {
        node: usize,
        which: usize,
    },
    Rotate {
        /// The node that calls, by its absolute lifetime.
        node: usize,
        token: usize,
        attempt: usize,
        sent: Sent,
        /// Which of `CLIENTS` the call carries.
        client: usize,
        accuse: bool,
    },
    /// A token ahead of its record, as after a failover.
    RotateAhead {
        node: usize,
        token: usize,
        by: u64,
        client: usize,
    },
    EndSession {
        token: usize,
    },
    EndSubject {
        subject: usize,
        spare: Option<usize>,
        sent: Sent,
    },
    PublishUnpublished {
        subject: usize,
    },
    SetClaims {
        node: usize,
        subject: usize,
        token: Option<usize>,
    },
    Age {
        seconds: u64,
    },
}

/// The moment of sending, in steps before the arrival.
#[derive(Debug, Clone, Copy)]
enum Sent {
    Now,
    StepsAgo(usize),
}

fn sent() -> impl Strategy<Value = Sent> {
    prop_oneof![3 => Just(Sent::Now), 1 => (1usize..8).prop_map(Sent::StepsAgo)]
}

/// Most calls come from nodes with the present setting.
fn node() -> impl Strategy<Value = usize> {
    prop_oneof![4 => Just(0usize), 1 => 1..NODES]
}

fn step() -> impl Strategy<Value = Step> {
    let (subject, token) = (0..SUBJECTS.len(), any::<prop::sample::Index>());
    let token = token.prop_map(|index| index.index(1 << 16));
    prop_oneof![
        4 => (node(), subject.clone()).prop_map(|(node, subject)| Step::Create { node, subject }),
        1 => (node(), 0usize..20).prop_map(|(node, which)| Step::CreateAgain { node, which }),
        12 => (node(), token.clone(), 0usize..3, sent(), 0..CLIENTS.len(), any::<bool>()).prop_map(
            |(node, token, attempt, sent, client, accuse)| {
                Step::Rotate { node, token, attempt, sent, client, accuse }
            }
        ),
        1 => (node(), token.clone(), 1u64..4, 0..CLIENTS.len())
            .prop_map(|(node, token, by, client)| Step::RotateAhead { node, token, by, client }),
        1 => token.clone().prop_map(|token| Step::EndSession { token }),
        1 => (subject.clone(), prop::option::of(token.clone()), sent())
            .prop_map(|(subject, spare, sent)| Step::EndSubject { subject, spare, sent }),
        1 => subject.clone().prop_map(|subject| Step::PublishUnpublished { subject }),
        1 => (node(), subject, prop::option::of(token))
            .prop_map(|(node, subject, token)| Step::SetClaims { node, subject, token }),
        2 => prop::sample::select(vec![30u64, 110, 310, 430]).prop_map(|seconds| Step::Age { seconds }),
    ]
}

/// A refresh token that was handed out, or would have been.
#[derive(Debug, Clone)]
struct Token {
    subject: usize,
    jti: Jti,
    generation: u64,
}

/// A test client's memory of one backend.
struct Client<'a> {
    nodes: &'a [Bench; NODES],
    /// The store's time before each step, to send a call then and let it arrive now.
    moments: Vec<Timestamp>,
    deadlines: Vec<Timestamp>,
}

impl Client<'_> {
    fn sent_at(&self, sent: Sent) -> Timestamp {
        let back = if let Sent::StepsAgo(steps) = sent { steps } else { 0 };
        self.moments[self.moments.len().saturating_sub(1 + back)]
    }

    fn age(&mut self, by: Duration) {
        self.nodes[0].age(by);
        for moment in self.moments.iter_mut().chain(&mut self.deadlines) {
            *moment = moment.minus(by);
        }
    }
}

/// The story so far, the same for every backend.
#[derive(Default)]
struct Story {
    tokens: Vec<Token>,
    created: Vec<Token>,
}

impl Story {
    fn token(&self, index: usize) -> Option<Token> {
        (!self.tokens.is_empty())
            .then(|| self.tokens[self.tokens.len() - 1 - index % self.tokens.len()].clone())
    }

    /// Runs one step on one backend; the answer with times made relative, and its new token.
    async fn run(&self, client: &mut Client<'_>, step: &Step, fresh: Jti) -> (String, Option<Token>) {
        client.moments.push(client.nodes[0].moment().await);
        let nodes = client.nodes.each_ref().map(|node| node.store.clone());
        let store = nodes[0].clone();
        let named = |index: usize| subject(SUBJECTS[index]);
        match step {
            Step::Create { node, subject } => {
                let deadline = client.sent_at(Sent::Now).plus(Duration::from_secs(50));
                client.deadlines.push(deadline);
                let subject_name = named(*subject);
                let new = new_session(&subject_name, fresh, deadline);
                let answer = nodes[*node].create(&new).await.unwrap();
                (told_created(answer), Some(Token { subject: *subject, jti: fresh, generation: 0 }))
            }
            Step::CreateAgain { node, which } => {
                let Some(token) = self.created.get(*which) else { return (String::new(), None) };
                let new_subject = named(token.subject);
                let new = new_session(&new_subject, token.jti, client.deadlines[*which]);
                (told_created(nodes[*node].create(&new).await.unwrap()), None)
            }
            Step::Rotate { node, token, attempt, sent, client: device, accuse } => {
                let Some(token) = self.token(*token) else { return (String::new(), None) };
                let sent_at = client.sent_at(*sent);
                let attempt = attempt.to_string();
                let from = CLIENTS[*device];
                self.rotate(&client.nodes[*node], &token, &attempt, sent_at, from, *accuse).await
            }
            Step::RotateAhead { node, token, by, client: device } => {
                let Some(mut token) = self.token(*token) else { return (String::new(), None) };
                for _ in 0..*by {
                    token.jti = successor(token.jti, "lost");
                    token.generation += 1;
                }
                let sent_at = client.sent_at(Sent::Now);
                self.rotate(&client.nodes[*node], &token, "healed", sent_at, CLIENTS[*device], true).await
            }
            Step::EndSession { token } => {
                let Some(token) = self.token(*token) else { return (String::new(), None) };
                let subject = named(token.subject);
                let ended = store.end_session(&subject, token.jti.session(), Reason::Logout).await;
                (format!("{:?}", ended.unwrap()), None)
            }
            Step::EndSubject { subject, spare, sent } => {
                let spare = spare.and_then(|index| self.token(index)).map(|token| token.jti.session());
                let sent_at = client.sent_at(*sent);
                let ended = store
                    .end_subject(&named(*subject), spare, Reason::Admin, Moment::Stored(sent_at))
                    .await
                    .unwrap();
                (told_ended(ended), None)
            }
            Step::PublishUnpublished { subject } => {
                let subject = named(*subject);
                let before = store.unpublished(&subject).await.unwrap();
                store.publish(&subject, &before).await.unwrap();
                store.mark_published(&subject, &before).await.unwrap();
                (told_ended(Ends { now: Vec::new(), before }), None)
            }
            Step::SetClaims { node, subject, token } => {
                let session = token.and_then(|index| self.token(index)).map(|token| token.jti.session());
                let store = &nodes[*node];
                let mut changed = store.set_claims(&named(*subject), session, r#"{"x":1}"#).await.unwrap();
                changed.sort();
                (format!("{changed:?}"), None)
            }
            Step::Age { seconds } => {
                client.age(Duration::from_secs(*seconds));
                (String::new(), None)
            }
        }
    }

    async fn rotate(
        &self,
        node: &Bench,
        token: &Token,
        attempt: &str,
        sent_at: Timestamp,
        client: &str,
        accuse: bool,
    ) -> (String, Option<Token>) {
        let rotation = Rotation {
            subject: &subject(SUBJECTS[token.subject]),
            presented: token.jti,
            generation: token.generation,
            successor: successor(token.jti, attempt),
            sent_at: Moment::Stored(sent_at),
            client,
            accuse,
        };
        let answer = node.store.rotate(&rotation).await.unwrap();
        let handed_out = match &answer {
            Rotated::Rotated(grant) | Rotated::Replayed(grant) | Rotated::RolledBack(grant) => {
                Some(Token { subject: token.subject, jti: grant.jti, generation: grant.generation })
            }
            _ => None,
        };
        (told_rotated(answer), handed_out)
    }

    /// The whole visible state of one backend, with times relative to now.
    async fn state(&self, client: &Client<'_>) -> String {
        let mut state = String::new();
        let now = client.nodes[0].moment().await;
        for (node, name) in client.nodes.iter().flat_map(|node| SUBJECTS.map(|name| (node, name))) {
            let mut live = node.list(&subject(name)).await;
            live.sort_by_key(|record| record.session);
            for record in &live {
                state.push_str(&told_record(record, now));
            }
        }
        let mut sessions: Vec<(Subject, SessionId)> =
            self.tokens.iter().map(|token| (subject(SUBJECTS[token.subject]), token.jti.session())).collect();
        sessions.sort();
        sessions.dedup();
        for (subject, session) in sessions {
            let told = match client.nodes[0].store.get(&subject, session).await.unwrap() {
                Lookup::Live { record, claims, jti, first_client } => {
                    format!("{} {claims} {jti} {first_client}", told_record(&record, now))
                }
                Lookup::Ended { reason, published, ended_at } => {
                    format!("ended {reason:?} {published} {}s ago", seconds(now, ended_at))
                }
                Lookup::Missing => "unknown".to_owned(),
            };
            state.push_str(&format!("{session}: {told}\n"));
        }
        state
    }
}

/// Rounded to tens: lifetimes and ages are multiples, and a story takes less than five seconds to run.
fn seconds(later: Timestamp, earlier: Timestamp) -> i64 {
    ((later.0 as i64 - earlier.0 as i64) as f64 / 1e7).round() as i64 * 10
}

/// The lifetimes of the contract, ten times as long.
fn long_policy() -> Policy {
    let contract = policy();
    Policy {
        refresh_ttl: contract.refresh_ttl * 10,
        session_max_age: contract.session_max_age.map(|age| age * 10),
        tombstone_ttl: contract.tombstone_ttl * 10,
        ..contract
    }
}

fn told_created(answer: Created) -> String {
    match answer {
        Created::Created { created_at, absolute_expires_at, ended } => {
            let lifetime = absolute_expires_at.map(|end| seconds(end, created_at));
            format!("created for {lifetime:?}, {}", told_ended(ended))
        }
        other => format!("{other:?}"),
    }
}

fn told_rotated(answer: Rotated) -> String {
    match answer {
        Rotated::Rotated(grant) => format!("rotated {}", told_grant(&grant)),
        Rotated::Replayed(grant) => format!("replayed {}", told_grant(&grant)),
        Rotated::RolledBack(grant) => format!("rolled back {}", told_grant(&grant)),
        Rotated::Reused(ended) => format!("reused {}", told_ended(ended)),
        other => format!("{other:?}"),
    }
}

fn told_grant(grant: &Successor) -> String {
    let Successor { now, jti, generation, issued_at, absolute_expires_at, claims, scope, aud } = grant;
    let left = absolute_expires_at.map(|end| seconds(end, *now));
    format!("{jti} {generation} {}s {left:?} {claims} {scope} {aud}", seconds(*now, *issued_at))
}

fn told_ended(ended: Ends) -> String {
    let told = |mut list: Vec<EndedSession>| {
        list.sort_by_key(|one| one.session);
        format!("{list:?}")
    };
    format!("now {} before {}", told(ended.now), told(ended.before))
}

fn told_record(record: &SessionRecord, now: Timestamp) -> String {
    let SessionRecord { session, generation, client, client_id, .. } = record;
    let times = [record.created_at, record.last_refreshed_at, record.expires_at].map(|at| seconds(now, at));
    let absolute = record.absolute_expires_at.map(|at| seconds(now, at));
    format!("{session} {generation} {times:?} {absolute:?} {client} {client_id}\n")
}

async fn compare(
    memory: &[Bench; NODES],
    redis: &[Bench; NODES],
    steps: &[Step],
) -> Result<(), TestCaseError> {
    let mut story = Story::default();
    let mut clients =
        [memory, redis].map(|nodes| Client { nodes, moments: Vec::new(), deadlines: Vec::new() });
    for (number, step) in steps.iter().enumerate() {
        let fresh = Jti::first(SessionId::random());
        let (expected, token) = story.run(&mut clients[0], step, fresh).await;
        let (answer, _) = story.run(&mut clients[1], step, fresh).await;
        prop_assert_eq!(&answer, &expected, "step {} {:?}", number, step);
        story.tokens.extend(token.clone());
        if matches!(step, Step::Create { .. }) {
            story.created.extend(token);
        }
        let (expected, state) = (story.state(&clients[0]).await, story.state(&clients[1]).await);
        prop_assert_eq!(state, expected, "the state after step {} {:?}", number, step);
    }
    Ok(())
}

/// The deployment of a store: nodes with the policy, with a lower absolute lifetime, and without one.
fn nodes(bench: Bench, policy: &Policy) -> [Bench; NODES] {
    let [lower, none] = [Some(Duration::from_secs(400)), None]
        .map(|session_max_age| bench.under(Policy { session_max_age, ..policy.clone() }));
    [bench, lower, none]
}

fn check(policy: Policy) {
    let runtime = Runtime::new().expect("a runtime");
    let redis = runtime.block_on(async { nodes(Bench::redis(policy.clone()), &policy) });
    let config = Config { cases: 150, failure_persistence: None, ..Config::default() };
    let story = prop::collection::vec(step(), 1..40);
    let outcome = TestRunner::new(config).run(&story, |steps| {
        redis[0].server().expect("a server").ask::<String>(&["FLUSHALL"]);
        let memory = nodes(Bench::memory(policy.clone()), &policy);
        runtime.block_on(compare(&memory, &redis, &steps))
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

#[test]
fn both_backends_tell_the_same_story_without_grace() {
    check(long_policy());
}

#[test]
fn both_backends_tell_the_same_story_when_tombstones_outlive_sessions() {
    let (tombstone_ttl, session_max_age) = (Duration::from_secs(1000), Some(Duration::from_secs(500)));
    check(Policy { tombstone_ttl, session_max_age, max_sessions: 2, ..long_policy() });
}

#[test]
fn both_backends_tell_the_same_story_with_grace_and_the_session_as_reuse_scope() {
    let refresh_grace = Duration::from_secs(100);
    check(Policy { refresh_grace, reuse_scope: ReuseScope::Session, session_max_age: None, ..long_policy() });
}
