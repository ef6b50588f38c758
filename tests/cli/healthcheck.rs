//! `token-gateway healthcheck`.

use std::time::Duration;

use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::{eventually, free_port};

use super::{bare, run};
use crate::GATEWAY;

#[tokio::test]
async fn it_asks_the_node_and_exits_with_0_or_1() {
    let mut redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let port = gateway.address().rsplit_once(':').unwrap().1.to_owned();
    let by_address = run(bare(&["healthcheck"]).env("BIND_ADDR", gateway.address()));
    assert_eq!((by_address.code, by_address.stdout.trim()), (0, "ready"));
    assert_eq!(run(bare(&["healthcheck"]).env("PORT", &port)).code, 0);
    let everywhere = format!("0.0.0.0:{port}");
    assert_eq!(run(bare(&["healthcheck"]).env("BIND_ADDR", "").args(["--bind-addr", &everywhere])).code, 0);
    redis.stop();
    // An answer about readiness holds for a moment.
    let ask = async || Some(run(bare(&["healthcheck"]).env("PORT", &port))).filter(|asked| asked.code != 0);
    let unready = eventually("an unready node", Duration::from_secs(5), ask).await;
    assert_eq!((unready.code, unready.stdout.as_str()), (1, ""), "{unready:?}");
    assert!(unready.stderr.contains("unready"), "{unready:?}");
    let alive = run(bare(&["healthcheck", "--live"]).env("PORT", &port));
    assert_eq!((alive.code, alive.stdout.trim()), (0, "alive"));
}

#[test]
fn where_nobody_listens_it_exits_with_1_and_wrong_usage_with_2() {
    let nobody = run(bare(&["healthcheck"]).env("PORT", free_port().to_string()));
    assert_eq!((nobody.code, nobody.stderr.lines().count()), (1, 1), "{nobody:?}");
    assert_eq!(run(&mut bare(&["healthcheck", "--port", "x"])).code, 2);
}
