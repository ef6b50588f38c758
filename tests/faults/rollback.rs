//! After a failover with lost acknowledged writes, nobody honest is accused, and a theft is still caught. The test puts
//! the record back to its earlier state, as on a lagging replica.

use std::time::Duration;

use reqwest::Method;
use token_gateway_testkit::api::{Answer, Api, Tokens};
use token_gateway_testkit::gateway::Gateway;
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::wait_for;

use crate::GATEWAY;

struct Store {
    redis: Redis,
    node: Gateway,
}

/// A record at an earlier moment.
struct Snapshot {
    key: String,
    bytes: Vec<u8>,
}

impl Store {
    fn start() -> Self {
        let redis = Redis::start();
        let node = GATEWAY.start_with(&redis, &[("ADMIN_ADDR", "127.0.0.1:0")]);
        Self { redis, node }
    }

    fn api(&self) -> Api {
        self.node.api()
    }

    /// A busy machine may answer 503, which decides nothing.
    async fn refresh(&self, token: &str) -> Answer {
        self.api().refresh_until_decided(token).await
    }

    fn snapshot(&self, tokens: &Tokens) -> Snapshot {
        let key = format!("tg:{{alice}}:session:{}", tokens.session);
        let bytes = self.redis.ask(&["DUMP", &key]);
        Snapshot { key, bytes }
    }

    fn roll_back(&self, to: &Snapshot) {
        let mut restore = redis::cmd("RESTORE");
        restore.arg(&to.key).arg(600_000).arg(&to.bytes).arg("REPLACE");
        restore.exec(&mut self.redis.connect()).expect("the record is put back");
    }
}

/// A session with `times` rotations after a certain moment, and its store put back to that moment; all its tokens, from
/// the moment's on.
async fn rolled_back(store: &Store, times: usize) -> Vec<Tokens> {
    let first = store.api().login("alice").await;
    let mut chain = vec![store.refresh(&first.refresh).await.tokens()];
    let before = store.snapshot(&first);
    for n in 0..times {
        let next = store.refresh(&chain[n].refresh).await.tokens();
        chain.push(next);
    }
    store.roll_back(&before);
    chain
}

async fn nothing_is_left(store: &Store, tokens: &[&Tokens]) {
    for tokens in tokens {
        store.refresh(&tokens.refresh).await.expect_error(400, "invalid_grant");
    }
    assert!(store.api().user(Method::GET, "alice", "").await.sessions().is_empty());
}

#[tokio::test]
async fn a_token_ahead_of_its_record_is_healed_counted_and_told() {
    for times in [1, 2, 7] {
        let store = Store::start();
        let chain = rolled_back(&store, times).await;
        let next = store.refresh(&chain[times].refresh).await.tokens();
        let again = store.refresh(&next.refresh).await.tokens();
        assert_eq!(store.api().user(Method::GET, "alice", "").await.sessions(), [again.session.as_str()]);
        let metrics = store.node.metrics().await;
        let line = metrics.lines().find(|line| line.contains("rolled_back")).expect("a counter");
        assert!(line.ends_with(" 1"), "{line}");
        wait_for("the log", Duration::from_secs(5), || store.node.log().contains("healed").then_some(()));
    }
}

#[tokio::test]
async fn after_a_healing_an_older_token_of_the_chain_is_still_reuse() {
    for older in [0, 1] {
        let store = Store::start();
        let chain = rolled_back(&store, 2).await;
        let healed = store.refresh(&chain[2].refresh).await.tokens();
        store.refresh(&chain[older].refresh).await.expect_error(400, "invalid_grant");
        nothing_is_left(&store, &[&healed]).await;
    }
}

/// The rollback has made a stolen token current again. The second of the two to refresh reveals the theft, in either
/// order.
#[tokio::test]
async fn a_thief_who_holds_the_token_that_came_back_is_caught() {
    for (times, thief_first) in [(1, true), (2, true), (1, false), (2, false)] {
        let store = Store::start();
        let other = store.api().login("alice").await;
        let chain = rolled_back(&store, times).await;
        let (stolen, honest) = (&chain[0], &chain[times]);
        let mut held = vec![other];
        if thief_first {
            held.push(store.refresh(&stolen.refresh).await.tokens());
            let answer = store.refresh(&honest.refresh).await;
            if answer.status == 200 {
                // Ahead even of the thief: healed, and the thief's next refresh is the reuse.
                held.push(answer.tokens());
                store.refresh(&held[1].refresh).await.expect_error(400, "invalid_grant");
            }
        } else {
            held.push(store.refresh(&honest.refresh).await.tokens());
            store.refresh(&stolen.refresh).await.expect_error(400, "invalid_grant");
        }
        nothing_is_left(&store, &held.iter().collect::<Vec<_>>()).await;
    }
}

#[tokio::test]
async fn a_session_that_was_lost_is_refused_without_an_alarm() {
    let store = Store::start();
    let (lost, other) = (store.api().login("alice").await, store.api().login("alice").await);
    store.redis.ask::<u64>(&["DEL", &store.snapshot(&lost).key]);
    store.refresh(&lost.refresh).await.expect_error(400, "invalid_grant");
    assert_eq!(store.refresh(&other.refresh).await.status, 200);
}

#[tokio::test]
async fn an_end_that_was_lost_is_refused_and_repeated_by_a_node_that_knows_of_it() {
    let store = Store::start();
    let second = GATEWAY.start(&store.redis);
    let tokens = store.api().login("alice").await;
    let before = store.snapshot(&tokens);
    let both = || store.redis.info("blocked_clients").filter(|blocked| blocked == "2");
    wait_for("both nodes read the feed", Duration::from_secs(5), both);
    let asked = store.redis.calls("xread");
    assert_eq!(store.api().revoke(&tokens.refresh).await.status, 200);
    // Each asks on once it has taken in the last answer.
    wait_for("both have been told", Duration::from_secs(5), || {
        (store.redis.calls("xread") >= asked + 2).then_some(()).and(both())
    });
    store.roll_back(&before);
    store.redis.ask::<u64>(&["SADD", "tg:{alice}:sessions", &tokens.session]);
    second.api().refresh(&tokens.refresh).await.expect_error(400, "invalid_grant");
    assert_eq!(second.api().me(Method::GET, "", &tokens.access).await.status, 401);
    assert_eq!(
        store.redis.ask::<String>(&["HGET", &before.key, "state"]),
        "ended",
        "and its end is repaired"
    );
}

#[tokio::test]
async fn a_session_from_the_future_does_not_outlive_a_logout_everywhere() {
    let store = Store::start();
    let tokens = store.api().login("alice").await;
    let key = store.snapshot(&tokens).key;
    let created: u64 = store.redis.ask(&["HGET", &key, "created_at"]);
    let ahead = (created + 10_000_000).to_string();
    store.redis.ask::<u64>(&["HSET", &key, "created_at", &ahead]);
    assert_eq!(store.api().user(Method::DELETE, "alice", "").await.ended(), [tokens.session]);
}
