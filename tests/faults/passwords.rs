//! Servers and Sentinels with passwords.

use token_gateway_testkit::chain::Chain;
use token_gateway_testkit::sentinel::{PASSWORD, Sentinel, WATCHERS_PASSWORD};

use super::{admit_gateway, lets_nobody_in, nothing_was_refused};
use crate::GATEWAY;

/// A session goes on over a failover; the node has told nobody its credentials.
async fn serves(sentinel: &Sentinel, url: &str, settings: &[(&str, &str)]) {
    let node = GATEWAY.on(url, settings);
    let mut chain = Chain::begin(node.api(), "alice").await;
    chain.refresh().await;
    let primary = sentinel.fail_over();
    sentinel.wait_until_whole(); // the former primary acknowledges nothing more
    chain.refresh().await;
    assert_eq!(chain.record_on(&sentinel.servers[primary]), chain.record());
    says_no_secret(&node.log());
}

fn says_no_secret(text: &str) {
    for secret in [PASSWORD, WATCHERS_PASSWORD, "of-the-tests"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_passwords_of_servers_and_of_sentinels_a_node_serves_before_and_after_a_failover() {
    let sentinel = Sentinel::with_passwords();
    serves(&sentinel, &sentinel.gateway_url(), &[("REDIS_SENTINEL_PASSWORD", WATCHERS_PASSWORD)]).await;
}

/// `docs/operate/redis-users.md`: the rights listed there are enough, at servers and at Sentinels.
#[tokio::test(flavor = "multi_thread")]
async fn users_with_the_least_rights_are_enough_at_servers_and_at_sentinels() {
    let sentinel = Sentinel::with_passwords();
    sentinel.servers.iter().for_each(|server| admit_gateway(server, &[]));
    sentinel.ask_watchers::<String>(&[
        "ACL",
        "SETUSER",
        "watcher",
        "on",
        ">of-the-tests-too",
        "+sentinel|get-master-addr-by-name",
        "+sentinel|master",
        "+sentinel|replicas",
    ]);
    let url = sentinel.gateway_url().replace(&format!(":{PASSWORD}@"), "gateway:of-the-tests@");
    let settings = [("REDIS_SENTINEL_USERNAME", "watcher"), ("REDIS_SENTINEL_PASSWORD", "of-the-tests-too")];
    serves(&sentinel, &url, &settings).await;
    nothing_was_refused(&sentinel.servers);
    let refused: Vec<Vec<redis::Value>> = sentinel.ask_watchers(&["ACL", "LOG"]);
    assert!(refused.iter().all(Vec::is_empty), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_lets_nobody_in_and_the_setting_is_named_but_no_secret() {
    let sentinel = Sentinel::with_passwords();
    let (url, right) = (sentinel.gateway_url(), ("REDIS_SENTINEL_PASSWORD", WATCHERS_PASSWORD));
    let other_url = url.replace(PASSWORD, "of-the-tests");
    let cases = [
        (&url, vec![("REDIS_SENTINEL_PASSWORD", "of-the-tests")], right.0),
        (&url, vec![], right.0),
        (&url, vec![("REDIS_SENTINEL_USERNAME", "nobody"), right], "REDIS_SENTINEL_USERNAME"),
        (&other_url, vec![right], "REDIS_URL"),
    ];
    for (url, settings, setting) in cases {
        for text in lets_nobody_in(url, &settings).await {
            assert!(text.contains(setting), "{settings:?}: {text}");
            says_no_secret(&text);
        }
    }
    assert!(sentinel.servers.iter().all(|server| server.ask::<u64>(&["DBSIZE"]) == 0));
}
