//! Calls arrive late, or twice, and clients hang up: no such call accuses anybody or revives anything.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use token_gateway_testkit::api::{Api, fresh_key};
use token_gateway_testkit::gateway::Gateway;
use token_gateway_testkit::proxy::Proxy;
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::wait_for;

use crate::GATEWAY;

/// Two nodes, with a proxy to hold back the calls of the first to Redis.
struct Pair {
    redis: Redis,
    proxy: Proxy,
    held: Gateway,
    free: Gateway,
}

impl Pair {
    fn start() -> Self {
        let redis = Redis::start();
        let proxy = Proxy::before(redis.port());
        let url = proxy.url();
        let settings = [("REDIS_URL", url.as_str()), ("WORKERS", "1"), ("ADMIN_ADDR", "127.0.0.1:0")];
        let held = GATEWAY.start_with(&redis, &settings);
        let free = GATEWAY.start(&redis);
        Self { redis, proxy, held, free }
    }

    /// Releases the held calls, and waits until `command` has run once more than `before`.
    fn release_and_wait(&self, before: u64) {
        self.proxy.release();
        wait_for("the held call arrives", Duration::from_secs(5), || {
            (self.redis.calls("evalsha") > before).then_some(())
        });
    }
}

impl Pair {
    /// Releases the held calls, and waits until Redis has served the first node again.
    async fn release_and_settle(&self) {
        self.proxy.release();
        let api = self.held.api();
        for _ in 0..3 {
            api.login("somebody-else").await;
        }
    }
}

/// Sends a refresh, and lets the caller choose when to hang up.
fn send_refresh(gateway: &Gateway, token: &str, key: &str) -> TcpStream {
    let body = format!("grant_type=refresh_token&refresh_token={token}");
    let mut stream = TcpStream::connect(gateway.address()).expect("it listens");
    let request = format!(
        "POST /oauth/token HTTP/1.1\r\nHost: x\r\nIdempotency-Key: {key}\r\nContent-Length: {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).expect("it takes the request");
    stream
}

/// Until a node has so many calls to its store in flight.
async fn wait_until_in_flight(node: &Gateway, calls: u64) {
    let line = format!("token_gateway_store_in_flight {calls}\n");
    for _ in 0..1000 {
        if node.metrics().await.contains(&line) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never {calls} in flight:\n{}", node.metrics().await);
}

async fn only_session(api: &Api, sub: &str) -> String {
    let sessions = api.user(Method::GET, sub, "").await.sessions();
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    sessions[0].clone()
}

#[tokio::test]
async fn a_client_that_hangs_up_in_the_middle_of_a_refresh_retries_on_another_node_and_gets_the_one_successor()
 {
    let redis = Redis::start();
    let (one, two) = (GATEWAY.start(&redis), GATEWAY.start(&redis));
    let first = two.api().login("alice").await;
    let (key, before) = (fresh_key(), redis.calls("evalsha"));
    drop(send_refresh(&one, &first.refresh, &key));
    wait_for("the refresh arrives", Duration::from_secs(5), || {
        (redis.calls("evalsha") + redis.calls("eval") > before).then_some(())
    });
    let retried = two.api().refresh_as(&first.refresh, &key).await.tokens();
    let again = one.api().refresh_as(&first.refresh, &key).await.tokens();
    assert_eq!(again.refresh, retried.refresh);
    let next = one.api().refresh(&retried.refresh).await.tokens();
    assert_eq!(only_session(&two.api(), "alice").await, next.session);
}

#[tokio::test]
async fn a_refresh_that_arrives_late_accuses_nobody() {
    let pair = Pair::start();
    let (held, free) = (pair.held.api(), pair.free.api());
    let warm = held.login("alice").await;
    let (first, key) = (held.refresh(&warm.refresh).await.tokens(), fresh_key());
    pair.proxy.hold();
    held.refresh_as(&first.refresh, &key).await.expect_error(503, "temporarily_unavailable");
    // The client retries elsewhere, with its key, and goes on.
    let second = free.refresh_as(&first.refresh, &key).await.tokens();
    let third = free.refresh(&second.refresh).await.tokens();
    pair.release_and_wait(pair.redis.calls("evalsha"));
    let fourth = free.refresh(&third.refresh).await.tokens();
    assert_eq!(only_session(&free, "alice").await, fourth.session);
}

/// `docs/adr/0024-only-a-present-client-is-accused.md`: the copy arrives so late, it looks like a theft, but its sender has hung up.
#[tokio::test]
async fn a_superseded_token_whose_sender_has_hung_up_accuses_nobody() {
    let pair = Pair::start();
    let (held, free) = (pair.held.api(), pair.free.api());
    let (first, key) = (free.login("alice").await, fresh_key());
    let second = free.refresh_as(&first.refresh, &key).await.tokens();
    let third = free.refresh(&second.refresh).await.tokens();
    held.login("somebody-else").await;
    wait_until_in_flight(&pair.held, 0).await;
    pair.proxy.hold();
    let before = pair.redis.calls("evalsha");
    let sender = send_refresh(&pair.held, &first.refresh, &key);
    wait_until_in_flight(&pair.held, 1).await;
    drop(sender);
    wait_until_in_flight(&pair.held, 0).await;
    pair.release_and_wait(before);
    assert_eq!(free.refresh(&third.refresh).await.tokens().session, first.session);
}

#[tokio::test]
async fn a_refresh_that_arrives_late_after_a_logout_revives_nothing() {
    let pair = Pair::start();
    let (held, free) = (pair.held.api(), pair.free.api());
    let warm = held.login("alice").await;
    let first = held.refresh(&warm.refresh).await.tokens();
    pair.proxy.hold();
    held.refresh(&first.refresh).await.expect_error(503, "temporarily_unavailable");
    assert_eq!(free.revoke(&first.refresh).await.status, 200);
    let other = free.login("alice").await;
    pair.release_and_wait(pair.redis.calls("evalsha"));
    free.refresh(&first.refresh).await.expect_error(400, "invalid_grant");
    assert_eq!(only_session(&free, "alice").await, other.session, "and ends nothing");
}

#[tokio::test]
async fn a_login_that_arrives_after_its_deadline_creates_nothing() {
    let pair = Pair::start();
    let (held, free) = (pair.held.api(), pair.free.api());
    held.login("bob").await;
    pair.proxy.hold();
    held.issue(&json!({"sub": "alice"})).await.expect_error(503, "temporarily_unavailable");
    pair.release_and_wait(pair.redis.calls("evalsha"));
    assert!(free.user(Method::GET, "alice", "").await.sessions().is_empty());
}

#[tokio::test]
async fn a_replay_one_moment_after_a_rotation_on_another_node_is_seen_as_what_it_is() {
    let redis = Redis::start();
    let (one, two) = (GATEWAY.start(&redis), GATEWAY.start(&redis));
    for round in 0..200 {
        let user = format!("user-{round}");
        let first = one.api().login(&user).await;
        one.api().refresh(&first.refresh).await.tokens();
        two.api().refresh(&first.refresh).await.expect_error(400, "invalid_grant");
        assert!(two.api().user(Method::GET, &user, "").await.sessions().is_empty());
    }
}

#[tokio::test]
async fn a_refresh_that_waited_in_a_stalled_node_accuses_nobody() {
    let redis = Redis::start();
    let (stalled, free) = (GATEWAY.start_with(&redis, &[("WORKERS", "1")]), GATEWAY.start(&redis));
    let first = stalled.api().login("alice").await;
    let (first, key) = (stalled.api().refresh(&first.refresh).await.tokens(), fresh_key());
    stalled.freeze();
    let (api, token, same_key) = (stalled.api(), first.refresh.clone(), key.clone());
    let waiting = tokio::spawn(async move { api.refresh_as(&token, &same_key).await });
    // The client has given up on it, retries elsewhere with its key, and goes on.
    let second = free.api().refresh_as(&first.refresh, &key).await.tokens();
    let third = free.api().refresh(&second.refresh).await.tokens();
    tokio::time::sleep(Duration::from_millis(500)).await; // longer than the limit for event-loop lag
    stalled.thaw();
    waiting.await.expect("no panic").expect_error(503, "temporarily_unavailable");
    assert_eq!(free.api().refresh(&third.refresh).await.tokens().session, third.session);
}

#[tokio::test]
async fn a_logout_everywhere_that_arrives_late_does_not_kill_a_new_login() {
    let pair = Pair::start();
    let (held, free) = (pair.held.api(), pair.free.api());
    held.login("alice").await;
    pair.proxy.hold_existing();
    let answer = held.user(Method::DELETE, "alice", "").await;
    answer.expect_error(503, "temporarily_unavailable");
    free.user(Method::DELETE, "alice", "").await.ended();
    let login = free.login("alice").await;
    pair.release_and_settle().await;
    assert_eq!(only_session(&free, "alice").await, login.session);
    assert_eq!(free.refresh(&login.refresh).await.status, 200);
}
