//! SIGTERM drains: no request in flight is cut off.

use std::net::TcpStream;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use token_gateway_testkit::api::Api;
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::wait_for;

use super::connections::raw_client::RawClient;
use crate::GATEWAY;

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_cuts_no_request_off_and_fails_readiness_first() {
    let redis = Redis::start();
    let mut gateway =
        GATEWAY.start_with(&redis, &[("REDIS_TIMEOUT_MS", "10000"), ("ADMIN_ADDR", "127.0.0.1:0")]);
    let api = gateway.api();
    let users: Vec<String> = (0..20).map(|n| format!("user-{n}")).collect();
    let logins = join_all(users.iter().map(|user| api.login(user))).await;
    redis.freeze();
    let in_flight: Vec<_> = logins
        .iter()
        .map(|tokens| {
            let (api, token) = (api.clone(), tokens.refresh.clone());
            tokio::spawn(async move { api.refresh(&token).await })
        })
        .collect();
    let admin = Api::new(&gateway.admin());
    while !admin.send(admin.request(Method::GET, "/metrics")).await.text.contains("store_in_flight 20\n") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut half_sent = RawClient::of(&gateway);
    half_sent.say("POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\ngrant_type=");
    gateway.terminate();
    wait_for("the node says so", Duration::from_secs(5), || {
        gateway.log().contains("told to stop").then_some(())
    });
    let readiness = api.send(api.request(Method::GET, "/readyz")).await;
    assert_eq!((readiness.status.as_u16(), readiness.text.as_str()), (503, "draining"));
    wait_for("the listener closes", Duration::from_secs(10), || TcpStream::connect(gateway.address()).err());
    let (answer, _) = half_sent.rest();
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("Connection: close"), "{answer}");
    redis.thaw();
    for refresh in in_flight {
        assert_eq!(refresh.await.expect("no panic").status, 200);
    }
    assert_eq!(gateway.wait().code(), Some(0));
    wait_for("the last line is written", Duration::from_secs(5), || {
        gateway.log().ends_with("stopped\n").then_some(())
    });
}
