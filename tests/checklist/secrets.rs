//! Lines of the section "Secrets" without a test elsewhere.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::json;
use token_gateway_testkit::api::Api;
use token_gateway_testkit::gateway::Gateway;
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::service_key::WEB;

use crate::GATEWAY;
use crate::sources::sources;

const PASSWORD: &str = "password-that-must-not-be-shown";
const WRONG_PASSWORD: &str = "wrong-password-that-must-not-be-shown";
const SIGNING: &str = "signing-secret-that-must-not-be-shown";
const REFRESH: &str = "refresh-secret-that-must-not-be-shown";
const PREVIOUS: &str = "previous-secret-that-must-not-be-shown";
const WRONG_KEY: &str = "service-key-that-must-not-be-shown";

/// A Redis in which the gateways' user has a password.
fn guarded_redis() -> Redis {
    let password = format!(">{PASSWORD}");
    Redis::start_with(&["--user", "gateway", "on", &password, "~*", "&*", "+@all"])
}

/// A node at the lowest log level. Its secrets are set as operators set them: in base64.
fn talkative(redis: &Redis, password: &str) -> Gateway {
    let url = format!("redis://gateway:{password}@127.0.0.1:{}", redis.port());
    let [signing, refresh, previous] =
        [SIGNING, REFRESH, PREVIOUS].map(|secret| format!("base64:{}", STANDARD.encode(secret)));
    GATEWAY.start_with(
        redis,
        &[
            ("REDIS_URL", &url),
            ("SIGNING_SECRET", &signing),
            ("REFRESH_SECRET", &refresh),
            ("REFRESH_SECRET_PREVIOUS", &previous),
            ("ADMIN_ADDR", "127.0.0.1:0"),
            ("RUST_LOG", "trace"),
        ],
    )
}

/// Everything secret, as it is and as it travels.
fn secrets() -> Vec<String> {
    let pair = |key: &str| STANDARD.encode(format!("web:{key}"));
    let mut secrets = vec![WEB.key.to_owned(), pair(WEB.key), pair(WRONG_KEY)];
    for secret in [PASSWORD, WRONG_PASSWORD, SIGNING, REFRESH, PREVIOUS, WRONG_KEY] {
        secrets.extend([secret.to_owned(), STANDARD.encode(secret), format!("{:?}", secret.as_bytes())]);
    }
    secrets
}

/// Sends good and bad credentials of a service, in each of their forms; then Redis goes away. Returns the answers.
async fn good_and_bad_days(api: &Api, redis: &mut Redis) -> String {
    let login = |key: &str| api.request(Method::POST, "/v1/sessions").basic_auth("web", Some(key));
    let body = json!({"sub": "alice"});
    let tokens = api.send(login(WEB.key).json(&body)).await.tokens();
    let in_body = [("token", "x"), ("client_id", "web"), ("client_secret", WRONG_KEY)];
    let mut bad = vec![
        api.send(login(WRONG_KEY).json(&body)).await,
        api.send(login(WEB.key).body(WEB.key.to_owned())).await,
        api.send(api.form("/oauth/revoke", &in_body)).await,
        api.send(api.refresh_request(&tokens.refresh).basic_auth("web", Some(WRONG_KEY))).await,
        api.send(api.refresh_request(SIGNING)).await,
        api.send(api.request(Method::GET, &format!("/{WRONG_KEY}"))).await,
    ];
    redis.stop();
    bad.push(api.refresh(&tokens.refresh).await);
    assert!(bad.iter().all(|answer| !answer.status.is_success()), "{bad:?}");
    format!("{bad:?}")
}

/// An operator's view of a node: its log, its metrics, and its readiness.
async fn seen_by_operators(gateway: &Gateway) -> Vec<(&'static str, String)> {
    let admin = Api::new(&gateway.admin());
    let text = async |path| admin.send(admin.request(Method::GET, path)).await.text;
    vec![
        ("readiness", text("/readyz").await),
        ("the metrics", text("/metrics").await),
        ("the log", gateway.log()),
    ]
}

#[track_caller]
fn expect_no_secret_in(seen: &[(&str, String)]) {
    for (place, text) in seen {
        assert!(!text.is_empty(), "{place}");
        for secret in secrets() {
            assert!(!text.contains(&secret), "{place} shows {secret}:\n{text}");
        }
    }
}

/// Tokens, service keys and signing keys never appear in logs, errors, metrics or `Debug` output.
#[tokio::test]
async fn what_a_node_was_given_to_keep_is_shown_nowhere_on_good_days_and_bad() {
    let mut redis = guarded_redis();
    let gateway = talkative(&redis, PASSWORD);
    let mut seen = vec![("an answer", good_and_bad_days(&gateway.api(), &mut redis).await)];
    seen.extend(seen_by_operators(&gateway).await);
    expect_no_secret_in(&seen);
    redis.run();
    let locked_out = talkative(&redis, WRONG_PASSWORD);
    let seen = seen_by_operators(&locked_out).await;
    assert!(seen[0].1.contains("\"ready\":false"), "{seen:?}");
    expect_no_secret_in(&seen);
}

/// Name and fields of each struct with a derived `Debug`.
fn printable_structs(code: &str) -> Vec<(&str, &str)> {
    let derives = code.split("#[derive(").skip(1);
    let printable = derives.filter(|rest| rest.split(')').next().unwrap_or_default().contains("Debug"));
    let structs = printable.filter_map(|rest| {
        let (_, item) = rest.split_once("struct ")?;
        let starts_here = !rest[..rest.len() - item.len()].contains('{');
        let (name, fields) = item.split_once('{').filter(|_| starts_here)?;
        Some((name.trim(), fields.split("\n}").next().unwrap_or_default()))
    });
    structs.collect()
}

/// Whether a field of this line holds the text or the bytes of a secret in plain. A wrapper would keep a secret from
/// being printed.
fn holds_a_secret(field: &str) -> bool {
    let Some((name, kind)) = field.split_once(':').filter(|_| !field.trim_start().starts_with("//")) else {
        return false;
    };
    let words = ["secret", "password", "token", "key", "credentials", "jti", "url", "pem"];
    let named = name.trim().split(['_', ' ']).any(|word| words.contains(&word));
    named && ["String", "str", "u8"].iter().any(|it| kind.contains(it)) && !kind.contains("Secret")
}

/// Tokens, service keys and signing keys never appear in logs, errors, metrics or `Debug` output.
#[test]
fn no_struct_that_prints_itself_holds_a_secret_in_plain() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let mut seen = 0;
    for file in files {
        let code = fs::read_to_string(&file).expect("readable");
        for (name, fields) in printable_structs(&code) {
            seen += 1;
            let bad: Vec<_> = fields.lines().filter(|field| holds_a_secret(field)).collect();
            assert!(bad.is_empty(), "{}: {name} prints {bad:?}", file.display());
        }
    }
    assert!(seen > 20, "the structs are found: {seen}");
}
