//! Nodes are killed while sessions refresh through nginx.

use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use token_gateway_testkit::wait_for;

use super::chains::{Chains, refresh_until_answered};
use super::parts::Stack;

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_are_killed_while_chains_run_cost_no_user_a_session() {
    let mut stack = Stack::start();
    let chains = Chains::start(&stack, 8).await;
    for (node, stuck) in [(0, false), (1, false), (0, true), (1, true)] {
        chains.go_on(20);
        if stuck {
            // Redis carries out the calls under way now after the node is dead, and their answers reach nobody.
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
