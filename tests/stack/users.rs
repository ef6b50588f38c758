//! Redis users: the gateways may do their work, and nobody anything else.

use std::collections::BTreeSet;
use std::process::Command;

use redis::{RedisResult, Value};
use reqwest::Method;
use serde_json::json;
use token_gateway_testkit::users::rule_of_the_gateway;

use super::config::{service, texts};
use super::parts::{Server, Store, ask, gateway, gateway_with};
use super::repository;

/// The gateway's commands besides those in its scripts.
const CARRIERS: [&str; 8] = ["acl|dryrun", "eval", "evalsha", "info", "time", "wait", "xrange", "xread"];

fn granted() -> BTreeSet<String> {
    rule_of_the_gateway().iter().filter_map(|word| word.strip_prefix('+')).map(str::to_owned).collect()
}

fn called_by_scripts() -> BTreeSet<String> {
    let mut called = BTreeSet::new();
    for entry in std::fs::read_dir(repository("src/store/redis/scripts")).expect("the scripts") {
        let script = std::fs::read_to_string(entry.expect("an entry").path()).expect("text");
        let calls = script.split("redis.call('").skip(1);
        called.extend(calls.map(|rest| rest.split('\'').next().expect("a name").to_lowercase()));
    }
    called
}

#[test]
fn the_gateways_user_is_granted_exactly_what_scripts_and_connections_call() {
    let mut needed = called_by_scripts();
    assert!(needed.len() > 10, "the scripts are found: {needed:?}");
    needed.extend(CARRIERS.map(str::to_owned));
    assert_eq!(granted(), needed);
}

#[tokio::test]
async fn nothing_that_a_gateway_does_is_refused() {
    for server in Server::BOTH {
        does_what_it_does(Store::start_as(server)).await;
    }
}

async fn does_what_it_does(store: Store) {
    let node = gateway(&store, "127.0.0.1:0");
    let api = node.api();
    let tokens = api.issue(&json!({"sub": "alice", "client": {"ip": "192.0.2.1"}})).await.tokens();
    let next = api.refresh(&tokens.refresh).await.tokens();
    assert_eq!(api.me(Method::GET, "", &next.access).await.sessions().len(), 1);
    let patch = api.service(Method::PATCH, "/v1/users/alice/sessions").json(&json!({"claims": {}}));
    assert_eq!(api.send(patch).await.status, 200);
    assert_eq!(api.user(Method::GET, "alice", &format!("/{}", next.session)).await.status, 200);
    api.refresh_until_decided(&tokens.refresh).await.expect_error(400, "invalid_grant");
    let (one, two) = (api.login("bob").await, api.login("bob").await);
    assert_eq!(api.revoke(&one.refresh).await.status, 200);
    assert_eq!(api.user(Method::DELETE, "bob", "").await.ended(), [two.session]);
    assert_eq!(api.send(api.request(Method::GET, "/readyz")).await.status, 200);
    assert_eq!(store.ask::<u64>("XLEN tg:revocations"), 3);
    wait_for_replicas(&store).await;
    assert_eq!(store.refused(), []);
    let errors: String = store.ask("INFO errorstats");
    assert!(!errors.contains("errorstat_ERR") && !errors.contains("errorstat_NOPERM"), "{errors}");
}

/// A node that waits for replicas keeps connections of another kind, and checks each before further use.
async fn wait_for_replicas(store: &Store) {
    let node = gateway_with(store, "127.0.0.1:0", &[("REDIS_WAIT_REPLICAS", "1"), ("WORKERS", "1")]);
    let api = node.api();
    let tokens = api.login("carol").await;
    for _ in 0..2 {
        api.revoke(&tokens.refresh).await.expect_error(503, "temporarily_unavailable");
    }
    let stats: String = store.ask("INFO commandstats");
    for command in ["wait", "xrange", "xread"] {
        assert!(stats.contains(&format!("cmdstat_{command}:")), "{command} was never sent: {stats}");
    }
}

/// The output of `check` in a gateway's container.
pub fn check(store: &Store) -> String {
    let mut check = Command::new(env!("CARGO_BIN_EXE_token-gateway"));
    check.arg("check").env_clear().envs(store.checkout.environment("gateway-1"));
    let output = check.output().expect("it ends");
    let text = String::from_utf8(output.stdout).expect("text");
    assert_eq!(output.status.code(), Some(i32::from(text.contains("PROBLEM"))), "{text}");
    text
}

#[test]
fn check_is_content_and_leaves_only_the_question_for_the_configuration_open() {
    for server in Server::BOTH {
        let store = Store::start_as(server);
        let text = check(&store);
        assert!(text.contains("noeviction") && text.contains("default-user"), "{text}");
        assert!(!text.contains("warning") && !text.contains("PROBLEM"), "{text}");
        assert_eq!(store.refused(), [("gateway".to_owned(), "config|get".to_owned())]);
    }
}

/// With the rights of the release before, which did not ask.
#[test]
fn a_gateway_that_may_not_ask_is_a_warning_with_the_right_that_it_lacks() {
    for (server, said) in [(Server::Redis, true), (Server::Valkey, false)] {
        let mut store = Store::prepare(server);
        store.checkout.rewrite("secrets/redis_users.acl", |text| text.replace(" +acl|dryrun", ""));
        store.run();
        let text = check(&store);
        assert_eq!(
            text.contains("warning") && text.contains("grant it +acl|dryrun"),
            said,
            "{server:?}: {text}"
        );
        assert!(!text.contains("PROBLEM"), "{text}");
    }
}

/// From Redis 7.2 on a transaction of the file may begin with `SELECT`, which is no write.
#[test]
fn a_default_user_that_may_only_write_is_a_problem() {
    let mut store = Store::prepare(Server::Redis);
    let rule = "user default off ~* &* +@write";
    store
        .checkout
        .rewrite("secrets/redis_users.acl", |text| text.replace("user default off ~* &* +@all", rule));
    store.run();
    let text = check(&store);
    assert!(text.lines().any(|line| line.starts_with("PROBLEM default-user ")), "{text}");
}

/// The container's own question, which needs no password.
#[test]
fn the_health_check_is_answered_and_its_user_may_do_nothing_else() {
    let mut store = Store::start();
    let words = texts(&service("redis")["healthcheck"]["test"]);
    assert_eq!(words[..2], ["CMD", "valkey-cli"]);
    let port = store.port().to_string();
    let run = |words: &[&str]| {
        let output =
            Command::new("redis-cli").args(["-p", &port]).args(words).output().expect("redis-cli runs");
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).trim().to_owned())
    };
    let (ok, text) = run(&words[2..]);
    assert!(ok && text.starts_with("PONG"), "{text}");
    let (_, user) = words[2..].split_last().expect("a command");
    for line in
        ["INFO", "GET tg:schema", "SET tg:schema 2", "ACL WHOAMI", "CONFIG GET dir", "KEYS *", "PUBLISH a b"]
    {
        let (ok, text) = run(&[user, &line.split(' ').collect::<Vec<_>>()].concat());
        assert!(!ok && text.contains("NOPERM"), "{line}: {text}");
    }
    store.kill();
    assert!(!run(&words[2..]).0, "a server that is gone is not healthy");
}

#[test]
fn redis_has_the_configuration_that_the_gateway_recommends() {
    let store = Store::start();
    for (name, value) in [
        ("maxmemory-policy", "noeviction"),
        ("appendonly", "yes"),
        ("appendfsync", "everysec"),
        ("save", ""),
        ("hash-max-listpack-value", "2048"),
        ("maxmemory", "268435456"),
    ] {
        let found: Vec<String> = store.ask(&format!("CONFIG GET {name}"));
        assert_eq!(found, [name, value]);
    }
}

#[test]
fn the_gateways_user_can_neither_administer_nor_touch_a_foreign_key() {
    let store = Store::start();
    store.ask::<String>("SET other:key precious");
    for line in [
        "CONFIG GET dir",
        "CONFIG SET dir /tmp",
        "FLUSHALL",
        "FLUSHDB",
        "KEYS *",
        "SCAN 0",
        "ACL LIST",
        "CLIENT LIST",
        "SCRIPT FLUSH",
        "SHUTDOWN NOSAVE",
        "XREVRANGE tg:revocations + -",
        "GET other:key",
        "DEL other:key",
        "GET tgx",
        "SMEMBERS {tg:alice}:sessions",
        "EVAL return(redis.call('GET','other:key')) 0",
        "EVAL return(redis.call('KEYS','*')) 0",
        "PUBLISH tg:news x",
    ] {
        let answer: RedisResult<Value> = store.ask_as_gateway(line);
        assert!(answer.is_err(), "{line}: {answer:?}");
        assert_eq!(store.refused().len(), 1, "{line}: refused for another reason: {answer:?}");
        store.ask::<String>("ACL LOG RESET");
    }
    assert_eq!(store.ask::<String>("GET other:key"), "precious");
    assert_eq!(store.ask_as_gateway::<String>("SET tg:own x").expect("its own key"), "OK");
}

#[test]
fn without_a_name_nothing_is_answered() {
    let store = Store::start();
    for line in ["PING", "INFO", "GET tg:schema", "CONFIG GET dir", "EVAL return(1) 0"] {
        let refused: RedisResult<Value> = ask(&store.anonymous_url(), line);
        let error = refused.expect_err(line).to_string();
        assert!(error.contains("NOAUTH") || error.contains("Authentication required"), "{line}: {error}");
    }
    for url in ["redis://:x@", "redis://default:x@", "redis://gateway:x@", "redis://operator:x@"] {
        let url = store.anonymous_url().replace("redis://", url);
        assert!(ask::<Value>(&url, "PING").is_err(), "{url}");
    }
}
