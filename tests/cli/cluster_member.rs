//! One server of a Cluster, named as if it were alone.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use token_gateway_testkit::api::{Answer, Api};
use token_gateway_testkit::cluster::Cluster;
use token_gateway_testkit::eventually;
use token_gateway_testkit::gateway::Gateway;
use token_gateway_testkit::redis::Redis;

use super::check::{check, problems};
use super::{operator_at, run};
use crate::GATEWAY;
use crate::faults::admit_gateway;

const REMEDY: &str = "let REDIS_URL begin with redis+cluster://";

fn node(url: &str) -> Gateway {
    GATEWAY.on(url, &[("ADMIN_ADDR", "127.0.0.1:0"), ("WORKERS", "1")])
}

async fn readiness(node: &Gateway) -> Answer {
    let admin = Api::new(&node.admin());
    admin.send(admin.request(Method::GET, "/readyz")).await
}

/// The server's slots are a problem of `check`, and a node on it is not ready, and says so.
async fn lacks_slots(url: &str, words: &str) {
    let ended = check(url, &[], true);
    let found = problems(&ended);
    let named = |(subject, message): &(String, String)| {
        subject == "cluster" && message.contains(words) && message.ends_with(REMEDY)
    };
    assert!(ended.code == 1 && found.iter().any(named), "{ended:?}");
    let node = node(url);
    assert!(node.log().lines().any(|line| line.contains("WARN") && line.contains(REMEDY)), "{}", node.log());
    let (full, short) =
        (readiness(&node).await, node.api().send(node.api().request(Method::GET, "/readyz")).await);
    assert_eq!((full.status.as_u16(), short.status.as_u16()), (503, 503), "{full:?}");
    assert!(full.text.contains(REMEDY), "{full:?}");
}

/// A Cluster of one server, with the slots from 0 to `last`.
fn alone_with(last: &str) -> Redis {
    let redis = Redis::start_with(&[
        "--cluster-enabled",
        "yes",
        "--cluster-require-full-coverage",
        "no",
        "--cluster-port",
        &token_gateway_testkit::free_port().to_string(),
    ]);
    redis.ask::<String>(&["CLUSTER", "ADDSLOTSRANGE", "0", last]);
    token_gateway_testkit::wait_for("it serves", Duration::from_secs(10), || {
        redis.ask::<String>(&["CLUSTER", "INFO"]).contains("cluster_state:ok").then_some(())
    });
    redis
}

#[tokio::test(flavor = "multi_thread")]
async fn each_server_of_a_cluster_lacks_slots_and_operators_get_no_count_in_part() {
    let cluster = Cluster::start();
    for server in &cluster.servers {
        lacks_slots(&server.url(), "").await;
        for words in [["stats", "--json"], ["sessions", "list"]] {
            let ended = run(&mut operator_at(&server.url(), &words));
            assert_eq!((ended.code, ended.stdout.as_str()), (1, ""), "{ended:?}");
            assert!(ended.stderr.contains("redis+cluster://"), "{ended:?}");
        }
    }
    let whole = check(&cluster.gateway_url(), &[], true);
    assert!(!whole.stdout.contains("\"cluster\""), "{whole:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_that_may_not_ask_for_the_slots_learns_of_them_by_keys() {
    let cluster = Cluster::start();
    let server = &cluster.servers[2]; // it has tg:schema
    admit_gateway(server, &[]);
    let url = format!("redis://gateway:of-the-tests@{}", server.address());
    lacks_slots(&url, "").await;
    let found = problems(&check(&url, &[], true));
    assert!(found.iter().any(|(_, message)| message.contains("+cluster|nodes")), "{found:?}");
}

/// Each server alone, whichever slots it has, and whatever the user may not ask for.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_that_may_ask_for_neither_slots_nor_info_learns_of_a_cluster_all_the_same() {
    let cluster = Cluster::start();
    let server = &cluster.servers[2]; // it has tg:schema
    for rights in [&["-info"][..], &["-info", "+cluster|nodes"]] {
        admit_gateway(server, rights);
        lacks_slots(&format!("redis://gateway:of-the-tests@{}", server.address()), "slots").await;
    }
    let alone = Redis::start();
    admit_gateway(&alone, &["-info"]);
    let url = format!("redis://gateway:of-the-tests@{}", alone.address());
    let ended = check(&url, &[], true);
    assert!(ended.code == 1 && !ended.stdout.contains("\"cluster\""), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_slot_that_is_missing_is_found_without_the_right_to_ask_for_slots() {
    for (last, is_whole) in [("16382", false), ("16383", true)] {
        let server = alone_with(last);
        admit_gateway(&server, &[]);
        let url = format!("redis://gateway:of-the-tests@{}", server.address());
        if !is_whole {
            lacks_slots(&url, "lacks slots").await;
            continue;
        }
        let ended = check(&url, &[], true);
        assert!(problems(&ended).iter().all(|(subject, _)| subject != "cluster"), "{ended:?}");
        assert!(ended.stdout.contains("has a key of each of the 16,384 slots"), "{ended:?}");
        let answer = readiness(&node(&url)).await;
        assert!(answer.status == 200 && answer.text.contains(REMEDY), "{answer:?}");
    }
}

#[tokio::test]
async fn a_server_without_its_last_slot_lacks_slots_and_one_with_all_is_a_warning_until_one_moves() {
    lacks_slots(&alone_with("16382").url(), "16383 of 16,384 slots").await;
    let redis = alone_with("16383");
    let ended = check(&redis.url(), &[], true);
    assert!(ended.code == 0 && ended.stdout.contains("has all 16,384 slots"), "{ended:?}");
    let node = node(&redis.url());
    let words = "cluster: this server is one of a Cluster, and has all 16,384 slots";
    assert!(node.log().lines().any(|line| line.contains("WARN") && line.contains(words)), "{}", node.log());
    let answer = readiness(&node).await;
    assert!(
        answer.status == 200 && answer.text.contains(words) && answer.text.contains(REMEDY),
        "{answer:?}"
    );
    let mut refused = Vec::new();
    for n in 0..20 {
        let user = format!("user-{n}");
        if !node.api().issue(&json!({"sub": user})).await.status.is_success() {
            refused.push(user);
        }
    }
    assert_eq!(refused, [""; 0]);
    redis.ask::<String>(&["CLUSTER", "DELSLOTSRANGE", "0", "12000"]);
    eventually("the node notices", Duration::from_secs(10), async || {
        let answer = readiness(&node).await;
        (answer.status == 503 && answer.text.contains(REMEDY)).then_some(())
    })
    .await;
}

#[test]
fn the_url_of_a_cluster_that_leads_to_a_server_alone_is_told_so() {
    let redis = Redis::start();
    let ended = check(&redis.url().replace("redis://", "redis+cluster://"), &[], true);
    let found = problems(&ended);
    assert_eq!(ended.code, 1);
    assert!(
        found.iter().any(|(_, it)| it.contains("is in no Cluster; let REDIS_URL begin with redis://")),
        "{found:?}"
    );
}
