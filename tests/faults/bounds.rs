//! Bounds on requests at once: a user who asks for much gets 503, and refreshes keep their places.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use token_gateway_testkit::api::{Answer, Api};
use token_gateway_testkit::gateway::Gateway;
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::{eventually, wait_for};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::GATEWAY;

/// The deadline of the store part is far away, so a request that waits at a bound is told from one that waits for Redis.
const PATIENT: [(&str, &str); 3] =
    [("REDIS_TIMEOUT_MS", "10000"), ("WORKERS", "1"), ("ADMIN_ADDR", "127.0.0.1:0")];

const BUSY_USER: &str = "too many requests for this user are in flight";
const BUSY_NODE: &str = "too many requests are in flight";

async fn in_flight(node: &Gateway, count: usize) {
    let line = format!("store_in_flight {count}\n");
    eventually("they are in flight", Duration::from_secs(5), async || {
        node.metrics().await.contains(&line).then_some(())
    })
    .await;
}

async fn refused_at(node: &Gateway, bound: &str) -> u64 {
    let metrics = node.metrics().await;
    let line = format!("token_gateway_overloads_total{{bound=\"{bound}\"}} ");
    let count = metrics.lines().find_map(|metric| metric.strip_prefix(&line));
    count.unwrap_or_else(|| panic!("no {line} in {metrics}")).parse().expect("a number")
}

fn spawn(request: reqwest::RequestBuilder, api: &Api) -> JoinHandle<Answer> {
    let api = api.clone();
    tokio::spawn(async move { api.send(request).await })
}

fn list(api: &Api, user: &str) -> reqwest::RequestBuilder {
    api.service(Method::GET, &format!("/v1/users/{user}/sessions"))
}

fn login(api: &Api, user: &str) -> reqwest::RequestBuilder {
    api.service(Method::POST, "/v1/sessions").json(&json!({ "sub": user }))
}

/// A 503 that comes long before the deadline.
async fn overloaded(api: &Api, request: reqwest::RequestBuilder, why: &str) {
    let began = Instant::now();
    let answer = api.send(request).await;
    answer.expect_error(503, "temporarily_unavailable");
    assert!(answer.text.contains(why), "{answer:?}");
    assert!(began.elapsed() < Duration::from_secs(5), "it waited for {:?}", began.elapsed());
}

/// One line for many requests.
fn one_line_names(node: &Gateway, bound: &str) {
    let words = format!("requests got 503 at the bound '{bound}'");
    let log = wait_for("the line is written", Duration::from_secs(5), || {
        Some(node.log()).filter(|log| log.contains(&words))
    });
    assert_eq!(log.matches(&words).count(), 1, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_one_user_take_turns_and_a_node_reads_two_at_once() {
    let redis = Redis::start();
    let node = GATEWAY.start_with(&redis, &PATIENT);
    let api = node.api();
    let alice = api.login("alice").await;
    for user in ["bob", "carol"] {
        api.login(user).await;
    }
    redis.freeze();
    let held = [spawn(list(&api, "alice"), &api), spawn(list(&api, "bob"), &api)];
    in_flight(&node, 2).await;
    let own = || api.request(Method::GET, "/v1/me/sessions").bearer_auth(&alice.access);
    for _ in 0..3 {
        overloaded(&api, list(&api, "alice"), BUSY_USER).await;
        overloaded(&api, own(), BUSY_USER).await;
    }
    overloaded(&api, list(&api, "carol"), BUSY_NODE).await;
    in_flight(&node, 2).await;
    assert_eq!((refused_at(&node, "subject_lists").await, refused_at(&node, "lists").await), (6, 1));
    redis.thaw();
    for one in held {
        assert_eq!(one.await.expect("no panic").sessions().len(), 1);
    }
    for request in [list(&api, "alice"), own(), list(&api, "carol")] {
        assert_eq!(api.send(request).await.status, 200, "a turn ends");
    }
    one_line_names(&node, "subject_lists");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_frees_its_turn_with_the_reply_of_redis_and_not_before() {
    let redis = Redis::start();
    let node = GATEWAY.start_with(&redis, &PATIENT);
    let api = node.api();
    api.login("alice").await;
    assert_eq!(api.send(list(&api, "alice")).await.sessions().len(), 1);
    let before = redis.calls("evalsha");
    redis.freeze();
    for _ in 0..20 {
        for request in [list(&api, "alice"), login(&api, "alice")] {
            let _ = timeout(Duration::from_millis(20), api.send(request)).await;
        }
    }
    in_flight(&node, 2).await;
    overloaded(&api, list(&api, "alice"), BUSY_USER).await;
    overloaded(&api, login(&api, "alice"), BUSY_USER).await;
    redis.thaw();
    in_flight(&node, 0).await;
    assert_eq!(redis.calls("evalsha") - before, 2, "one list and one login of 40");
    assert_eq!(api.send(list(&api, "alice")).await.sessions().len(), 2, "the login stands");
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_of_one_user_take_turns() {
    let redis = Redis::start();
    let node = GATEWAY.start_with(&redis, &PATIENT);
    let api = node.api();
    api.login("alice").await;
    redis.freeze();
    let held = [spawn(login(&api, "alice"), &api), spawn(login(&api, "bob"), &api)];
    in_flight(&node, 2).await;
    for _ in 0..3 {
        overloaded(&api, login(&api, "alice"), BUSY_USER).await;
    }
    in_flight(&node, 2).await;
    assert_eq!(refused_at(&node, "subject_logins").await, 3);
    redis.thaw();
    for one in held {
        assert_eq!(one.await.expect("no panic").status, 201);
    }
    join_all((0..8).map(|_| api.login("carol"))).await; // in turns, and without an entry that is left behind
    one_line_names(&node, "subject_logins");
}

#[tokio::test(flavor = "multi_thread")]
async fn half_of_the_places_in_flight_is_for_refreshes_and_logouts() {
    let redis = Redis::start();
    let settings: Vec<_> = PATIENT.into_iter().chain([("REDIS_MAX_IN_FLIGHT", "8")]).collect();
    let node = GATEWAY.start_with(&redis, &settings);
    let api = node.api();
    let (alice, bob) = (api.login("alice").await, api.login("bob").await);
    redis.freeze();
    let session =
        |user: &str, sid: &str| api.service(Method::GET, &format!("/v1/users/{user}/sessions/{sid}"));
    let introspect = || {
        let form = api.form("/oauth/introspect", &[("token", &alice.access)]);
        form.bearer_auth(token_gateway_testkit::service_key::WEB.key)
    };
    let mut held = vec![spawn(login(&api, "carol"), &api), spawn(list(&api, "alice"), &api)];
    held.extend([spawn(introspect(), &api), spawn(session("bob", &bob.session), &api)]);
    in_flight(&node, 4).await;
    let others = [
        login(&api, "dave"),
        list(&api, "bob"),
        introspect(),
        session("alice", &alice.session),
        api.service(Method::PATCH, "/v1/users/bob/sessions").json(&json!({"claims": {}})),
    ];
    join_all(others.into_iter().map(|request| overloaded(&api, request, BUSY_NODE))).await;
    assert_eq!(refused_at(&node, "others").await, 5);
    let refresh = api.refresh_request(&alice.refresh).header("Idempotency-Key", "an-attempt-of-this-test");
    let revoke = api.form("/oauth/revoke", &[("token", &bob.refresh)]);
    let end_all = api.service(Method::DELETE, "/v1/users/carol/sessions");
    held.extend([refresh, revoke, end_all].map(|request| spawn(request, &api)));
    in_flight(&node, 7).await;
    redis.thaw();
    for one in held {
        let answer = one.await.expect("no panic");
        assert!(answer.status.is_success(), "{answer:?}");
    }
    one_line_names(&node, "others");
}

/// The question about the rights is an `EVAL`, and nothing else sends one once the scripts are known.
#[tokio::test(flavor = "multi_thread")]
async fn readiness_is_asked_of_redis_once_for_all_who_ask_at_the_same_time() {
    let redis = Redis::start();
    let node = GATEWAY.start_with(&redis, &[("WORKERS", "2"), ("ADMIN_ADDR", "127.0.0.1:0")]);
    let (api, admin) = (node.api(), Api::new(&node.admin()));
    assert_eq!(api.send(api.request(Method::GET, "/readyz")).await.status, 200);
    let (before, began) = (redis.calls("eval"), Instant::now());
    let asked = join_all((0..300).map(|n| {
        let api = if n % 30 == 0 { &admin } else { &api }; // the admin address takes few connections at once
        api.send(api.request(Method::GET, "/readyz"))
    }));
    assert!(asked.await.iter().all(|answer| answer.status == 200));
    let most = 1 + began.elapsed().as_millis() as u64 / 250;
    let questions = redis.calls("eval") - before;
    assert!(questions <= most, "{questions} questions in {:?}", began.elapsed());
}

/// Each answer serves 32 callers without delay, so the 97th needs the fourth answer. The first one may be a quarter of a
/// second old.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_questions_about_readiness_waits_for_the_next_answer() {
    let redis = Redis::start();
    let node = GATEWAY.start(&redis);
    let (api, began) = (node.api(), Instant::now());
    for _ in 0..97 {
        assert_eq!(api.send(api.request(Method::GET, "/readyz")).await.status, 200);
    }
    assert!(began.elapsed() >= Duration::from_millis(500), "{:?}", began.elapsed());
}
