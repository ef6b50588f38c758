//! A node that has just started, and reads many ends over a slow network.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread::{sleep, spawn};
use std::time::Duration;

use reqwest::Method;
use token_gateway_testkit::api::Api;
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::{eventually, wait_for};

use super::{LIMIT, publish};
use crate::GATEWAY;

const WARNING: &str = "the revocation feed is being read for the first time";

/// Passes the answers of Redis on at half a megabyte a second.
fn slow_network(redis: &Redis) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let (own, server) = (listener.local_addr().expect("an address"), redis.address());
    spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(server) = TcpStream::connect(&server) else { return };
            let (asker, asked) = (client.try_clone().expect("a clone"), server.try_clone().expect("a clone"));
            spawn(move || pass_on(asker, asked, Duration::ZERO));
            spawn(move || pass_on(server, client, Duration::from_millis(8)));
        }
    });
    format!("redis://{own}")
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, pause: Duration) {
    let mut piece = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut piece) {
        sleep(pause);
        if to.write_all(&piece[..length]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

/// Refreshes need no feed, so the node is ready. `/verify` answers by the end of the reading.
#[tokio::test]
async fn a_first_reading_that_takes_long_is_said_by_readyz_and_the_log() {
    const ENDS: usize = 20_000;
    let redis = Redis::start();
    publish(&redis, ENDS);
    let settings = [("ADMIN_ADDR", "127.0.0.1:0"), ("WORKERS", "1"), ("REDIS_TIMEOUT_MS", "5000")];
    let gateway = GATEWAY.on(&slow_network(&redis), &settings);
    let (api, admin) = (gateway.api(), Api::new(&gateway.admin()));
    let readiness = async || admin.send(admin.request(Method::GET, "/readyz")).await;
    eventually("the reading begins", LIMIT, async || {
        let ready = readiness().await;
        assert_eq!(ready.status, 200, "{ready:?}");
        ready.json()["warnings"].to_string().contains(WARNING).then_some(())
    })
    .await;
    let tokens = api.login("alice").await;
    let next = api.refresh(&tokens.refresh).await.tokens();
    let has_line = |words: &str| gateway.log().lines().any(|line| line.contains(words)).then_some(());
    wait_for("its line", LIMIT, || has_line("the first reading of the revocation feed lasts for "));
    eventually("it is over", LIMIT, async || {
        (!readiness().await.json()["warnings"].to_string().contains(WARNING)).then_some(())
    })
    .await;
    let verify = api.request(Method::GET, "/verify").bearer_auth(&next.access);
    assert_eq!(api.send(verify).await.status, 200);
    wait_for("the line of its end", LIMIT, || {
        has_line("the first reading of the revocation feed is over after")
    });
    assert!(has_line(&format!("with {ENDS} ended sessions")).is_some(), "{}", gateway.log());
}
