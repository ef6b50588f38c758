//! A new version: one node after the other is exchanged while sessions refresh through nginx.

use super::chains::Chains;
use super::parts::Stack;

const EXCHANGES: usize = 20;
const REFRESHES: usize = 20_000;

#[tokio::test(flavor = "multi_thread")]
async fn nodes_are_exchanged_one_by_one_and_every_refresh_is_answered_with_200() {
    let mut stack = Stack::start();
    let chains = Chains::start(&stack, 8).await;
    for n in 0..EXCHANGES {
        stack.exchange(n % 2).await;
        assert_eq!(chains.counts().1, 0, "answered with 503, in exchange {n}");
    }
    while chains.counts().0 < REFRESHES {
        chains.go_on(100);
    }
    assert_eq!(chains.counts().1, 0, "answered with 503");
    for tokens in chains.end().await {
        assert_eq!(stack.nginx.public().refresh(&tokens.refresh).await.status, 200);
    }
    assert_eq!(stack.store.ask::<u64>("XLEN tg:revocations"), 0, "nobody was accused");
}
