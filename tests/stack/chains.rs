//! Sessions with refreshes through nginx, whatever happens to the nodes behind it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use token_gateway_testkit::api::{Api, Tokens, fresh_key};
use token_gateway_testkit::wait_for;

use super::parts::Stack;

/// Repeats a refresh with its key until an answer; 503 is no answer, and is counted.
pub async fn refresh_until_answered(api: &Api, token: &str, unanswered: &AtomicUsize) -> Tokens {
    let key = fresh_key();
    for _ in 0..500 {
        let answer = api.refresh_as(token, &key).await;
        if answer.status != 503 {
            return answer.tokens();
        }
        answer.expect_error(503, "temporarily_unavailable");
        unanswered.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("not answered in 500 tries");
}

/// Sessions that refresh until the test stops them.
pub struct Chains {
    /// How often each was refreshed.
    refreshes: Vec<Arc<AtomicUsize>>,
    /// How often each got 503 instead.
    unanswered: Vec<Arc<AtomicUsize>>,
    stop: Arc<AtomicBool>,
    running: Vec<tokio::task::JoinHandle<Tokens>>,
}

impl Chains {
    pub async fn start(stack: &Stack, number: usize) -> Self {
        let counts = || (0..number).map(|_| Arc::default()).collect();
        let mut chains =
            Self { refreshes: counts(), unanswered: counts(), stop: Arc::default(), running: vec![] };
        for n in 0..number {
            let mut tokens = stack.nginx.internal().login(&format!("user-{n}")).await;
            let (api, stop) = (stack.nginx.public(), chains.stop.clone());
            let (refreshed, unanswered) = (chains.refreshes[n].clone(), chains.unanswered[n].clone());
            chains.running.push(tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    tokens = refresh_until_answered(&api, &tokens.refresh, &unanswered).await;
                    refreshed.fetch_add(1, Ordering::Relaxed);
                }
                tokens
            }));
        }
        chains
    }

    /// Waits until each has been refreshed so often again.
    pub fn go_on(&self, often: usize) {
        self.wait_until_each("chain goes on", &self.refreshes, often);
    }

    /// Waits until each has a refresh under way without an answer.
    pub fn get_stuck(&self) {
        self.wait_until_each("chain gets 503", &self.unanswered, 1);
    }

    fn wait_until_each(&self, what: &str, counts: &[Arc<AtomicUsize>], more: usize) {
        let read = || counts.iter().map(|count| count.load(Ordering::Relaxed));
        let goals: Vec<usize> = read().map(|count| count + more).collect();
        wait_for(&format!("every {what}"), Duration::from_secs(30), || {
            assert!(self.running.iter().all(|chain| !chain.is_finished()), "a chain was refused");
            read().zip(&goals).all(|(count, goal)| count >= *goal).then_some(())
        });
    }

    /// How many refreshes were answered with 200, and how many with 503.
    pub fn counts(&self) -> (usize, usize) {
        let sum = |counts: &[Arc<AtomicUsize>]| counts.iter().map(|it| it.load(Ordering::Relaxed)).sum();
        (sum(&self.refreshes), sum(&self.unanswered))
    }

    pub async fn end(self) -> Vec<Tokens> {
        self.stop.store(true, Ordering::Relaxed);
        let mut last = Vec::new();
        for chain in self.running {
            last.push(chain.await.expect("no chain was refused"));
        }
        last
    }
}
