//! Nodes are killed while chains of refreshes run through nginx.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use super::parts::Stack;
use crate::support::api::{Api, Tokens, fresh_key};
use crate::support::wait_for;

/// Repeats a refresh with its key until it is answered; 503 is no answer.
async fn refresh_until_answered(api: &Api, token: &str) -> Tokens {
    let key = fresh_key();
    for _ in 0..500 {
        let answer = api.refresh_as(token, &key).await;
        if answer.status != 503 {
            return answer.tokens();
        }
        answer.expect_error(503, "temporarily_unavailable");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("not answered in 500 tries");
}

/// Chains of refreshes that run until they are told to stop.
struct Chains {
    refreshes: Vec<Arc<AtomicUsize>>,
    stop: Arc<AtomicBool>,
    running: Vec<tokio::task::JoinHandle<Tokens>>,
}

impl Chains {
    async fn start(stack: &Stack, number: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (mut refreshes, mut running) = (Vec::new(), Vec::new());
        for n in 0..number {
            let mut tokens = stack.nginx.internal().login(&format!("user-{n}")).await;
            let (api, count, stop) = (stack.nginx.public(), Arc::new(AtomicUsize::new(0)), stop.clone());
            refreshes.push(count.clone());
            running.push(tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    tokens = refresh_until_answered(&api, &tokens.refresh).await;
                    count.fetch_add(1, Ordering::Relaxed);
                }
                tokens
            }));
        }
        Self { refreshes, stop, running }
    }

    /// Until each has been refreshed so often again.
    fn go_on(&self, often: usize) {
        let goals: Vec<usize> =
            self.refreshes.iter().map(|count| count.load(Ordering::Relaxed) + often).collect();
        wait_for("every chain goes on", Duration::from_secs(30), || {
            assert!(self.running.iter().all(|chain| !chain.is_finished()), "a chain was refused");
            let reached = |(count, goal): (&Arc<AtomicUsize>, &usize)| count.load(Ordering::Relaxed) >= *goal;
            self.refreshes.iter().zip(&goals).all(reached).then_some(())
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
    for node in [0, 1, 0, 1] {
        chains.go_on(20);
        stack.kill(node);
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
    let next = refresh_until_answered(&public, &tokens.refresh).await;
    assert_eq!(internal.user(Method::GET, "alice", "").await.sessions(), [next.session]);
}
