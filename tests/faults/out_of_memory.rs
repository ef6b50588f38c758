//! Redis out of memory: sessions go on and end, and none begins.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use token_gateway_testkit::api::{Answer, Api, Tokens, fresh_key};
use token_gateway_testkit::cluster::Cluster;
use token_gateway_testkit::gateway::Gateway;
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::service_key::WEB;
use token_gateway_testkit::{eventually, wait_for};

use super::outage::{connections, ready_again, replica_of};
use crate::GATEWAY;

const FILLER: &str = "filler";

fn key_of(tokens: &Tokens) -> String {
    format!("tg:{{alice}}:session:{}", tokens.session)
}

async fn patch(api: &Api, user: &str) -> Answer {
    let request = api.service(Method::PATCH, &format!("/v1/users/{user}/sessions"));
    api.send(request.json(&json!({"claims": {"n": 1}}))).await
}

/// Logins and changes of claims say 503, and no more than in any other outage.
async fn nothing_begins(api: &Api) {
    for answer in [api.issue(&json!({"sub": "alice"})).await, patch(api, "alice").await] {
        answer.expect_error(503, "temporarily_unavailable");
        let said = "the session store cannot be asked right now; repeat the request";
        assert_eq!(answer.json()["error_description"], said);
    }
}

#[tokio::test]
async fn without_memory_sessions_go_on_and_end_and_logins_are_503() {
    let redis = Redis::start();
    let node = GATEWAY.start(&redis);
    let api = node.api();
    let (one, two, three) = (api.login("alice").await, api.login("alice").await, api.login("alice").await);
    redis.fill(FILLER);
    nothing_begins(&api).await;
    let key = fresh_key();
    let next = api.refresh_as(&one.refresh, &key).await.tokens();
    assert_eq!(api.refresh_as(&one.refresh, &key).await.tokens(), next, "a replay");
    let introspect = api.form("/oauth/introspect", &[("token", &next.access)]).bearer_auth(WEB.key);
    assert_eq!(api.send(introspect).await.json()["active"], true);
    let verify = api.request(Method::GET, "/verify").bearer_auth(&next.access);
    assert_eq!(api.send(verify).await.status, 200);
    assert_eq!(api.me(Method::GET, "", &next.access).await.sessions().len(), 3);
    assert_eq!(api.user(Method::GET, "alice", &format!("/{}", one.session)).await.json()["generation"], 1);
    assert_eq!(api.revoke(&next.refresh).await.status, 200);
    let path = format!("/{}", two.session);
    assert_eq!(api.me(Method::DELETE, &path, &three.access).await.ended(), [two.session]);
    assert_eq!(api.user(Method::DELETE, "alice", "").await.ended(), [three.session]);
    api.refresh(&next.refresh).await.expect_error(400, "invalid_grant");
    assert_eq!(redis.ask::<u64>(&["XLEN", "tg:revocations"]), 3);
    nothing_begins(&api).await;
    redis.make_room(FILLER);
    assert_eq!(api.issue(&json!({"sub": "alice"})).await.status, 201);
    assert_eq!(patch(&api, "alice").await.status, 200);
}

/// A client that repeats its login at once gets four refusals a second on a connection.
#[tokio::test]
async fn without_memory_a_refused_login_waits_for_its_answer() {
    let redis = Redis::start();
    let node = GATEWAY.start(&redis);
    let api = node.api();
    api.login("alice").await;
    redis.fill(FILLER);
    let began = Instant::now();
    nothing_begins(&api).await;
    assert!(began.elapsed() >= 2 * Duration::from_millis(250), "{:?}", began.elapsed());
}

/// Puts the record back to its state before its latest rotation, as a failover may.
async fn roll_back(redis: &Redis, api: &Api, tokens: &Tokens) -> Tokens {
    let key = key_of(tokens);
    let before: Vec<u8> = redis.ask(&["DUMP", &key]);
    let next = api.refresh(&tokens.refresh).await.tokens();
    let mut restore = redis::cmd("RESTORE");
    restore.arg(&key).arg(600_000).arg(before).arg("REPLACE");
    restore.exec(&mut redis.connect()).expect("the record is put back");
    next
}

#[tokio::test]
async fn without_memory_each_answer_to_a_refresh_is_as_always() {
    let redis = Redis::start();
    let node = GATEWAY.start(&redis);
    let api = node.api();
    let (first, late, stolen) = (api.login("alice").await, api.login("alice").await, api.login("bob").await);
    let ahead = roll_back(&redis, &api, &first).await;
    refreshed(&api, late.clone(), 2).await;
    redis.ask::<u64>(&["HSET", &key_of(&late), "rotated_at", "9000000000000000"]);
    redis.fill(FILLER);
    let healed = api.refresh(&ahead.refresh).await.tokens();
    assert_eq!(api.refresh(&healed.refresh).await.status, 200, "rolled back, and healed");
    api.refresh(&late.refresh).await.expect_error(503, "temporarily_unavailable");
    let own = api.refresh(&stolen.refresh).await.tokens();
    api.refresh_until_decided(&stolen.refresh).await.expect_error(400, "invalid_grant");
    api.refresh(&own.refresh).await.expect_error(400, "invalid_grant");
    assert_eq!(redis.ask::<u64>(&["XLEN", "tg:revocations"]), 1, "the end of a reuse is published");
    nothing_begins(&api).await;
}

#[tokio::test]
async fn without_memory_a_node_connects_anew_restarts_and_starts_on_an_empty_server() {
    let redis = Redis::start();
    let node = GATEWAY.start(&redis);
    let mut tokens = node.api().login("alice").await;
    redis.fill(FILLER);
    redis.ask::<String>(&["SCRIPT", "FLUSH"]);
    tokens = node.api().refresh(&tokens.refresh).await.tokens();
    redis.ask::<u64>(&["CLIENT", "KILL", "TYPE", "normal"]);
    ready_again(&node.api()).await;
    tokens = node.api().refresh_until_decided(&tokens.refresh).await.tokens();
    drop(node);
    let node = GATEWAY.start(&redis);
    ready_again(&node.api()).await;
    tokens = node.api().refresh(&tokens.refresh).await.tokens();
    assert_eq!(node.api().revoke(&tokens.refresh).await.status, 200);
    drop(node);
    redis.ask::<String>(&["FLUSHALL"]);
    redis.fill(FILLER);
    let node = GATEWAY.start(&redis);
    ready_again(&node.api()).await;
    nothing_begins(&node.api()).await;
    assert_eq!(redis.ask::<String>(&["GET", "tg:schema"]), "1");
}

#[tokio::test]
async fn without_memory_a_logout_waits_for_its_replica() {
    let redis = Redis::start();
    let _replica = replica_of(&redis);
    let node = GATEWAY.start_with(&redis, &[("REDIS_WAIT_REPLICAS", "1")]);
    let api = node.api();
    let tokens = api.login("alice").await;
    redis.fill(FILLER);
    let next = api.refresh(&tokens.refresh).await.tokens();
    eventually("a replica may acknowledge late", Duration::from_secs(10), async || {
        (api.revoke(&next.refresh).await.status == 200).then_some(())
    })
    .await;
    nothing_begins(&api).await;
}

/// The bytes of everything that the gateway stores.
fn stored(redis: &Redis) -> u64 {
    let keys: Vec<String> = redis.ask(&["KEYS", "tg:*"]);
    keys.iter().map(|key| redis.ask::<u64>(&["MEMORY", "USAGE", key, "SAMPLES", "0"])).sum()
}

async fn refreshed(api: &Api, mut tokens: Tokens, times: usize) -> Tokens {
    for _ in 0..times {
        tokens = api.refresh(&tokens.refresh).await.tokens();
    }
    tokens
}

#[tokio::test]
async fn a_thousand_refreshes_without_memory_store_not_a_byte_more() {
    const SESSIONS: u64 = 4;
    let redis = Redis::start();
    let node = GATEWAY.start(&redis);
    let api = node.api();
    let login = json!({"sub": "alice", "claims": {"role": "admin"}, "client": {"label": "a phone"}});
    let mut all = Vec::new();
    for _ in 0..SESSIONS {
        all.push(api.issue(&login).await.tokens());
    }
    redis.fill(FILLER);
    let created = stored(&redis);
    let rotate = async |all: Vec<Tokens>, times| {
        futures_util::future::join_all(all.into_iter().map(|one| refreshed(&api, one, times))).await
    };
    let all = rotate(all, 1).await;
    let before = stored(&redis);
    assert!(before - created <= SESSIONS * 128, "the first one adds `prev`: {} bytes", before - created);
    rotate(all, 250).await;
    assert_eq!(stored(&redis), before);
}

#[tokio::test]
async fn the_last_client_takes_memory_once_per_session() {
    let redis = Redis::start();
    let node = GATEWAY.start(&redis);
    let api = node.api();
    let mut tokens = refreshed(&api, api.login("alice").await, 1).await;
    redis.fill(FILLER);
    let mut sizes = vec![stored(&redis)];
    for n in 0..20 {
        let agent = format!("{n:0>256}");
        let client = json!({"ip": "192.0.2.1", "user_agent": agent, "label": agent}).to_string();
        let form = [("grant_type", "refresh_token"), ("refresh_token", &tokens.refresh), ("client", &client)];
        let request = api.form("/oauth/token", &form).header("Idempotency-Key", fresh_key());
        tokens = api.send(request.bearer_auth(WEB.key)).await.tokens();
        sizes.push(stored(&redis));
    }
    let (first, last) = (sizes[1] - sizes[0], sizes[20] - sizes[0]);
    assert!(first <= 1024 && last == first, "{sizes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_primary_of_a_cluster_turns_away_logins_of_its_own_users_only() {
    let cluster = Cluster::start();
    let node = GATEWAY.on(&cluster.gateway_url(), &[("ADMIN_ADDR", "127.0.0.1:0"), ("WORKERS", "1")]);
    let (api, admin) = (node.api(), Api::new(&node.admin()));
    ready_again(&api).await;
    let set = |user: &str| format!("tg:{{{user}}}:sessions");
    let full = cluster.primary_of(&set("alice"));
    let other = (0..).map(|n| format!("user-{n}")).find(|user| cluster.primary_of(&set(user)) != full);
    let other = other.expect("a user of another primary");
    let tokens = api.login("alice").await;
    cluster.servers[full].fill("filler:{alice}");
    nothing_begins(&api).await;
    let next = api.refresh(&tokens.refresh).await.tokens();
    assert_eq!(api.issue(&json!({"sub": other})).await.status, 201);
    assert_eq!(api.revoke(&next.refresh).await.status, 200);
    let address = cluster.servers[full].address();
    // An answer about readiness holds for a moment.
    eventually("the warning", Duration::from_secs(5), async || {
        let readiness = admin.send(admin.request(Method::GET, "/readyz")).await;
        assert_eq!(readiness.status, 200, "{readiness:?}");
        let warnings = readiness.json()["warnings"].clone();
        let words = ["logins and changes of claims get 503", "OOM", &address]; // the refused login alone has the other two
        let is_it = |warning: &Value| words.iter().all(|word| warning.to_string().contains(word));
        warnings.as_array().is_some_and(|warnings| warnings.iter().any(is_it)).then_some(())
    })
    .await;
}

/// As after the loss of a network path: every connection is opened anew while the server is full.
#[tokio::test]
async fn without_memory_the_feed_is_read_on_after_a_reconnection() {
    let redis = Redis::start();
    let nodes: [Gateway; 2] = [(); 2].map(|()| GATEWAY.start(&redis));
    let [one, two] = nodes.each_ref().map(Gateway::api);
    let tokens = one.login("alice").await;
    redis.fill(FILLER);
    redis.ask::<u64>(&["CLIENT", "KILL", "TYPE", "normal"]);
    wait_for("both nodes are back", Duration::from_secs(10), || {
        (connections(&redis, |_| true).len() >= 6).then_some(())
    });
    ready_again(&one).await;
    assert_eq!(one.revoke(&tokens.refresh).await.status, 200);
    eventually("the other node refuses the access token", Duration::from_secs(10), async || {
        let verify = two.request(Method::GET, "/verify").bearer_auth(&tokens.access);
        (two.send(verify).await.status == 401).then_some(())
    })
    .await;
}
