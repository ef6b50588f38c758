//! Rights that the gateway's own user lacks: `check` names each, a node names them, and serves all else.

use std::time::Duration;

use serde_json::Value;
use token_gateway_testkit::api::Api;
use token_gateway_testkit::cluster::Cluster;
use token_gateway_testkit::gateway::Gateway;
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::sentinel::{PASSWORD, Sentinel};
use token_gateway_testkit::users::rule_of_the_gateway;
use token_gateway_testkit::{eventually, wait_for};

use super::check::{check, problems};
use crate::GATEWAY;

/// The rights without which `check` warns only.
const OPTIONAL: [&str; 1] = ["+acl|dryrun"];

/// A server with the user `gateway`, as the rule says, but for `change`.
fn server_with(extra: &[&str], change: impl Fn(&str) -> Option<String>) -> (Redis, String) {
    let redis = Redis::start_with(extra);
    let url = redis.url().replace("redis://", "redis://gateway:of-the-tests@");
    set_rule(&redis, change);
    (redis, url)
}

/// Gives the user `gateway` its rule anew; `change` drops a word, or puts another in its place.
fn set_rule(redis: &Redis, change: impl Fn(&str) -> Option<String>) {
    let mut rule = vec!["ACL".to_owned(), "SETUSER".into(), "gateway".into(), "reset".into()];
    rule.push(">of-the-tests".into());
    rule.extend(rule_of_the_gateway().iter().filter_map(|word| change(word)));
    redis.ask::<String>(&rule);
}

fn without(right: &str) -> impl Fn(&str) -> Option<String> {
    move |word| (word != right).then(|| word.to_owned())
}

/// The messages of `check` about rights, all of them problems.
fn missing(url: &str, settings: &[(&str, &str)]) -> Vec<String> {
    let ended = check(url, settings, true);
    let found = problems(&ended);
    assert_eq!(ended.code, i32::from(!found.is_empty()), "{ended:?}");
    assert!(found.iter().all(|(subject, _)| subject == "rights"), "{found:?}");
    found.into_iter().map(|(_, message)| message).collect()
}

#[test]
fn check_is_content_with_the_rights_of_the_rule() {
    let (_redis, url) = server_with(&[], |word| Some(word.to_owned()));
    assert_eq!(missing(&url, &[("REDIS_WAIT_REPLICAS", "0")]), [""; 0]);
    assert!(check(&url, &[], false).stdout.contains("user 'gateway' may run all 20 commands of a node"));
}

/// Every command of docs/operate/redis-users.md, one after the other.
#[test]
fn check_names_each_missing_command_with_its_keys_and_ends_with_1() {
    let (redis, url) = server_with(&[], |word| Some(word.to_owned()));
    let rights: Vec<_> = rule_of_the_gateway().into_iter().filter(|word| word.starts_with('+')).collect();
    let asked = rights.iter().filter(|right| !OPTIONAL.contains(&right.as_str()) && *right != "+wait");
    for right in asked {
        set_rule(&redis, without(right));
        let found = missing(&url, &[]);
        let [message] = &found[..] else { panic!("{right}: {found:?}") };
        let command = right[1..].to_uppercase();
        assert!(message.starts_with(&format!("user 'gateway' may not run {command}")), "{message}");
        assert!(message.contains(&format!("grant it {right}")), "{message}");
        let has_keys = !matches!(command.as_str(), "TIME" | "INFO");
        assert_eq!(message.contains("tg:"), has_keys, "{message}");
        assert!(
            check(&url, &[], false).stdout.contains(&format!("PROBLEM rights                   {message}"))
        );
    }
}

#[test]
fn a_right_is_asked_for_only_where_the_settings_need_it() {
    let (_redis, url) = server_with(&[], without("+wait"));
    assert_eq!(missing(&url, &[]), [""; 0]);
    let ended = check(&url, &[("REDIS_WAIT_REPLICAS", "1")], true);
    let found = problems(&ended);
    let said = |subject: &str, words: &str| found.iter().any(|(of, it)| of == subject && it.contains(words));
    assert!(said("rights", "may not run WAIT: every logout is 503; grant it +wait"), "{ended:?}");
    assert!(said("replicas", "0, but REDIS_WAIT_REPLICAS is 1"), "{ended:?}");
}

#[test]
fn a_database_that_the_user_may_not_choose_hides_no_other_right() {
    let (redis, url) = server_with(&[], without("+hdel"));
    let url = format!("{url}/1");
    let found = missing(&url, &[]);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("user 'gateway' may not run HDEL"), "{found:?}");
    assert!(
        found[1].ends_with("may not run SELECT: every call of a node is 503; grant it +select"),
        "{found:?}"
    );
    redis.ask::<String>(&["ACL", "SETUSER", "gateway", "+select", "+hdel"]);
    assert_eq!(missing(&url, &[]), [""; 0]);
}

#[test]
fn a_command_renamed_away_is_named_even_where_check_itself_needs_it() {
    for (command, said) in [
        (
            "GET",
            "the server knows no GET, perhaps by rename-command: no node can connect, and then every call is 503",
        ),
        (
            "EVAL",
            "the server knows no EVAL, perhaps by rename-command: no node can connect, and then every call is 503",
        ),
        ("EVALSHA", "the server knows no EVALSHA, perhaps by rename-command: every call of a node is 503"),
    ] {
        let (_redis, url) = server_with(&["--rename-command", command, ""], |word| {
            (word != format!("+{}", command.to_lowercase())).then(|| word.to_owned())
        });
        let found = missing(&url, &[]);
        assert!(found.len() == 1 && found[0].starts_with(said), "{command}: {found:?}");
        assert!(!found[0].contains("REDIS_URL") && !found[0].contains("grant it"), "{found:?}");
    }
}

#[test]
fn a_pattern_that_suits_some_subjects_alone_is_found() {
    let (redis, url) = server_with(&[], |word| Some(word.to_owned()));
    for pattern in ["~tg:{c*", "~tg:{[a-z]*", "~tg:{[a-zA-Z]*", "~tg:{[a-zA-Z0-9]*"] {
        set_rule(&redis, |word| Some(if word == "~tg:*" { pattern.to_owned() } else { word.to_owned() }));
        redis.ask::<String>(&["ACL", "SETUSER", "gateway", "~tg:revocations", "~tg:schema"]);
        let found = missing(&url, &[]);
        let said = "may not run HMGET on tg:{*}:session:*: ";
        assert!(found.iter().any(|it| it.contains(said)), "{pattern}: {found:?}");
    }
}

#[test]
fn a_key_pattern_that_leaves_keys_out_is_named_by_the_keys_and_so_is_one_that_may_only_be_read() {
    let (redis, url) = server_with(&[], |word| Some(word.to_owned()));
    for (pattern, keys, command) in [
        ("~tg:{*", "tg:revocations", "XADD"),
        ("~tg:{*", "tg:schema", "GET"),
        ("~tg:{*}:session:*", "tg:{*}:sessions", "SMEMBERS"),
        ("%R~tg:*", "tg:{*}:session:*", "HSET"),
        ("~other:*", "tg:{*}:session:*", "HMGET"),
    ] {
        set_rule(&redis, |word| Some(if word == "~tg:*" { pattern.to_owned() } else { word.to_owned() }));
        let found = missing(&url, &[]);
        let said = |message: &&String| {
            message.contains(&format!("may not run {command} on ")) && message.contains(keys)
        };
        assert!(found.iter().any(|it| said(&it)), "{pattern}: {found:?}");
        assert!(!found.iter().any(|it| it.contains("may not run TIME")), "{pattern}: {found:?}");
    }
    let found = missing(&url, &[("REDIS_PREFIX", "other")]);
    assert_eq!(found, [""; 0], "the keys are those of REDIS_PREFIX");
}

#[test]
fn several_missing_rights_are_named_each_and_a_command_renamed_away_like_them() {
    let (redis, url) = server_with(&["--rename-command", "HDEL", "gone"], without("+xadd"));
    let found = missing(&url, &[]);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found[0].contains("the server knows no HDEL") && found[1].contains("may not run XADD"),
        "{found:?}"
    );
    set_rule(&redis, |word| (word != "+xadd" && word != "+info").then(|| word.to_owned()));
    assert_eq!(missing(&url, &[]).len(), 3, "INFO, too");
}

#[test]
fn in_a_cluster_check_names_the_server_and_the_rights_of_a_cluster() {
    let cluster = Cluster::with_replicas(&[]);
    let also = |server: &Redis, more: &[&str], less: &str| {
        set_rule(server, without(less));
        server.ask::<String>(&[&["ACL", "SETUSER", "gateway"], more].concat());
    };
    let all = ["+asking", "+cluster|nodes"];
    cluster.servers.iter().for_each(|server| also(server, &all, ""));
    let url = cluster.gateway_url().replace("redis+cluster://", "redis+cluster://gateway:of-the-tests@");
    assert_eq!(missing(&url, &[]), [""; 0]);
    also(&cluster.servers[1], &all[1..], "+hmget");
    let found = missing(&url, &[]);
    let address = cluster.servers[1].address();
    let wanted = |command: &str| format!("{address}: user 'gateway' may not run {command}");
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with(&wanted("HMGET on tg:{*}:session:*")), "{found:?}");
    assert!(found[1].starts_with(&wanted("ASKING")), "{found:?}");
    let node = GATEWAY.on(&url, &[("ADMIN_ADDR", "127.0.0.1:0"), ("WORKERS", "1")]);
    is_warned_once(&node, &format!("rights: {}", found[0]));
}

#[test]
fn in_a_cluster_each_partition_of_the_feed_is_asked_about() {
    let cluster = Cluster::with_replicas(&[]);
    for server in &cluster.servers {
        set_rule(server, |word| {
            Some(if word == "~tg:*" { "~tg:{[^f]*".to_owned() } else { word.to_owned() })
        });
        let rights = ["+asking", "+cluster|nodes", "~tg:schema", "~tg:{feed-596}:*"];
        server.ask::<String>(&[&["ACL", "SETUSER", "gateway"], &rights[..]].concat());
    }
    let url = cluster.gateway_url().replace("redis+cluster://", "redis+cluster://gateway:of-the-tests@");
    let found = missing(&url, &[]);
    assert!(found.iter().any(|it| it.contains("may not run XADD on tg:{feed-*}:revocations: ")), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_missing_at_sentinels_is_named_too() {
    let sentinel = Sentinel::with_passwords();
    sentinel.servers.iter().for_each(|server| set_rule(server, |word| Some(word.to_owned())));
    let url = sentinel.gateway_url().replace(&format!(":{PASSWORD}@"), "gateway:of-the-tests@");
    let settings = [("REDIS_SENTINEL_USERNAME", "watcher"), ("REDIS_SENTINEL_PASSWORD", "of-the-tests-too")];
    let all = ["+sentinel|get-master-addr-by-name", "+sentinel|master", "+sentinel|replicas"];
    let admit = |lacking: &str| {
        let rule = ["ACL", "SETUSER", "watcher", "reset", "on", ">of-the-tests-too"];
        let rights = all.iter().copied().filter(|right| *right != lacking);
        sentinel.ask_watchers::<String>(&rule.into_iter().chain(rights).collect::<Vec<_>>());
    };
    admit("");
    assert_eq!(problems(&check(&url, &settings, true)), []);
    for right in all {
        admit(right);
        let ended = check(&url, &settings, true);
        let words = format!("grant its user {right}");
        assert!(problems(&ended).iter().any(|(_, it)| it.contains(&words)), "{ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinels_that_refuse_a_node_at_work_are_logged_and_shown() {
    let sentinel = Sentinel::with_passwords();
    sentinel.servers.iter().for_each(|server| set_rule(server, |word| Some(word.to_owned())));
    let url = sentinel.gateway_url().replace(&format!(":{PASSWORD}@"), "gateway:of-the-tests@");
    let rule = ["ACL", "SETUSER", "watcher", "reset", "on", ">of-the-tests-too"];
    let rights = ["+sentinel|get-master-addr-by-name", "+sentinel|master", "+sentinel|replicas"];
    sentinel.ask_watchers::<String>(&[&rule[..], &rights].concat());
    let settings = [
        ("REDIS_SENTINEL_USERNAME", "watcher"),
        ("REDIS_SENTINEL_PASSWORD", "of-the-tests-too"),
        ("ADMIN_ADDR", "127.0.0.1:0"),
        ("WORKERS", "1"),
    ];
    let node = GATEWAY.on(&url, &settings);
    for (right, words) in [
        (
            "sentinel|replicas",
            "Sentinels name no replicas, so a deposed primary is noticed later: the Sentinel at ",
        ),
        ("sentinel|master", "a new primary is noticed later: no Sentinel names the master"),
    ] {
        sentinel.ask_watchers::<String>(&["ACL", "SETUSER", "watcher", &format!("-{right}")]);
        eventually(words, Duration::from_secs(10), async || {
            let said = warnings(&node).await;
            said.iter().any(|it| it.contains(&format!("sentinels: {words}"))).then_some(())
        })
        .await;
        let grant = format!("grant its user +{right}");
        let is_logged = |line: &str| line.contains("WARN") && line.contains(words) && line.contains(&grant);
        wait_for(words, Duration::from_secs(20), || node.log().lines().any(is_logged).then_some(()));
        sentinel.ask_watchers::<String>(&["ACL", "SETUSER", "watcher", &format!("+{right}")]);
        wait_for("its end is logged", Duration::from_secs(20), || {
            let last = node.log().lines().last().map(str::to_owned);
            last.filter(|line| line.contains("ready in all parts again after "))
        });
    }
    sentinel.ask_watchers::<String>(&[&["ACL", "SETUSER", "watcher"], &rights[..]].concat());
    eventually("nothing is amiss at Sentinels", Duration::from_secs(10), async || {
        (!warnings(&node).await.iter().any(|it| it.starts_with("sentinels: "))).then_some(())
    })
    .await;
}

/// A node on the server, with its full readiness.
fn node(url: &str) -> Gateway {
    GATEWAY.on(url, &[("ADMIN_ADDR", "127.0.0.1:0"), ("WORKERS", "1")])
}

async fn warnings(node: &Gateway) -> Vec<String> {
    let admin = Api::new(&node.admin());
    let answer = admin.send(admin.request(reqwest::Method::GET, "/readyz")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let texts = answer.json()["warnings"].as_array().expect("a list").clone();
    texts.iter().map(|it| it.as_str().expect("text").to_owned()).collect()
}

/// Whether a line has these words. An ellipsis stands for the words of the server, which differ from version to version.
fn has_both(line: &str, words: &str) -> bool {
    words.split(" … ").all(|part| line.contains(part))
}

/// The log has one line at warn with these words.
#[track_caller]
fn is_warned_once(node: &Gateway, words: &str) {
    let count = || node.log().lines().filter(|line| line.contains("WARN") && has_both(line, words)).count();
    wait_for(words, Duration::from_secs(5), || (count() > 0).then_some(()));
    assert_eq!(count(), 1, "{}", node.log());
}

#[tokio::test]
async fn a_refused_logout_is_503_logged_once_with_its_command_and_shown_until_the_right_is_there() {
    let (redis, url) = server_with(&[], without("+hdel"));
    let node = node(&url);
    let api = node.api();
    for _ in 0..20 {
        let tokens = api.login("alice").await;
        let answer = api.revoke(&tokens.refresh).await;
        assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
        answer.expect_error(503, "temporarily_unavailable");
    }
    is_warned_once(&node, "answered NOPERM to HDEL … grant its user +hdel");
    let said = warnings(&node).await;
    let has = |words: &str| said.iter().any(|it| has_both(it, words));
    assert!(has("rights: user 'gateway' may not run HDEL on tg:{*}:session:*"), "{said:?}");
    assert!(
        has("refused: Redis at 127.0.0.1 … answered NOPERM to HDEL … grant its user +hdel; 20 so far"),
        "{said:?}"
    );
    set_rule(&redis, |word| Some(word.to_owned()));
    eventually("nothing is amiss", Duration::from_secs(10), async || {
        warnings(&node).await.is_empty().then_some(())
    })
    .await;
    let tokens = api.login("alice").await;
    assert_eq!(api.revoke(&tokens.refresh).await.status, 200);
    assert!(!node.log().contains("of-the-tests") && !node.log().contains(&tokens.session), "{}", node.log());
}

/// Each command by the call that needs it.
#[tokio::test]
async fn whatever_redis_refuses_is_logged_with_its_command() {
    let (redis, url) = server_with(&[], |word| Some(word.to_owned()));
    let node = node(&url);
    let api = node.api();
    let tokens = api.login("alice").await;
    for (right, words) in [
        ("+smembers", "answered NOPERM to SMEMBERS … grant its user +smembers"),
        ("+hmget", "answered NOPERM to HMGET … grant its user +hmget"),
        ("+evalsha", "answered NOPERM to EVALSHA … grant its user +evalsha"),
        ("+sadd", "answered NOPERM to SADD … grant its user +sadd"),
    ] {
        set_rule(&redis, without(right));
        for _ in 0..5 {
            api.issue(&serde_json::json!({"sub": "alice"}))
                .await
                .expect_error(503, "temporarily_unavailable");
        }
        is_warned_once(&node, words);
    }
    set_rule(&redis, without("+xadd"));
    api.revoke(&tokens.refresh).await.expect_error(503, "temporarily_unavailable");
    is_warned_once(&node, "answered NOPERM to XADD … grant its user +xadd");
    set_rule(&redis, |word| Some(if word == "~tg:*" { "~tg:{*}:sessions".into() } else { word.to_owned() }));
    api.issue(&serde_json::json!({"sub": "alice"})).await.expect_error(503, "temporarily_unavailable");
    let call = "answered NOPERM to EVALSHA of create on tg:{*}:session:*, tg:{*}:sessions";
    is_warned_once(&node, &format!("{call} … grant its user the pattern of the key"));
}

#[tokio::test]
async fn a_key_pattern_that_refuses_the_feed_is_logged_with_command_and_key() {
    let (redis, url) = server_with(&[], |word| Some(word.to_owned()));
    let node = node(&url);
    let tokens = node.api().login("alice").await;
    set_rule(&redis, |word| Some(if word == "~tg:*" { "~tg:{*".into() } else { word.to_owned() }));
    node.api().revoke(&tokens.refresh).await.expect_error(503, "temporarily_unavailable");
    is_warned_once(&node, "answered NOPERM to EVALSHA of publish on tg:revocations … grant its user the");
    is_warned_once(&node, "answered NOPERM to XRANGE on tg:revocations … grant its user the pattern");
    let admin = Api::new(&node.admin());
    let answer = admin.send(admin.request(reqwest::Method::GET, "/readyz")).await;
    for words in
        ["EVALSHA of publish on tg:revocations", "EVALSHA of open_layout on tg:schema", "may not run XADD on"]
    {
        assert!(answer.text.contains(words), "{words}: {answer:?}");
    }
    assert!(!answer.text.contains("to a command") && !node.log().contains("to a command"), "{answer:?}");
}

#[tokio::test]
async fn a_node_that_is_not_ready_names_each_missing_right_too() {
    let (redis, url) =
        server_with(&[], |word| (word != "+hdel" && word != "+evalsha").then(|| word.to_owned()));
    for lacking in [["EVALSHA on tg:{*}", "HDEL on tg:{*}"], ["EVAL on tg:*", "EVAL on tg:*"]] {
        let node = node(&url);
        let admin = Api::new(&node.admin());
        let answer = admin.send(admin.request(reqwest::Method::GET, "/readyz")).await;
        assert_eq!(answer.status, 503, "{answer:?}");
        for right in lacking {
            let words = format!("rights: user 'gateway' may not run {right}");
            assert!(answer.json()["warnings"].to_string().contains(&words), "{words}: {answer:?}");
            is_warned_once(&node, &words);
        }
        set_rule(&redis, without("+eval"));
    }
}

#[tokio::test]
async fn a_key_that_holds_something_foreign_is_logged_once_with_the_command() {
    let redis = Redis::start();
    let node = node(&redis.url());
    redis.ask::<String>(&["SET", "tg:{alice}:sessions", "x"]);
    for _ in 0..5 {
        node.api()
            .issue(&serde_json::json!({"sub": "alice"}))
            .await
            .expect_error(503, "temporarily_unavailable");
    }
    is_warned_once(&node, "answered WRONGTYPE to SCARD");
    assert_eq!(node.api().login("bob").await.session.len(), 19);
}

#[tokio::test]
async fn a_starting_node_logs_each_missing_right_and_one_without_eval_is_not_ready_and_names_it() {
    let (redis, url) = server_with(&[], |word| (word != "+hdel" && word != "+xadd").then(|| word.to_owned()));
    let first = node(&url);
    for command in ["HDEL on tg:{*}:session:*", "XADD on tg:revocations"] {
        let words = format!("rights: user 'gateway' may not run {command}");
        is_warned_once(&first, &words);
    }
    set_rule(&redis, without("+eval"));
    let second = node(&url);
    let admin = Api::new(&second.admin());
    let answer = admin.send(admin.request(reqwest::Method::GET, "/readyz")).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["ready"]), (503, &Value::Bool(false)));
    assert!(has_both(&answer.text, "answered NOPERM to EVAL … grant its user +eval"), "{answer:?}");
}
