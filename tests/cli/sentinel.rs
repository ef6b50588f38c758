//! Commands for operators behind Sentinels: they look at the primary, also after a failover.

use std::time::Duration;

use serde_json::json;
use token_gateway_testkit::sentinel::Sentinel;
use token_gateway_testkit::wait_for;

use super::check::{check, problems};
use super::{json_at, operator_at, run};
use crate::GATEWAY;

#[tokio::test(flavor = "multi_thread")]
async fn they_look_at_the_primary_and_after_a_failover_at_the_new_one() {
    let sentinel = Sentinel::start();
    let url = sentinel.gateway_url();
    let node = GATEWAY.on(&url, &[("WORKERS", "1")]);
    let (kept, ended) = (node.api().login("alice").await, node.api().login("alice").await);
    assert_eq!(node.api().revoke(&ended.refresh).await.status, 200);
    for failed_over in [false, true] {
        let primary = if failed_over { sentinel.fail_over() } else { sentinel.primary() };
        sentinel.wait_until_whole();
        let stats = json_at(&url, &["stats"]);
        assert_eq!(stats["sessions"], json!({"live": 1, "ended": 1, "unannounced": 0}));
        let listed = json_at(&url, &["sessions", "list", "alice"]);
        assert_eq!(listed["sessions"][0]["session_id"], kept.session.as_str());
        let sound = check(&url, &[("REDIS_WAIT_REPLICAS", "2")], true);
        assert_eq!((sound.code, problems(&sound)), (0, vec![]), "{sound:?}");
        sentinel.servers[primary].ask::<String>(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
        let evicts = check(&url, &[], true);
        assert_eq!((evicts.code, problems(&evicts)[0].0.as_str()), (1, "maxmemory-policy"), "{evicts:?}");
    }
    let report = json_at(&url, &["sessions", "end", "alice", &kept.session]);
    assert_eq!(report["ended"], json!([kept.session]));
    node.api().refresh_until_decided(&kept.refresh).await.expect_error(400, "invalid_grant");
}

#[test]
fn a_primary_without_replicas_and_sentinels_that_do_not_answer_are_problems() {
    let mut sentinel = Sentinel::start();
    let (url, primary) = (sentinel.gateway_url(), sentinel.primary());
    (0..3).filter(|n| *n != primary).for_each(|n| sentinel.servers[n].stop());
    wait_for("the primary notices", Duration::from_secs(10), || {
        sentinel.servers[primary].info("connected_slaves").filter(|count| count == "0")
    });
    let lonely = check(&url, &[("REDIS_WAIT_REPLICAS", "1")], true);
    assert_eq!(lonely.code, 1, "{lonely:?}");
    let [(subject, message), (writes, refused)] = problems(&lonely).try_into().expect("two");
    assert!(subject == "replicas" && message.starts_with("0, but REDIS_WAIT_REPLICAS is 1"), "{message}");
    assert!(writes == "writes" && refused.contains("answered NOREPLICAS"), "{refused}");

    sentinel.stop_watcher(0);
    (1..3).for_each(|n| sentinel.freeze_watcher(n));
    let blind = check(&url, &[], true);
    assert_eq!((blind.code, problems(&blind)[0].0.as_str()), (1, "redis"), "{blind:?}");
    assert!(blind.stdout.contains("no Sentinel names the master 'mymaster'"), "{blind:?}");
    for args in [&["stats"][..], &["sessions", "list"]] {
        let ended = run(&mut operator_at(&url, args));
        assert_eq!(
            (ended.code, ended.stdout.as_str(), ended.stderr.lines().count()),
            (1, "", 1),
            "{ended:?}"
        );
    }
}
