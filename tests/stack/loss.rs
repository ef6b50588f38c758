//! Nodes are killed while chains of refreshes run through nginx.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use super::parts::Stack;
use crate::support::api::{Api, Tokens, fresh_key};
use crate::support::wait_for;

/// Repeats a refresh with its key until it is answered; 503 is no answer, and is counted.
async fn refresh_until_answered(api: &Api, token: &str, unanswered: &AtomicUsize) -> Tokens {
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

/// Chains of refreshes that run until they are told to stop.
struct Chains {
    /// How often each was refreshed.
    refreshes: Vec<Arc<AtomicUsize>>,
    /// How often each got 503 instead.
    unanswered: Vec<Arc<AtomicUsize>>,
    stop: Arc<AtomicBool>,
    running: Vec<tokio::task::JoinHandle<Tokens>>,
}

impl Chains {
    async fn start(stack: &Stack, number: usize) -> Self {
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

    /// Until each has been refreshed so often again.
    fn go_on(&self, often: usize) {
        self.wait_until_each("chain goes on", &self.refreshes, often);
    }

    /// Until each has a refresh under way that nobody answers.
    fn get_stuck(&self) {
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

    async fn end(self) -> Vec<Tokens> {
        self.stop.store(true, Ordering::Relaxed);
        let mut last = Vec::new();
        for chain in self.running {
            last.push(chain.await.expect("no chain was refused"));
        }
        last
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_are_killed_while_chains_run_cost_no_user_a_session() {
    let mut stack = Stack::start();
    let chains = Chains::start(&stack, 8).await;
    for (node, stuck) in [(0, false), (1, false), (0, true), (1, true)] {
        chains.go_on(20);
        if stuck {
            // What is under way now is carried out after the node is dead, and nobody hears of it.
            stack.store.freeze();
            chains.get_stuck();
        }
        stack.kill(node);
        stack.store.thaw();
        chains.go_on(20);
        stack.start_again(node);
        wait_for("nginx uses the node again", Duration::from_secs(20), || {
            (stack.met(node, "/oauth/token") > 0).then_some(())
        });
    }
    for tokens in chains.end().await {
        assert_eq!(stack.nginx.public().refresh(&tokens.refresh).await.status, 200);
    }
    assert_eq!(stack.store.ask::<u64>("XLEN tg:revocations"), 0, "nobody was accused");
}

#[tokio::test]
async fn with_no_node_left_every_call_is_503_and_all_is_well_once_one_is_back() {
    let mut stack = Stack::start();
    let (internal, public) = (stack.nginx.internal(), stack.nginx.public());
    let tokens = internal.login("alice").await;
    stack.kill(0);
    stack.kill(1);
    for _ in 0..3 {
        public.refresh(&tokens.refresh).await.expect_error(503, "temporarily_unavailable");
        public.revoke(&tokens.refresh).await.expect_error(503, "temporarily_unavailable");
        public.me(Method::GET, "", &tokens.access).await.expect_error(503, "temporarily_unavailable");
        internal.issue(&json!({"sub": "alice"})).await.expect_error(503, "temporarily_unavailable");
    }
    assert_eq!(public.send(public.request(Method::GET, "/livez")).await.status, 200, "nginx itself is well");
    stack.start_again(1);
    let next = refresh_until_answered(&public, &tokens.refresh, &AtomicUsize::new(0)).await;
    assert_eq!(internal.user(Method::GET, "alice", "").await.sessions(), [next.session]);
}
