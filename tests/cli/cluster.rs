//! Commands for operators on a Cluster: they look at every primary.

use std::time::Duration;

use serde_json::json;
use token_gateway_testkit::api::Tokens;
use token_gateway_testkit::cluster::Cluster;
use token_gateway_testkit::gateway::Gateway;
use token_gateway_testkit::wait_for;

use super::check::{check, problems};
use super::{json_at, operator_at, run, text_at};
use crate::GATEWAY;

/// Three primaries, and on each of them users with two sessions.
struct Populated {
    cluster: Cluster,
    node: Gateway,
    url: String,
    users: Vec<(String, [Tokens; 2])>,
}

impl Populated {
    async fn start() -> Self {
        let cluster = Cluster::start();
        let url = cluster.gateway_url();
        let node = GATEWAY.on(&url, &[("WORKERS", "1")]);
        let (api, mut users) = (node.api(), Vec::new());
        for n in 0..12 {
            let user = format!("user-{n}");
            let sessions = [api.login(&user).await, api.login(&user).await];
            users.push((user, sessions));
        }
        let homes = users.iter().map(|(user, _)| cluster.primary_of(&format!("tg:{{{user}}}:sessions")));
        assert_eq!(homes.collect::<std::collections::BTreeSet<_>>().len(), 3, "users of every primary");
        Self { cluster, node, url, users }
    }
}

#[test]
fn check_names_the_one_primary_that_evicts_and_the_one_that_has_lost_its_replica() {
    let mut cluster = Cluster::with_replicas(&[]);
    let (url, waits) = (cluster.gateway_url(), [("REDIS_WAIT_REPLICAS", "1")]);
    let sound = check(&url, &waits, true);
    assert_eq!((sound.code, problems(&sound)), (0, vec![]), "{sound:?}");
    let addresses: Vec<_> = cluster.servers[..3].iter().map(|server| server.address()).collect();
    assert!(addresses.iter().all(|address| sound.stdout.contains(&format!("{address}: noeviction"))));

    cluster.servers[1].ask::<String>(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    let replica = cluster.replica_of(2);
    cluster.servers[replica].stop();
    wait_for("its primary notices", Duration::from_secs(10), || {
        cluster.servers[2].info("connected_slaves").filter(|count| count == "0")
    });
    let (found, text) = (check(&url, &waits, true), check(&url, &waits, false));
    assert_eq!((found.code, text.code), (1, 1), "{found:?}");
    let mut named = problems(&found);
    named.sort();
    let [(evicts, policy), (lacks, replicas)] = named.as_slice() else { panic!("{named:?}") };
    assert_eq!((evicts.as_str(), lacks.as_str()), ("maxmemory-policy", "replicas"));
    assert!(policy.starts_with(&format!("{}: ", addresses[1])) && policy.contains("allkeys-lru"), "{policy}");
    assert!(replicas.starts_with(&format!("{}: 0", addresses[2])), "{replicas}");
    assert!([policy, replicas].iter().all(|message| text.stdout.contains(message.as_str())), "{text:?}");
}

#[tokio::test]
async fn stats_counts_the_sessions_of_all_primaries() {
    let mut populated = Populated::start().await;
    let url = populated.url.clone();
    for (user, [one, two]) in &populated.users[..3] {
        assert_eq!(
            text_at(&url, &["sessions", "end", user, &one.session]),
            format!("ended {} admin\n", one.session)
        );
        assert_eq!(populated.node.api().revoke(&two.refresh).await.status, 200);
    }
    let stats = json_at(&url, &["stats", "--top", "20"]);
    assert_eq!(stats["sessions"], json!({"live": 18, "ended": 6, "unannounced": 0}));
    assert_eq!((&stats["subjects"], &stats["feed"]["entries"]), (&json!(9), &json!(6)));
    let top: Vec<_> = stats["top"].as_array().unwrap().iter().map(|one| one["sessions"].clone()).collect();
    assert_eq!(top, vec![json!(2); 9]);
    assert_eq!(stats["keys_without_ttl"]["count"], 0, "{stats}");
    assert_eq!(stats["memory"]["per_session"]["sampled"], 18);

    populated.cluster.lose_one(); // no count is better than a count in part
    let ended = run(&mut operator_at(&url, &["stats", "--json"]));
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.lines().count()), (1, "", 1), "{ended:?}");
}

#[tokio::test]
async fn sessions_are_found_and_ended_whichever_primary_holds_them() {
    let populated = Populated::start().await;
    let (url, api) = (populated.url.as_str(), populated.node.api());
    assert_eq!(json_at(url, &["sessions", "list"])["subjects"].as_array().unwrap().len(), 12);
    for (user, [one, two]) in &populated.users {
        let listed = json_at(url, &["sessions", "list", user]);
        assert_eq!(listed, api.user(reqwest::Method::GET, user, "").await.json());
        let shown = json_at(url, &["sessions", "show", &one.session]);
        assert_eq!(shown["sessions"][0]["sub"], user.as_str(), "{shown}");
        let report = json_at(url, &["sessions", "end", user, "--all", "--except", &two.session]);
        assert_eq!(report, json!({"ended": [one.session], "announced": []}));
        api.refresh(&one.refresh).await.expect_error(400, "invalid_grant");
        assert_eq!(api.refresh(&two.refresh).await.status, 200);
    }
    let unknown = run(&mut operator_at(url, &["sessions", "show", "1000000000000000000"]));
    assert_eq!((unknown.code, unknown.stdout.as_str()), (1, ""), "{unknown:?}");
}
