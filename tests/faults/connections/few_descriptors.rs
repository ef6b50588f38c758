//! A node that may open few files starts with enough of them, or says how many it needs.

use std::process::{Command, Output};
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use token_gateway_testkit::api::Api;
use token_gateway_testkit::eventually;
use token_gateway_testkit::gateway::Gateway;
use token_gateway_testkit::redis::Redis;

use super::crowded::limited;
use super::raw_client::RawClient;
use crate::GATEWAY;

/// The least descriptors of a node with one worker.
const LEAST: usize = 128;

/// A command that goes on is stopped after ten seconds.
fn outcome(subcommand: &str, args: &[&str], descriptors: usize) -> Output {
    let command = GATEWAY.command(subcommand, &[("STORE", "embedded"), ("WORKERS", "1")]);
    let mut bounded = Command::new("timeout");
    bounded.arg("10").arg(command.get_program()).args(command.get_args());
    bounded.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    limited(&bounded, descriptors).args(args).output().expect("it ends")
}

#[test]
fn a_node_with_too_few_descriptors_does_not_start_and_check_says_so() {
    let told = format!("the limit of open files is 64, and a node with WORKERS=1 needs {LEAST}; raise ");
    let ended = outcome("serve", &[], 64);
    let log = String::from_utf8(ended.stderr).expect("text");
    assert!(log.contains(&told) && !log.contains("listening on"), "{log}");
    assert!(!ended.status.success());
    let ended = outcome("check", &["--json"], 64);
    let findings: Vec<Value> = serde_json::from_slice(&ended.stdout).expect("JSON");
    let found = findings.iter().find(|finding| finding["subject"] == "connections").expect("a finding");
    assert_eq!(found["severity"], "problem", "{found}");
    assert!(found["message"].as_str().expect("text").starts_with(&told), "{found}");
    assert!(!ended.status.success());
}

/// Connections that send nothing, more than fit at either address.
fn crowd(node: &Gateway) -> Vec<RawClient> {
    let admin = node.admin();
    let admin = admin.rsplit('/').next().expect("an address");
    (0..LEAST).flat_map(|_| [RawClient::of(node), RawClient::to(admin)]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_least_number_of_descriptors_is_enough_in_a_crowd() {
    let redis = Redis::start();
    let settings = [("WORKERS", "1"), ("ADMIN_ADDR", "127.0.0.1:0")];
    let mut command = GATEWAY.command("serve", &settings);
    command.env("REDIS_URL", redis.url());
    let node = Gateway::run(limited(&command, LEAST));
    let held = crowd(&node);
    let (api, admin) = (node.api(), Api::new(&node.admin()));
    let tokens = api.login("alice").await;
    let _: u64 = redis.ask(&["CLIENT", "KILL", "TYPE", "normal"]); // new connections need descriptors, too
    eventually("Redis is reached again", Duration::from_secs(5), async || {
        let ready = admin.send(admin.request(Method::GET, "/readyz")).await;
        (ready.status == 200).then_some(())
    })
    .await;
    api.refresh(&tokens.refresh).await.tokens();
    drop(held);
    assert!(!node.log().contains("Too many open files"), "{}", node.log());
}
