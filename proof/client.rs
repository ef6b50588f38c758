//! Clients with the habits of real ones. They give up waiting, hang up, and repeat an attempt at any node until it is
//! decided.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use reqwest::Method;
use token_gateway_testkit::api::{Answer, Api, Tokens};
use tokio::time::{sleep, timeout};

use crate::history::{Event, History, Outcome, Wish, foreign};

/// The patience of clients in a hurry: they retry while their first request may still be on its way.
const HURRY: Duration = Duration::from_millis(1500);

/// A client is lost if its request is not decided within this time. Clients retry sooner than `Retry-After` asks.
const LIMIT: Duration = Duration::from_secs(120);

/// Several nodes, and the history of their answers.
pub struct Fleet {
    pub apis: Vec<Api>,
    /// The addresses for logins: nginx has them on a port of their own.
    pub logins: Vec<Api>,
    pub history: History,
    pub counts: Counts,
    /// The client drops one request in so many before the answer.
    pub abort_one_in: u32,
    /// The time for which a client waits for an answer.
    pub patience: Duration,
}

#[derive(Default)]
pub struct Counts {
    pub refreshes: AtomicU64,
    pub tries: AtomicU64,
    pub unavailable: AtomicU64,
    /// Those of the 503s that name a bound of the node.
    pub at_a_bound: AtomicU64,
    pub aborted: AtomicU64,
    pub unanswered: AtomicU64,
    pub logins: AtomicU64,
}

impl Counts {
    pub fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn refused(&self, answer: &Answer) {
        Self::add(&self.unavailable);
        if names_a_bound(answer) {
            Self::add(&self.at_a_bound);
        }
    }

    pub fn told(&self) -> Vec<(&'static str, u64)> {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        vec![
            ("logins", get(&self.logins)),
            ("refreshes decided", get(&self.refreshes)),
            ("requests", get(&self.tries)),
            ("answered 503", get(&self.unavailable)),
            ("dropped by the client", get(&self.aborted)),
            ("not answered in time", get(&self.unanswered)),
        ]
    }
}

/// A session, with its newest tokens.
#[derive(Clone)]
pub struct Chain {
    pub subject: String,
    pub tokens: Tokens,
}

impl Fleet {
    pub fn new(apis: Vec<Api>, abort_one_in: u32) -> Arc<Self> {
        let (history, counts) = (History::default(), Counts::default());
        Arc::new(Self { logins: apis.clone(), apis, history, counts, abort_one_in, patience: HURRY })
    }

    pub fn patient(apis: Vec<Api>, logins: Vec<Api>, patience: Duration) -> Arc<Self> {
        let (history, counts) = (History::default(), Counts::default());
        Arc::new(Self { apis, logins, history, counts, abort_one_in: 0, patience })
    }

    pub async fn login(&self, subject: &str, rng: &mut Rng) -> Chain {
        let body = serde_json::json!({ "sub": subject });
        let login = self.persist(rng, 201, |api| api.service(Method::POST, "/v1/sessions").json(&body)).await;
        let tokens = login.expect("a login is decided").tokens();
        if let Some(wrong) = foreign(subject, &tokens.session, &tokens) {
            self.history.note_odd(wrong);
        }
        Counts::add(&self.counts.logins);
        Chain { subject: subject.to_owned(), tokens }
    }

    /// Presents a token, always with one key, until an answer decides.
    pub async fn present(&self, chain: &Chain, refresh: &str, rng: &mut Rng) -> (Outcome, Option<Tokens>) {
        let key = rng.u64(..);
        let text = format!("idempotency-key-{key:020}");
        let wish = Wish::Refresh { token: self.history.token(refresh), key };
        let invoked = self.history.now();
        let answer =
            self.persist(rng, 200, |api| api.refresh_request(refresh).header("Idempotency-Key", &text)).await;
        Counts::add(&self.counts.refreshes);
        let (mut outcome, mut tokens, mut wrong) = (Outcome::Open, None, None);
        match answer.as_ref().map(|answer| answer.status.as_u16()) {
            Some(200) => {
                let granted = answer.expect("just seen").tokens();
                wrong = foreign(&chain.subject, &chain.tokens.session, &granted);
                let token = self.history.token(&granted.refresh);
                outcome = Outcome::Granted { token, generation: self.history.generation(token) };
                tokens = Some(granted);
            }
            Some(400) => outcome = Outcome::Refused,
            _ => {}
        }
        self.note(chain, wish, invoked, outcome.clone(), wrong);
        (outcome, tokens)
    }

    /// Exchanges the session's newest token.
    pub async fn refresh(&self, chain: &mut Chain, rng: &mut Rng) -> Outcome {
        let newest = chain.tokens.refresh.clone();
        let (outcome, tokens) = self.present(chain, &newest, rng).await;
        if let Some(tokens) = tokens {
            chain.tokens = tokens;
        }
        outcome
    }

    /// Repeats a logout until it is acknowledged.
    pub async fn log_out(&self, chain: &Chain, rng: &mut Rng) -> Outcome {
        self.log_out_with(chain, &chain.tokens.refresh, rng).await
    }

    /// The same with a refresh token or an access token.
    pub async fn log_out_with(&self, chain: &Chain, token: &str, rng: &mut Rng) -> Outcome {
        let invoked = self.history.now();
        let answer = self.persist(rng, 200, |api| api.form("/oauth/revoke", &[("token", token)])).await;
        let ended = answer.is_some_and(|answer| answer.status == 200);
        let outcome = if ended { Outcome::Ended } else { Outcome::Open };
        self.note(chain, Wish::End, invoked, outcome.clone(), None);
        outcome
    }

    fn note(&self, chain: &Chain, wish: Wish, invoked: u64, outcome: Outcome, foreign: Option<String>) {
        let returned = (outcome != Outcome::Open).then(|| self.history.now());
        let session = chain.tokens.session.clone();
        self.history.note(Event { session, wish, invoked, returned, outcome, foreign });
    }

    /// Repeats a request, at any node, until the answer is `granted` or `invalid_grant`. Returns `None` for an answer
    /// outside the contract, and after `LIMIT`.
    async fn persist(
        &self,
        rng: &mut Rng,
        granted: u16,
        request: impl Fn(&Api) -> reqwest::RequestBuilder,
    ) -> Option<Answer> {
        let began = Instant::now();
        while began.elapsed() < LIMIT {
            let apis = if granted == 201 { &self.logins } else { &self.apis };
            let api = &apis[rng.usize(..apis.len())];
            Counts::add(&self.counts.tries);
            // A repeated login is another session, so no client hangs up on a login.
            let hangs_up = granted != 201 && self.abort_one_in > 0 && rng.u32(..self.abort_one_in) == 0;
            let patience = if hangs_up { Duration::from_micros(rng.u64(0..4000)) } else { self.patience };
            match timeout(patience, api.try_send(request(api))).await {
                Ok(Ok(answer)) if answer.status == granted || is_invalid_grant(&answer) => {
                    return Some(answer);
                }
                Ok(Ok(answer)) if answer.status != 503 => {
                    self.history.note_odd(format!("answered {}", answer.status));
                    return None;
                }
                Ok(Ok(answer)) => self.counts.refused(&answer),
                Err(_) if hangs_up => {
                    Counts::add(&self.counts.aborted);
                    continue;
                }
                Ok(Err(_)) | Err(_) => Counts::add(&self.counts.unanswered),
            }
            sleep(Duration::from_millis(rng.u64(2..25))).await;
        }
        self.history.note_odd(format!("no decision within {LIMIT:?}"));
        None
    }
}

/// Whether a 503 says that there are too many requests, or too many connections.
fn names_a_bound(answer: &Answer) -> bool {
    answer.text.contains(r#""error_description":"too many "#)
}

fn is_invalid_grant(answer: &Answer) -> bool {
    answer.status == 400 && answer.json()["error"] == "invalid_grant"
}
