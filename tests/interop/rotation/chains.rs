//! Sessions that refresh all the time, and verifiers that check every access token.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use token_gateway_testkit::api::{Api, Tokens, fresh_key, read};
use tokio::sync::mpsc::{Sender, channel};
use tokio::task::JoinSet;
use tokio::time::{interval, sleep};

use super::super::verifier::Verifier;

/// The pause between two refreshes of a session: a load for two cores, beside the verifiers.
const PACE: Duration = Duration::from_millis(500);

/// Tries of one refresh. Nodes are restarted meanwhile, so connections break; all tries carry the same key.
const TRIES: usize = 200;

pub struct Chains {
    shared: Arc<Shared>,
    running: JoinSet<()>,
    verifying: JoinSet<usize>,
}

struct Shared {
    stopped: AtomicBool,
    failures: Mutex<Vec<String>>,
    seen: Mutex<HashMap<Option<String>, Seen>>,
    verifiers: Mutex<Vec<Sender<String>>>,
}

struct Seen {
    first: String,
    times: usize,
}

impl Chains {
    pub async fn start(count: usize, address: &str, verifiers: Vec<Verifier>) -> Self {
        let (mut running, mut verifying, mut senders) = (JoinSet::new(), JoinSet::new(), Vec::new());
        let (failures, seen) = Default::default();
        let shared =
            Arc::new(Shared { stopped: AtomicBool::new(false), failures, seen, verifiers: Mutex::default() });
        for mut verifier in verifiers {
            let (sender, mut tokens) = channel::<String>(count);
            senders.push(sender);
            let shared = shared.clone();
            verifying.spawn(async move {
                let mut checked = 0;
                while let Some(token) = tokens.recv().await {
                    checked += 1;
                    if let Err(error) = verifier.judge(true, &token).await {
                        shared.fail(format!("{error} {:?}", read(&token)));
                        break;
                    }
                }
                drop(tokens);
                verifier.finish().await;
                checked
            });
        }
        *shared.verifiers.lock().unwrap() = senders;
        for n in 0..count {
            let api = Api::new(address);
            let token = api.login(&format!("chain-{n}")).await.refresh;
            running.spawn(chain(api, token, shared.clone()));
        }
        Self { shared, running, verifying }
    }

    /// The number of access tokens of this key so far.
    pub fn seen(&self, kid: Option<&str>) -> usize {
        self.shared.seen.lock().unwrap().get(&kid.map(str::to_owned)).map_or(0, |seen| seen.times)
    }

    pub fn first_of(&self, kid: Option<&str>) -> String {
        self.shared.seen.lock().unwrap()[&kid.map(str::to_owned)].first.clone()
    }

    /// Shows a token to all verifiers.
    pub async fn feed(&self, token: &str) {
        self.shared.feed(token).await;
    }

    #[track_caller]
    pub fn expect_no_failure(&self) {
        let failures = self.shared.failures.lock().unwrap().clone();
        assert!(failures.is_empty(), "{} failures, the first: {}", failures.len(), failures[0]);
    }

    /// Lets every session finish its refresh and every verifier its last token; returns the number of refreshes.
    pub async fn stop(mut self) -> usize {
        self.shared.stopped.store(true, Ordering::SeqCst);
        while let Some(ended) = self.running.join_next().await {
            ended.expect("a chain ends well");
        }
        let seen: usize = self.shared.seen.lock().unwrap().values().map(|seen| seen.times).sum();
        self.shared.verifiers.lock().unwrap().clear();
        while let Some(checked) = self.verifying.join_next().await {
            assert_eq!(checked.expect("a verifier ends well"), seen, "every token was checked");
        }
        self.expect_no_failure();
        seen
    }
}

impl Shared {
    fn fail(&self, what: String) {
        self.stopped.store(true, Ordering::SeqCst);
        self.failures.lock().unwrap().push(what);
    }

    async fn feed(&self, token: &str) {
        let kid = read(token).0["kid"].as_str().map(str::to_owned);
        let times = |seen: &mut Seen| seen.times += 1;
        let fresh = || Seen { first: token.to_owned(), times: 1 };
        self.seen.lock().unwrap().entry(kid).and_modify(times).or_insert_with(fresh);
        let verifiers = self.verifiers.lock().unwrap().clone();
        for verifier in verifiers {
            // A failed verifier takes no more; its failure is known.
            let _ = verifier.send(token.to_owned()).await;
        }
    }
}

async fn chain(api: Api, mut token: String, shared: Arc<Shared>) {
    let mut pace = interval(PACE);
    while !shared.stopped.load(Ordering::SeqCst) {
        pace.tick().await;
        match refresh(&api, &token).await {
            Ok(tokens) => {
                shared.feed(&tokens.access).await;
                token = tokens.refresh;
            }
            Err(error) => return shared.fail(error),
        }
    }
}

/// As a good client does it: a lost refresh, or one answered with "could not know", is repeated with the same key.
async fn refresh(api: &Api, token: &str) -> Result<Tokens, String> {
    let key = fresh_key();
    for _ in 0..TRIES {
        let request = api.refresh_request(token).header("Idempotency-Key", &key);
        match api.try_send(request).await {
            Ok(answer) if answer.status == 200 => return Ok(answer.tokens()),
            Ok(answer) if answer.status != 503 => return Err(format!("a refresh failed: {answer:?}")),
            Ok(_) | Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
    Err(format!("a refresh was not decided in {TRIES} tries"))
}
