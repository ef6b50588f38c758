//! A real Cluster: users on every primary, a primary away, slots on the move, failovers.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use token_gateway_testkit::api::{Api, Tokens, decided, fresh_key};
use token_gateway_testkit::cluster::Cluster;
use token_gateway_testkit::eventually;
use token_gateway_testkit::gateway::Gateway;

use super::{admit_gateway, nothing_was_refused};
use crate::GATEWAY;

fn set_of(user: &str) -> String {
    format!("tg:{{{user}}}:sessions")
}

async fn refreshed(api: &Api, tokens: &Tokens) -> Tokens {
    let key = fresh_key();
    decided(|| api.refresh_as(&tokens.refresh, &key)).await.tokens()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_works_for_users_of_every_primary_and_what_one_node_ends_the_other_refuses() {
    let cluster = Cluster::with_replicas(&[]);
    let nodes = [(); 2].map(|()| GATEWAY.on(&cluster.gateway_url(), &[("WORKERS", "1")]));
    let [one, two] = nodes.each_ref().map(Gateway::api);
    let mut primaries = std::collections::BTreeSet::new();
    for n in 0..30 {
        let user = format!("user-{n}");
        primaries.insert(cluster.primary_of(&set_of(&user)));
        let (first, other) = (one.login(&user).await, two.login(&user).await);
        let next = two.refresh(&first.refresh).await.tokens();
        let path = format!("/{}", next.session);
        assert_eq!(one.user(Method::GET, &user, &path).await.json()["generation"], 1);
        assert_eq!(two.me(Method::GET, "", &next.access).await.sessions().len(), 2);
        let patch = one.service(Method::PATCH, &format!("/v1/users/{user}/sessions"));
        assert_eq!(one.send(patch.json(&json!({"claims": {"n": n}}))).await.status, 200);
        assert_eq!(one.revoke(&next.refresh).await.status, 200);
        two.refresh(&next.refresh).await.expect_error(400, "invalid_grant");
        assert_eq!(two.user(Method::DELETE, &user, "").await.ended(), [other.session]);
        assert_eq!(one.me(Method::GET, "", &other.access).await.status, 401);
    }
    assert_eq!(primaries.len(), 3, "users of every primary");
    let published: Vec<u64> =
        cluster.servers[..3].iter().map(|server| feeds_of(server).len() as u64).collect();
    assert!(published.iter().all(|feeds| *feeds > 0), "each primary has its part of the feed: {published:?}");
}

fn feeds_of(server: &token_gateway_testkit::redis::Redis) -> Vec<String> {
    server.ask(&["KEYS", "tg:{feed-*}:revocations"])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_away_is_noticed_by_its_own_users_only() {
    let mut cluster = Cluster::with_replicas(&[]);
    let node = GATEWAY.on(&cluster.gateway_url(), &[("ADMIN_ADDR", "127.0.0.1:0"), ("WORKERS", "1")]);
    let (api, admin) = (node.api(), Api::new(&node.admin()));
    let dead = cluster.primary_of(&set_of("user-0"));
    let mut tokens = Vec::new();
    for n in 0..24 {
        let user = format!("user-{n}");
        let is_of_the_dead = cluster.primary_of(&set_of(&user)) == dead;
        tokens.push((user.clone(), is_of_the_dead, api.login(&user).await));
    }
    let replica = cluster.replica_of(dead);
    cluster.servers[replica].stop();
    cluster.servers[dead].stop();
    eventually("the node has noticed", Duration::from_secs(10), async || {
        let told = admin.send(admin.request(Method::GET, "/readyz")).await.text;
        told.contains("get 503").then_some(())
    })
    .await;
    for (user, is_of_the_dead, tokens) in &mut tokens {
        if *is_of_the_dead {
            api.refresh(&tokens.refresh).await.expect_error(503, "temporarily_unavailable");
            api.revoke(&tokens.refresh).await.expect_error(503, "temporarily_unavailable");
        } else {
            let next = api.refresh(&tokens.refresh).await.tokens();
            assert_eq!(api.revoke(&next.refresh).await.status, 200, "{user}: and it is published");
        }
    }
    assert_eq!(api.send(api.request(Method::GET, "/readyz")).await.status, 200, "it serves the others");
    let told = admin.send(admin.request(Method::GET, "/readyz")).await.text;
    assert!(told.contains("get 503"), "{told}");
    cluster.servers[dead].run();
    cluster.servers[replica].run();
    for (_, _, tokens) in tokens.iter().filter(|(_, is_of_the_dead, _)| *is_of_the_dead) {
        refreshed(&api, tokens).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_slot_moves_calls_are_answered_or_503_and_nothing_is_half_ended() {
    let cluster = Cluster::with_replicas(&[]);
    let node = GATEWAY.on(&cluster.gateway_url(), &[("WORKERS", "1")]);
    let api = node.api();
    let mut mine = api.login("alice").await;
    let mut others = Vec::new();
    for _ in 0..4 {
        others.push(api.login("alice").await.session);
    }
    let moving = cluster.begin_move(&set_of("alice"));
    let keys = moving.left();
    assert_eq!(keys.len(), 6, "five sessions and their set: {keys:?}");
    mine = refreshed(&api, &mine).await; // every key is still in its old place
    for key in keys.iter().filter(|key| key.contains(":session:")).take(3) {
        moving.carry(key);
    }
    // Some sessions are here, some there: not all can be ended now, and so none is.
    api.user(Method::DELETE, "alice", "").await.expect_error(503, "temporarily_unavailable");
    let answer = api.refresh(&mine.refresh).await;
    assert!(matches!(answer.status.as_u16(), 200 | 503), "{answer:?}");
    if answer.status == 200 {
        mine = answer.tokens();
    }
    moving.finish();
    mine = refreshed(&api, &mine).await;
    let mut all = decided(|| api.user(Method::GET, "alice", "")).await.sessions();
    all.sort();
    assert_eq!(all.len(), 5, "nobody was ended by halves: {all:?}");
    let ended = decided(|| api.user(Method::DELETE, "alice", "")).await.ended();
    assert_eq!(ended, all);
    for session in &all {
        let key = format!("tg:{{alice}}:session:{session}");
        assert_eq!(cluster.key::<String>(&key, &["HGET", &key, "announced"]), "1");
    }
    api.refresh(&mine.refresh).await.expect_error(400, "invalid_grant");
}

/// A script may not touch a missing key while its slot moves, not even after it has just deleted the key itself.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_ends_a_session_while_its_slot_moves_leaves_a_tombstone() {
    let cluster = Cluster::with_replicas(&[]);
    let node = GATEWAY.on(&cluster.gateway_url(), &[("WORKERS", "1")]);
    let api = node.api();
    for reason in ["logout", "admin", "reuse"] {
        let first = api.login(reason).await;
        let second = refreshed(&api, &first).await;
        let end = async || match reason {
            "logout" => api.revoke(&second.refresh).await,
            "admin" => api.user(Method::DELETE, reason, "").await,
            _ => api.refresh(&first.refresh).await,
        };
        let moving = cluster.begin_move(&set_of(reason));
        end().await; // nothing has left yet
        moving.finish();
        let answer = decided(end).await;
        assert_eq!(answer.status, if reason == "reuse" { 400 } else { 200 }, "{answer:?}");
        let record = format!("tg:{{{reason}}}:session:{}", first.session);
        let told: [Option<String>; 2] = cluster.key(&record, &["HMGET", &record, "state", "reason"]);
        assert_eq!(told, [Some("ended".to_owned()), Some(reason.to_owned())]);
        api.refresh(&second.refresh).await.expect_error(400, "invalid_grant");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_of_refreshes_goes_on_through_moved_slots_flushed_scripts_and_a_failover() {
    let cluster = Cluster::with_replicas(&[]);
    let node = GATEWAY.on(&cluster.gateway_url(), &[("WORKERS", "1")]);
    let api = node.api();
    let mut tokens = api.login("alice").await;
    cluster.begin_move(&set_of("alice")).finish();
    tokens = api.refresh(&tokens.refresh).await.tokens(); // MOVED
    for server in &cluster.servers {
        server.ask::<String>(&["SCRIPT", "FLUSH"]);
    }
    tokens = api.refresh(&tokens.refresh).await.tokens(); // NOSCRIPT
    cluster.fail_over(cluster.primary_of(&set_of("alice")));
    for _ in 0..20 {
        tokens = refreshed(&api, &tokens).await;
    }
    assert_eq!(api.user(Method::GET, "alice", "").await.sessions(), [tokens.session]);
}

/// The fence of `migrations-notes/README.md`.
#[tokio::test(flavor = "multi_thread")]
async fn a_layout_that_is_none_of_ours_stops_all_writes_to_every_primary() {
    let cluster = Cluster::with_replicas(&[]);
    let node = GATEWAY.on(&cluster.gateway_url(), &[("WORKERS", "1")]);
    let api = node.api();
    let users: Vec<String> = (0..12).map(|n| format!("user-{n}")).collect();
    let mut tokens = Vec::new();
    for user in &users {
        tokens.push(api.login(user).await);
    }
    cluster.key::<String>("tg:schema", &["SET", "tg:schema", "0-to-1"]);
    for server in &cluster.servers {
        server.ask::<u64>(&["CLIENT", "KILL", "TYPE", "normal"]);
    }
    for tokens in &tokens {
        api.refresh(&tokens.refresh).await.expect_error(503, "temporarily_unavailable");
    }
    cluster.key::<String>("tg:schema", &["SET", "tg:schema", "1"]);
    for tokens in &tokens {
        refreshed(&api, tokens).await;
    }
}

/// `docs/operate/redis-users.md`: the rights listed there are enough, and no call of a node is refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_with_the_least_rights_can_do_everything() {
    let cluster = Cluster::with_replicas(&[]);
    for server in &cluster.servers {
        admit_gateway(server, &["+asking", "+cluster|nodes"]);
    }
    let url = cluster.gateway_url().replace("redis+cluster://", "redis+cluster://gateway:of-the-tests@");
    let node = GATEWAY.on(&url, &[("REDIS_WAIT_REPLICAS", "1"), ("WORKERS", "1")]);
    let api = node.api();
    for n in 0..12 {
        let user = format!("user-{n}");
        let tokens = api.login(&user).await;
        let next = refreshed(&api, &tokens).await;
        let ended = decided(|| api.user(Method::DELETE, &user, "")).await.ended();
        assert_eq!(ended, [next.session]);
    }
    cluster.begin_move(&set_of("user-0")).finish();
    assert_eq!(api.send(api.request(Method::GET, "/readyz")).await.status, 200);
    nothing_was_refused(&cluster.servers);
}
