//! The revocation feed, in which nodes learn of each other's ended sessions: disturbances, and the warnings at a stale
//! feed.

use std::time::Duration;

use reqwest::Method;
use token_gateway_testkit::api::Api;
use token_gateway_testkit::eventually;
use token_gateway_testkit::redis::Redis;

use crate::GATEWAY;

/// The second node learns of the end, beside unreadable entries, before it starts and after.
#[tokio::test]
async fn an_entry_that_cannot_be_read_stops_nobody() {
    let redis = Redis::start();
    let spoil = || {
        for (sid, sub) in
            [(b"\xff\xfe".as_slice(), b"alice".as_slice()), (b"1", b"\xff"), (b"none", b"alice")]
        {
            let entry: [&[u8]; 9] =
                [b"XADD", b"tg:revocations", b"*", b"sid", sid, b"sub", sub, b"reason", b"logout"];
            redis.ask::<String>(&entry);
        }
    };
    spoil();
    let (here, there) = (GATEWAY.start(&redis), GATEWAY.start(&redis));
    for subject in ["alice", "bob"] {
        let tokens = here.api().login(subject).await;
        let key = format!("tg:{{{subject}}}:session:{}", tokens.session);
        redis.ask::<u64>(&["COPY", &key, "as-it-was", "REPLACE"]);
        assert_eq!(here.api().revoke(&tokens.refresh).await.status, 200);
        redis.ask::<u64>(&["COPY", "as-it-was", &key, "REPLACE"]);
        eventually("the other node has heard of it", Duration::from_secs(5), async || {
            (there.api().me(Method::GET, "", &tokens.access).await.status == 401).then_some(())
        })
        .await;
        spoil();
    }
}

/// As after an update of its ACL user was forgotten.
#[tokio::test]
async fn a_node_that_may_not_read_the_feed_serves_and_says_so() {
    let redis = Redis::start();
    redis.ask::<String>(&["ACL", "SETUSER", "default", "-xrange"]);
    let gateway = GATEWAY.start_with(&redis, &[("ADMIN_ADDR", "127.0.0.1:0")]);
    let admin = Api::new(&gateway.admin());
    let warned = async |wanted: bool| {
        eventually("the warning comes and goes", Duration::from_secs(20), async || {
            let answer = admin.send(admin.request(Method::GET, "/readyz")).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            (answer.text.contains("the revocation feed lags by") == wanted).then_some(())
        })
        .await;
    };
    warned(true).await;
    let metrics = gateway.metrics().await;
    let stale = metrics.lines().find_map(|line| line.strip_prefix("token_gateway_feed_stale_seconds "));
    assert!(stale.is_some_and(|stale| stale.parse::<f64>().unwrap() >= 5.0), "{metrics}");
    gateway.api().login("alice").await;
    redis.ask::<String>(&["ACL", "SETUSER", "default", "+xrange"]);
    warned(false).await;
}
