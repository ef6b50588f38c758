//! More connections than a node takes.

use std::io::Read;
use std::process::Command;
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use token_gateway_testkit::api::Api;
use token_gateway_testkit::eventually;
use token_gateway_testkit::gateway::Gateway;
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::service_key::WEB;

use super::raw_client::RawClient;
use crate::GATEWAY;

/// Descriptors of the node, and the connections that it takes with one worker.
const DESCRIPTORS: usize = 240;
const CONNECTIONS: usize = 60;

/// The command, with a hard and a soft limit of descriptors.
pub fn limited(command: &Command, hard: usize) -> Command {
    let mut shell = Command::new("sh");
    let soft = hard.min(DESCRIPTORS) - 1;
    let script = format!("ulimit -Sn {soft} && ulimit -Hn {hard} && exec \"$0\" \"$@\"");
    shell.env_clear().args(["-c", &script]).arg(command.get_program()).args(command.get_args());
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell
}

fn node(redis: &Redis) -> Gateway {
    let settings = [("WORKERS", "1"), ("ADMIN_ADDR", "127.0.0.1:0")];
    let mut command = GATEWAY.command("serve", &settings);
    command.env("REDIS_URL", redis.url());
    Gateway::run(limited(&command, DESCRIPTORS))
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_send_nothing_whole_shut_nobody_out() {
    let redis = Redis::start();
    let node = node(&redis);
    let mut held = Vec::new();
    for n in 0..2 * DESCRIPTORS {
        let mut client = RawClient::of(&node);
        if n % 2 == 0 {
            client.say("GET /livez HTTP/1.1\r\nHost: x\r\n\r\nG");
        }
        held.push(client);
    }
    let (api, admin) = (node.api(), Api::new(&node.admin()));
    for one in [&api, &admin] {
        assert_eq!(one.send(one.request(Method::GET, "/livez")).await.status, 200);
        assert_eq!(one.send(one.request(Method::GET, "/readyz")).await.status, 200);
    }
    let tokens = api.login("alice").await;
    api.refresh(&tokens.refresh).await.tokens();
    let metrics = node.metrics().await;
    assert!(metrics.contains(&format!("token_gateway_connections_limit {CONNECTIONS}\n")), "{metrics}");
    assert!(!metrics.contains("{cause=\"room\"} 0"), "{metrics}");
    eventually("the log tells", Duration::from_secs(5), async || {
        node.log().contains("too many connections: ").then_some(())
    })
    .await;
    let log = node.log();
    assert!(
        log.contains(&format!("only {CONNECTIONS} connections of clients, of {DESCRIPTORS} file descr")),
        "{log}"
    );
    assert_eq!(log.matches("too many connections").count(), 1, "{log}");
}

/// Requests whose bodies are unfinished: one is answered before its body is read, the other waits for it.
const UNFINISHED: [&str; 2] = [
    "POST /verify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n",
    "POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n\
     Content-Length: 100\r\n\r\nx",
];

#[tokio::test(flavor = "multi_thread")]
async fn unfinished_bodies_shut_nobody_out() {
    let node = Gateway::run(limited(
        &GATEWAY.command("serve", &[("WORKERS", "1"), ("ADMIN_ADDR", "127.0.0.1:0"), ("STORE", "embedded")]),
        DESCRIPTORS,
    ));
    for address in
        [node.address().to_owned(), node.admin().rsplit('/').next().expect("an address").to_owned()]
    {
        for request in UNFINISHED {
            let held: Vec<_> = (0..80)
                .map(|_| {
                    let mut client = RawClient::to(&address);
                    let _ = std::io::Write::write_all(&mut client.0, request.as_bytes());
                    client
                })
                .collect();
            for _ in 0..10 {
                let livez = reqwest::get(format!("http://{address}/livez")).await.expect("an answer");
                assert_eq!(livez.status(), 200, "{address} {request}");
            }
            drop(held);
        }
    }
    let setting = |setting| format!("closed or refused at {setting}, ");
    eventually("both lines come", Duration::from_secs(5), async || {
        let log = node.log();
        (log.contains(&setting("BIND_ADDR")) && log.contains(&setting("ADMIN_ADDR"))).then_some(())
    })
    .await;
}

/// A connection that asks for a stream, and the beginning of its answer.
fn open_stream(node: &Gateway) -> (RawClient, String) {
    let mut client = RawClient::of(node);
    let key = WEB.key;
    client.say(&format!("GET /v1/revocations HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n"));
    let mut word = [0; 12];
    client.0.read_exact(&mut word).expect("the answer begins");
    (client, String::from_utf8_lossy(&word).into_owned())
}

/// Answers to `/livez` on a new connection.
async fn livez(node: &Gateway) -> Option<()> {
    let livez = reqwest::get(format!("http://{}/livez", node.address())).await.ok()?;
    (livez.status() == 200).then_some(())
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_leave_half_of_the_connections_to_requests() {
    let redis = Redis::start();
    let node = node(&redis);
    let api = node.api();
    eventually("the feed is read", Duration::from_secs(10), async || {
        let request = api.request(Method::HEAD, "/v1/revocations").bearer_auth(WEB.key);
        (api.send(request).await.status == 200).then_some(())
    })
    .await;
    let streams: Vec<_> = (0..CONNECTIONS / 2).map(|_| open_stream(&node)).collect();
    assert!(streams.iter().all(|(_, status)| status == "HTTP/1.1 200"));
    assert_eq!(open_stream(&node).1, "HTTP/1.1 503");
    livez(&node).await.expect("others are served");
    api.login("alice").await;
}

/// Their requests are complete, so none of them makes room.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_beyond_the_limit_gets_503_while_all_others_are_served() {
    let redis = Redis::start();
    let settings = [("WORKERS", "1"), ("ADMIN_ADDR", "127.0.0.1:0"), ("REDIS_TIMEOUT_MS", "20000")];
    let mut command = GATEWAY.command("serve", &settings);
    command.env("REDIS_URL", redis.url());
    let node = Gateway::run(limited(&command, DESCRIPTORS));
    let token = node.api().login("alice").await.refresh;
    redis.freeze();
    let body = format!("grant_type=refresh_token&refresh_token={token}");
    let refresh = format!(
        "POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n{body}",
        body.len()
    );
    let mut served = Vec::new();
    while served.len() < CONNECTIONS {
        let mut client = RawClient::of(&node);
        client.say(&refresh);
        served.push(client);
        let line = format!("store_in_flight {}\n", served.len());
        eventually(&line, Duration::from_secs(5), async || {
            node.metrics().await.contains(&line).then_some(())
        })
        .await;
    }
    let mut refused = RawClient::of(&node);
    refused.say("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
    let (answer, _) = refused.rest();
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    assert!(head.starts_with("HTTP/1.1 503 ") && head.contains("Retry-After: 1"), "{answer}");
    assert!(head.contains("X-Content-Type-Options: nosniff"), "{answer}");
    let body: Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(body["error"], "temporarily_unavailable");
    drop(served);
    eventually("there is room again", Duration::from_secs(5), async || livez(&node).await).await;
    redis.thaw();
}

#[test]
fn check_says_how_many_connections_a_node_takes() {
    let check = |descriptors| {
        let command = GATEWAY.command("check", &[("STORE", "embedded"), ("WORKERS", "1")]);
        let mut command = limited(&command, descriptors);
        let ended = command.arg("--json").output().expect("it ends");
        let findings: Vec<Value> = serde_json::from_slice(&ended.stdout).expect("JSON");
        let found = findings.into_iter().find(|finding| finding["subject"] == "connections");
        found.expect("a finding about connections")
    };
    let low = check(DESCRIPTORS);
    assert_eq!(low["severity"], "warning", "{low}");
    assert!(low["message"].as_str().expect("text").starts_with("up to 60 connections"), "{low}");
    assert_eq!(check(2048)["severity"], "ok");
}
