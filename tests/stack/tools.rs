//! The commands for people, as the pages print them, as far as they go without an engine.

use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use tempfile::TempDir;
use token_gateway_testkit::eventually;
use token_gateway_testkit::service_key::WEB;

use super::config::{compose, service, texts};
use super::parts::{Stack, Store, gateway};
use super::{repository, text_of};

const START: &str = "docs/start/local-stack.md";
const PAGES: [&str; 2] = [START, "docs/operate/stack.md"];

/// The commands on the pages for a tool, each once, without comments at their end.
fn printed(tool: &str) -> Vec<String> {
    let start = format!("docker compose run --rm {tool} ");
    let pages = PAGES.map(text_of);
    let lines = pages.iter().flat_map(|page| page.lines()).filter_map(|line| line.strip_prefix(&start));
    let mut commands: Vec<_> =
        lines.map(|line| line.split(" #").next().expect("a command").trim().to_owned()).collect();
    commands.sort();
    commands.dedup();
    assert!(!commands.is_empty(), "no page says how {tool} is used");
    commands
}

/// The tool's entrypoint on this machine, with its environment; redis-cli takes the place of the image's `valkey-cli`.
fn tool(store: &Store, name: &str, line: &str) -> Command {
    let (entrypoint, bin) = (texts(&service(name)["entrypoint"]), TempDir::new().expect("a folder").keep());
    symlink(env!("CARGO_BIN_EXE_token-gateway"), bin.join("token-gateway")).expect("a link");
    let mut command = Command::new("bash");
    let mut words = Vec::new();
    for word in entrypoint {
        let word = if word.starts_with('/') {
            store.checkout.place(name, word).to_str().expect("text").to_owned()
        } else {
            word.to_owned()
        };
        words.push(word);
    }
    let found = Command::new("sh").args(["-c", "command -v redis-cli"]).output().expect("sh runs");
    symlink(String::from_utf8_lossy(&found.stdout).trim(), bin.join("valkey-cli")).expect("a link");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    command.args(["-c", &format!("{} {line}", words.join(" "))]).env_clear().env("PATH", path);
    command.envs(store.checkout.environment(name));
    command
}

fn succeed(store: &Store, name: &str, line: &str) -> String {
    let output = tool(store, name, line).output().expect("it runs");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{line}: {out}{err}");
    out.into_owned()
}

#[tokio::test]
async fn what_the_pages_print_for_redis_cli_is_answered() {
    let store = Store::start();
    let session = gateway(&store, "127.0.0.1:0").api().login("alice").await.session;
    for line in printed("redis-cli") {
        let said = succeed(&store, "redis-cli", &line);
        assert!(
            !said.contains("ERR") && !said.contains("NOAUTH") && !said.contains("NOPERM"),
            "{line}: {said}"
        );
    }
    assert!(succeed(&store, "redis-cli", "--scan --pattern 'tg:*'").contains(&session));
}

#[tokio::test]
async fn what_the_pages_print_for_operators_does_what_it_says() {
    let store = Store::start();
    let node = gateway(&store, "127.0.0.1:0");
    let session = node.api().login("alice").await.session;
    let lines = printed("operator");
    for needed in ["stats", "keys rotate", "keys list", "sessions list alice"] {
        assert!(lines.iter().any(|line| line == needed), "{needed} is on no page: {lines:?}");
    }
    for line in lines.iter().filter(|line| !line.starts_with("keys rotate")) {
        let said = succeed(&store, "operator", line);
        assert!(!line.contains("sessions list alice") || said.contains(&session), "{line}: {said}");
    }
}

/// The folder is read-only in the gateways' container, so a former command failed there.
#[tokio::test]
async fn keys_are_rotated_without_rust_on_the_host_and_running_nodes_publish_the_new_one() {
    let stack = Stack::start();
    assert!(printed("operator").contains(&"keys rotate".to_owned()));
    let kids = async |node: usize| {
        let api = stack.gateway(node).api();
        let jwks = api.send(api.request(Method::GET, "/.well-known/jwks.json")).await.json();
        jwks["keys"].as_array().expect("keys").iter().map(|key| key["kid"].clone()).collect::<Vec<Value>>()
    };
    let before = kids(0).await;
    let said = succeed(&stack.store, "operator", "keys rotate --json");
    let made: Value = serde_json::from_str(&said).expect("JSON");
    for node in [0, 1] {
        eventually("the node publishes both", Duration::from_secs(10), async || {
            let now = kids(node).await;
            (now.len() == before.len() + 1 && now.contains(&made["kid"])).then_some(())
        })
        .await;
    }
    assert!(
        service("operator")["volumes"][0]["read_only"] != true && service("operator")["read_only"] == true
    );
}

/// The block for login and refresh, with only the key and the two ports put in place.
#[test]
fn the_lines_of_the_page_log_in_and_refresh_through_nginx() {
    let stack = Stack::start();
    let page = text_of(START);
    let (_, rest) = page.split_once("KEY=tgk...").expect("the block");
    let (block, _) = rest.split_once("```").expect("its end");
    let lines = format!("KEY={}{block}", WEB.key)
        .replace("127.0.0.1:8080", stack.nginx.public_address())
        .replace("127.0.0.1:8081", stack.nginx.internal_address());
    let output = Command::new("bash").args(["-euc", &lines]).output().expect("bash runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("\"refresh_token\":\""), "{lines}\n{text}");
}

/// `init` inside the container, where the checkout has another path.
#[test]
fn the_init_of_the_page_makes_what_compose_asks_for() {
    let page = text_of(START);
    let line =
        page.lines().find(|line| line.starts_with("docker run") && line.contains(" init ")).expect("init");
    let (_, arguments) = line.split_once("token-gateway:local ").expect("the image");
    let dir = TempDir::new().expect("a folder");
    std::fs::copy(repository("docker-compose.yml"), dir.path().join("docker-compose.yml")).expect("a copy");
    let inside = |path: &str| path.replace("/out", dir.path().to_str().expect("text"));
    let (_, working_folder) = line.split_once(" -w ").expect("the working folder");
    let working_folder = inside(working_folder.split(' ').next().expect("a path"));
    let mut init = Command::new(env!("CARGO_BIN_EXE_token-gateway"));
    init.env_clear().args(inside(arguments).split(' ')).current_dir(working_folder);
    assert!(init.output().expect("it runs").status.success());
    let env = std::fs::read_to_string(dir.path().join(".env")).expect("init wrote it");
    assert!(
        env.contains("\nSIGNING_KEYS=keys/signing.json\n"),
        "the container's paths name nothing outside: {env}"
    );
    let config = compose(dir.path()).arg("config").output().expect("it runs");
    assert!(config.status.success(), "{}", String::from_utf8_lossy(&config.stderr));
}

#[test]
fn the_page_shows_each_line_that_the_check_on_an_engine_prints() {
    let (script, page) = (text_of("scripts/stack-check"), text_of("docs/operate/stack-check.md"));
    let labels: Vec<_> =
        script.lines().filter_map(|line| line.trim_start().strip_prefix("holds '")).collect();
    assert!(labels.len() > 15, "{labels:?}");
    for label in labels {
        let label = label.split('\'').next().expect("a label");
        assert!(page.contains(&format!("\nok    {label}\n")), "{label}");
    }
}
