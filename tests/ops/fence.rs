//! A running node meets another layout: its answers, without any write.

use std::time::Duration;

use token_gateway_testkit::redis::Redis;

use crate::GATEWAY;

#[tokio::test]
async fn a_connection_for_waiting_reads_the_layout_before_anything_is_written_over_it() {
    let redis = Redis::start();
    let gateway = GATEWAY.start_with(&redis, &[("REDIS_WAIT_REPLICAS", "1")]);
    let api = gateway.api();
    let tokens = api.login("alice").await;
    // Its link is still open, as at a logout already under way when the fence came.
    redis.ask::<()>(&["SET", "tg:schema", "1-to-2"]);
    api.revoke(&tokens.refresh).await.expect_error(503, "temporarily_unavailable");
    let key = format!("tg:{{alice}}:session:{}", tokens.session);
    assert_eq!(redis.ask::<Vec<String>>(&["HMGET", &key, "state", "announced"]), ["ended", "0"]);
    assert_eq!(redis.ask::<u64>(&["XLEN", "tg:revocations"]), 0, "written behind the fence");
}

#[tokio::test]
async fn a_field_that_a_node_does_not_know_is_kept_by_it() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    let tokens = api.login("alice").await;
    let key = format!("tg:{{alice}}:session:{}", tokens.session);
    redis.ask::<u64>(&["HSET", &key, "of_the_next_release", "x"]);
    redis.age(Duration::from_secs(1));
    let tokens = api.refresh(&tokens.refresh).await.tokens();
    assert_eq!(api.refresh(&tokens.refresh).await.status, 200);
    assert_eq!(redis.ask::<Vec<String>>(&["HMGET", &key, "gen", "of_the_next_release"]), ["2", "x"]);
}
