//! Where settings come from, and their precedence.

use std::net::TcpListener;

use serde_json::json;
use token_gateway_testkit::api::{Api, claims};
use token_gateway_testkit::free_port;
use token_gateway_testkit::gateway::Gateway;
use token_gateway_testkit::redis::Redis;

use super::help::settings;
use super::run;
use crate::GATEWAY;

#[tokio::test]
async fn an_empty_variable_counts_as_unset() {
    let needed = ["BIND_ADDR", "STORE", "ISSUER", "SIGNING_SECRET", "REFRESH_SECRET", "SERVICE_KEYS"];
    let files = ["SIGNING_SECRET_FILE", "REFRESH_SECRET_FILE", "SERVICE_KEYS_FILE"];
    let settings = settings();
    let optional = settings.iter().map(String::as_str).filter(|name| !needed.contains(name));
    let empty: Vec<_> = optional.chain(files).map(|name| (name, "")).collect();
    let gateway = GATEWAY.embedded_with(&empty);
    let answer = gateway.api().issue(&json!({"sub": "alice"})).await;
    assert_eq!(
        (&answer.json()["expires_in"], &answer.json()["refresh_expires_in"]),
        (&json!(900), &json!(604_800))
    );
    assert_eq!(claims(&answer.tokens().access)["aud"], "api");
}

#[tokio::test]
async fn a_flag_wins_over_the_environment() {
    let settings =
        [("STORE", "redis"), ("ACCESS_TTL_SECONDS", "60"), ("AUDIENCE", "env"), ("RUST_LOG", "nonsense=")];
    let mut serve = GATEWAY.command("serve", &settings);
    serve.args([
        "--store",
        "embedded",
        "--access-ttl-seconds=120",
        "--audience",
        "flag",
        "--rust-log",
        "info",
    ]);
    let gateway = Gateway::run(serve);
    let answer = gateway.api().issue(&json!({"sub": "alice"})).await;
    assert_eq!(answer.json()["expires_in"], 120);
    assert_eq!(claims(&answer.tokens().access)["aud"], "flag");
}

#[tokio::test]
async fn port_alone_listens_on_every_address_and_bind_addr_wins_over_it() {
    let port = free_port().to_string();
    let gateway = GATEWAY.embedded_with(&[("BIND_ADDR", ""), ("PORT", &port)]);
    assert_eq!(gateway.address(), format!("0.0.0.0:{port}"));
    assert_eq!(Api::new(&format!("127.0.0.1:{port}")).issue(&json!({"sub": "alice"})).await.status, 201);
    let gateway = GATEWAY.embedded_with(&[("PORT", &port)]);
    assert!(gateway.address().starts_with("127.0.0.1:") && !gateway.address().ends_with(&port));
}

#[tokio::test]
async fn the_flag_port_wins_over_the_variable_bind_addr() {
    let (port, other) = (free_port().to_string(), format!("127.0.0.1:{}", free_port()));
    let mut serve = GATEWAY.command("serve", &[("STORE", "embedded"), ("BIND_ADDR", &other)]);
    serve.args(["--port", &port]);
    assert_eq!(Gateway::run(serve).address(), format!("0.0.0.0:{port}"));
}

#[test]
fn an_address_in_use_stops_the_start_with_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (name, bind) in [("BIND_ADDR", address.as_str()), ("ADMIN_ADDR", "127.0.0.1:0")] {
        let ended = run(&mut GATEWAY.command(
            "serve",
            &[("STORE", "embedded"), ("RUST_LOG", "off"), ("BIND_ADDR", bind), ("ADMIN_ADDR", &address)],
        ));
        assert_eq!(ended.code, 1, "{ended:?}");
        let line = ended.stderr.lines().collect::<Vec<_>>();
        assert!(line.len() == 1, "{ended:?}");
        assert!(name == "ADMIN_ADDR" || line[0].contains("BIND_ADDR"), "{ended:?}");
        assert!(line[0].contains(&address), "{ended:?}");
    }
}

#[test]
fn the_embedded_store_says_loudly_that_it_forgets() {
    let gateway = GATEWAY.embedded();
    assert!(
        gateway.log().contains("WARN") && gateway.log().contains("forgets every session"),
        "{}",
        gateway.log()
    );
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    assert!(!gateway.log().contains("forgets"), "{}", gateway.log());
}

#[test]
fn a_layout_that_is_too_new_stops_the_start() {
    let redis = Redis::start();
    redis.ask::<()>(&["SET", "tg:schema", "2"]);
    let log = ("RUST_LOG", "info,token_gateway_redis_link=debug");
    let ended = run(&mut GATEWAY.command("serve", &[("REDIS_URL", &redis.url()), log]));
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stderr.lines().last().unwrap().contains("layout"), "{ended:?}");
    assert!(ended.stderr.contains(" DEBUG "), "what was logged before that is written, too: {ended:?}");
    assert_eq!(redis.ask::<String>(&["GET", "tg:schema"]), "2");
}

#[tokio::test]
async fn a_refused_start_leaves_the_prefix_setting_to_choose_another() {
    let redis = Redis::start();
    redis.ask::<()>(&["SET", "tg:schema", "2"]);
    let gateway = GATEWAY.start_with(&redis, &[("REDIS_PREFIX", "other")]);
    assert_eq!(gateway.api().issue(&json!({"sub": "alice"})).await.status, 201);
}

/// Settings are declared once. With `UPDATE_PAGES=1` in its environment, this test writes the page.
#[test]
fn the_page_of_settings_is_the_one_that_the_declarations_make() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/settings.md");
    let page = token_gateway::config::catalog::page();
    if std::env::var_os("UPDATE_PAGES").is_some() {
        std::fs::write(path, &page).expect("it can be written");
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(found == page, "docs/reference/settings.md is stale; run this test with UPDATE_PAGES=1");
    let names = settings();
    for (at, name) in names.iter().enumerate() {
        assert!(page.contains(&format!("| `{name}`")), "{name}");
        assert!(!names[..at].contains(name), "{name} is declared twice");
    }
}

#[test]
fn trusted_proxies_are_addresses_or_networks_and_the_error_says_so() {
    for wrong in [
        "nginx",
        "10.0.0.0/33",
        "10.0.0.1;10.0.0.2",
        "10.0.0.1:80",
        "10.0.0.0/8,x",
        "*",
        "10.0.0.0/255.0.0.0",
    ] {
        for command in ["serve", "check"] {
            let ended =
                run(&mut GATEWAY.command(command, &[("STORE", "embedded"), ("TRUSTED_PROXIES", wrong)]));
            assert_eq!((ended.code, ended.stderr.lines().count()), (2, 1), "{wrong}: {ended:?}");
            let needed = "TRUSTED_PROXIES: must be addresses or CIDRs, comma-separated, such as 10.0.0.0/8";
            assert!(ended.stderr.contains(needed), "{wrong}: {ended:?}");
        }
    }
    for right in ["10.0.0.1", "10.1.2.3/8,192.168.0.0/16", "2001:db8::/32,::1", "::ffff:10.0.0.0/104"] {
        let ended = run(&mut GATEWAY.command("check", &[("STORE", "embedded"), ("TRUSTED_PROXIES", right)]));
        assert_eq!(ended.code, 0, "{right}: {ended:?}");
    }
}

/// The lists among the settings, and two entries of each.
const LISTS: [(&str, [&str; 2]); 3] = [
    ("TRUSTED_PROXIES", ["10.0.0.0/8", "192.168.0.1"]),
    ("ME_AUDIENCES", ["api", "other"]),
    ("TYP_JWT_AUDIENCES", ["api", "other"]),
];

#[test]
fn a_list_may_have_blanks_behind_its_commas() {
    for (setting, [first, second]) in LISTS {
        let flag = format!("--{}", setting.to_lowercase().replace('_', "-"));
        for list in [format!("{first}, {second}"), format!("{first} , {second}")] {
            let ended = run(&mut GATEWAY.command("check", &[("STORE", "embedded"), (setting, &list)]));
            assert_eq!(ended.code, 0, "{setting}={list}: {ended:?}");
            let ended = run(GATEWAY.command("check", &[("STORE", "embedded")]).args([&flag, &list]));
            assert_eq!(ended.code, 0, "{flag} {list}: {ended:?}");
        }
    }
}

#[test]
fn an_empty_entry_of_a_list_is_named_as_such() {
    for (setting, [first, second]) in LISTS {
        for list in [format!("{first},"), format!(",{first}"), format!("{first}, ,{second}")] {
            let ended = run(&mut GATEWAY.command("check", &[("STORE", "embedded"), (setting, &list)]));
            assert_eq!((ended.code, ended.stderr.lines().count()), (2, 1), "{setting}={list}: {ended:?}");
            let needed = format!("{setting}: holds an empty entry; leave out the comma");
            assert!(ended.stderr.contains(&needed), "{setting}={list}: {ended:?}");
        }
    }
}

#[test]
fn check_warns_of_proxies_that_are_everyone() {
    for (networks, is_everyone) in [
        ("0.0.0.0/0", true),
        ("10.0.0.1, ::/0", true),
        ("::ffff:0:0/96", true),
        ("10.0.0.0/8,fe80::/10", false),
    ] {
        let settings = [("STORE", "embedded"), ("TRUSTED_PROXIES", networks)];
        let ended = run(&mut GATEWAY.command("check", &settings));
        assert_eq!(ended.code, 0, "{networks}: {ended:?}");
        let warning = ended.stdout.lines().find(|line| line.contains("TRUSTED_PROXIES"));
        assert_eq!(warning.is_some(), is_everyone, "{networks}: {ended:?}");
        assert!(warning.is_none_or(|line| line.starts_with("warning") && line.contains("/0 ")), "{ended:?}");
    }
}
