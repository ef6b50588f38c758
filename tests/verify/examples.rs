//! The API nodes of `examples/`, as a reader would run them.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use token_gateway_core::token::Alg;
use token_gateway_testkit::api::Api;
use token_gateway_testkit::eventually;
use token_gateway_testkit::gateway::{Gateway, ISSUER};
use token_gateway_testkit::service_key::WEB;

use crate::{GATEWAY, keys_of};

struct Node {
    child: Child,
    api: Api,
    output: BufReader<ChildStdout>,
}

impl Node {
    fn start(mut command: Command, gateway: &Gateway) -> Self {
        let child = command
            .env("GATEWAY", format!("http://{}", gateway.address()))
            .envs([("ISSUER", ISSUER), ("FEED_KEY", WEB.key), ("BIND_ADDR", "127.0.0.1:0")])
            .stdout(Stdio::piped())
            .spawn();
        let mut child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        output.read_line(&mut line).expect("it says where it listens");
        let address = line.trim().strip_prefix("listening on http://").expect("an address").to_owned();
        Self { child, api: Api::new(&address), output }
    }

    /// The next line of its output.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("a line");
        line
    }

    async fn whoami(&self, token: &str) -> token_gateway_testkit::api::Answer {
        self.api.send(self.api.request(Method::GET, "/whoami").bearer_auth(token)).await
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The folder of scripts/test for tests/interop also has the verifiers of the examples.
fn installed(path: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository("target"), PathBuf::from);
    target.join("interop").join(path)
}

fn node_js() -> Command {
    // Packages are looked for beside the script, as after `npm install`.
    let script = installed("npm").join("api-node.mjs");
    std::fs::copy(repository("examples/node/server.mjs"), &script).expect("it can be copied");
    let mut command = Command::new("node");
    command.arg(script);
    command
}

fn python() -> Command {
    let mut command = Command::new(installed("pypi/bin/python3"));
    command.arg(repository("examples/python/server.py"));
    command
}

/// Cargo has built it beside the tests, and becomes it.
fn rust() -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(repository("")).args(["run", "--quiet", "--locked", "--example", "api-node"]);
    command
}

#[tokio::test]
async fn every_example_admits_good_tokens_and_refuses_all_others() {
    let keys = keys_of(Alg::Es256);
    let gateway = GATEWAY.embedded_with(&[("SIGNING_KEYS", keys.path()), ("SIGNING_SECRET", "")]);
    let api = gateway.api();
    let body = json!({"sub": "alice", "claims": {"roles": ["admin"]}});
    for command in [rust(), node_js(), python()] {
        let (what, node) = (format!("{command:?}"), Node::start(command, &gateway));
        let tokens = api.issue(&body).await.tokens();
        let answer = eventually("it is admitted", Duration::from_secs(10), async || {
            let answer = node.whoami(&tokens.access).await;
            (answer.status == 200).then_some(answer)
        })
        .await;
        assert_eq!(
            answer.json(),
            json!({"sub": "alice", "session": tokens.session, "roles": ["admin"]}),
            "{what}"
        );
        let elsewhere = api.issue(&json!({"sub": "alice", "aud": "shop"})).await.tokens();
        let tampered = format!("{}AAAA", &tokens.access[..tokens.access.len() - 4]);
        for bad in ["x", "", "a.b.c", &tokens.refresh, &elsewhere.access, &tampered] {
            let answer = node.whoami(bad).await;
            assert_eq!(answer.status, 401, "{what} {bad}: {answer:?}");
            assert!(answer.header("www-authenticate").is_some_and(|it| it.starts_with("Bearer")), "{what}");
        }
    }
}

/// The login of README.md, with these in the places of its variables.
fn login_of_the_readme(gateway: &Gateway) -> String {
    let readme = std::fs::read_to_string(repository("README.md")).expect("readable");
    let block =
        readme.split("```").find(|block| block.contains("curl") && block.contains("$URL/v1/sessions "));
    let block = block.expect("the login").trim_start_matches("sh\n");
    let mut login = Command::new("bash");
    login.args(["-euc", block]).env("KEY", WEB.key).env("URL", format!("http://{}", gateway.address()));
    let output = login.output().expect("bash runs");
    assert!(output.status.success(), "{block}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// These two know the published keys alone, so a logout reaches them when the token expires.
#[tokio::test]
async fn the_other_examples_say_that_a_logout_is_not_seen_and_show_the_claim_of_the_readme() {
    let keys = keys_of(Alg::Es256);
    let gateway = GATEWAY.embedded_with(&[("SIGNING_KEYS", keys.path()), ("SIGNING_SECRET", "")]);
    let api = gateway.api();
    for command in [node_js(), python()] {
        let what = format!("{command:?}");
        let mut node = Node::start(command, &gateway);
        let answer: serde_json::Value = serde_json::from_str(&login_of_the_readme(&gateway)).expect("JSON");
        let access = answer["access_token"].as_str().expect("a token").to_owned();
        let shown = eventually("it is admitted", Duration::from_secs(10), async || {
            let answer = node.whoami(&access).await;
            (answer.status == 200).then_some(answer)
        });
        assert_eq!(shown.await.json()["roles"], json!(["admin"]), "{what}");
        assert_eq!(api.revoke(&access).await.status, 200);
        let verify = api.request(Method::GET, "/verify").bearer_auth(&access);
        assert_eq!(api.send(verify).await.status, 401, "/verify knows");
        assert_eq!(node.whoami(&access).await.status, 200, "{what}");
        let line = node.line();
        assert!(line.contains("logout") && line.contains("until it expires"), "{what}: {line}");
    }
}

/// The only example with a subscriber of the feed.
#[tokio::test]
async fn the_rust_example_knows_of_a_logout_before_the_token_expires() {
    let keys = keys_of(Alg::Es256);
    let gateway = GATEWAY.embedded_with(&[("SIGNING_KEYS", keys.path()), ("SIGNING_SECRET", "")]);
    let node = Node::start(rust(), &gateway);
    let tokens = gateway.api().login("alice").await;
    eventually("it is ready", Duration::from_secs(10), async || {
        (node.whoami(&tokens.access).await.status == 200).then_some(())
    })
    .await;
    assert_eq!(gateway.api().revoke(&tokens.refresh).await.status, 200);
    eventually("it has heard of it", Duration::from_secs(5), async || {
        (node.whoami(&tokens.access).await.status == 401).then_some(())
    })
    .await;
}
