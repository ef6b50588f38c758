//! `token-gateway dev`: nothing to set up, and a story in lines to paste.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use reqwest::Method;
use serde_json::Value;
use token_gateway_testkit::api::Api;
use token_gateway_testkit::gateway::Gateway;
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::service_key::WEB;

use super::bare;

/// A running `dev`, and its output up to the last line of its guide.
struct Dev {
    child: Child,
    guide: String,
    /// Kept open, so the child can go on printing.
    _stdout: BufReader<ChildStdout>,
}

impl Dev {
    fn start(mut command: Command) -> Self {
        let mut child = command
            .args(["--bind-addr", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let mut guide = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        while guide.matches("curl").count() < 8 || !guide.trim_end().ends_with("echo") {
            let read = stdout.read_line(&mut guide).expect("text");
            assert!(read > 0, "it stopped after:\n{guide}");
        }
        Self { child, guide, _stdout: stdout }
    }

    fn address(&self) -> &str {
        let line = self.guide.lines().next().expect("a line");
        line.split_once("http://").expect("an address").1
    }

    fn curl_lines(&self) -> String {
        self.guide.lines().filter(|line| line.contains("curl")).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Pastes lines into one shell; each answer is one line of JSON.
fn paste(lines: &str) -> Vec<Value> {
    let shell = Command::new("bash").args(["-c", lines]).output().expect("bash runs");
    let (out, err) = (String::from_utf8_lossy(&shell.stdout), String::from_utf8_lossy(&shell.stderr));
    assert!(shell.status.success() && err.is_empty(), "{out}{err}");
    out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect()
}

fn expect_story(answers: &[Value]) {
    let [first, second, replay, honest, sessions, third, revoked, refused] = answers else {
        panic!("not eight answers: {answers:#?}");
    };
    for tokens in [first, second, third] {
        assert!(tokens["access_token"].is_string() && tokens["refresh_token"].is_string(), "{tokens}");
    }
    assert_eq!(first["session_id"], second["session_id"]);
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    for refusal in [replay, honest, refused] {
        assert_eq!(refusal["error"], "invalid_grant", "{refusal}");
    }
    assert!(replay["error_description"].as_str().unwrap().contains("used before"), "{replay}");
    assert!(refused["error_description"].as_str().unwrap().contains("ended"), "{refused}");
    assert_eq!(sessions, &serde_json::json!({"sessions": []}));
    assert_ne!(third["session_id"], first["session_id"]);
    assert_eq!(revoked, &serde_json::json!({}));
}

#[test]
fn the_lines_to_paste_tell_the_story_that_is_written_above_them() {
    let dev = Dev::start(bare(&["dev"]));
    assert!(dev.guide.contains("embedded") && dev.guide.contains("service key"), "{}", dev.guide);
    assert!(dev.curl_lines().contains(r#"echo "$SECOND" | sed"#), "the honest token is tried too");
    expect_story(&paste(&dev.curl_lines()));
    expect_story(&paste(
        &dev.guide.lines().skip_while(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n"),
    ));
}

#[test]
fn with_redis_url_the_sessions_of_dev_live_in_redis() {
    let redis = Redis::start();
    let mut command = bare(&["dev"]);
    command.env("REDIS_URL", redis.url());
    let dev = Dev::start(command);
    expect_story(&paste(&dev.curl_lines()));
    assert!(!dev.guide.contains("embedded"), "{}", dev.guide);
    assert_eq!(redis.ask::<Vec<String>>(&["KEYS", "tg:{alice}:session:*"]).len(), 2);
}

#[test]
fn every_run_has_its_own_service_key() {
    let (one, two) = (Dev::start(bare(&["dev"])), Dev::start(bare(&["dev"])));
    let key = |dev: &Dev| dev.guide.lines().find(|line| line.contains("service key")).unwrap().to_owned();
    assert_ne!(key(&one), key(&two));
}

/// A login service keeps the key in its `.env`, whether it talks to `dev` or to another node.
#[tokio::test]
async fn the_keys_of_service_keys_work_beside_that_of_the_run_and_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("service_keys");
    let entries = format!("{},{}", WEB.entry, WEB.entry.replacen("web", "dev", 1));
    std::fs::write(&file, &entries).expect("a file");
    for (name, value) in
        [("SERVICE_KEYS", entries.as_str()), ("SERVICE_KEYS_FILE", file.to_str().expect("text"))]
    {
        let mut command = bare(&["dev"]);
        command.env(name, value);
        let dev = Dev::start(command);
        assert!(dev.guide.contains("\nkeys of SERVICE_KEYS work, too: dev, web\n"), "{}", dev.guide);
        let api = Api::new(dev.address());
        let login = api.request(Method::POST, "/v1/sessions").bearer_auth(WEB.key);
        assert_eq!(api.send(login.json(&serde_json::json!({"sub": "bob"}))).await.status, 201);
        expect_story(&paste(&dev.curl_lines()));
    }
    let dev = Dev::start(bare(&["dev"]));
    assert!(dev.guide.contains("SERVICE_KEYS adds those of your services"), "{}", dev.guide);
    let ended = super::run(bare(&["dev", "--bind-addr", "127.0.0.1:0"]).env("SERVICE_KEYS", "web"));
    assert!(ended.code == 2 && ended.stderr.contains("SERVICE_KEYS: entry 1"), "{ended:?}");
}

#[tokio::test]
async fn the_guide_says_where_the_documentation_of_the_api_is() {
    let dev = Dev::start(bare(&["dev"]));
    let line = dev.guide.lines().find(|line| line.contains("documentation")).expect("a line");
    let (_, url) = line.split_once("http://").expect("an address");
    assert_eq!(url, format!("{}/docs", dev.address()));
    let page = reqwest::get(format!("http://{url}")).await.expect("an answer");
    assert!(page.status().is_success() && page.text().await.expect("text").contains("swagger"));
}

#[test]
fn the_guide_follows_the_setting_of_the_documentation() {
    for (place, is_there) in [("admin", true), ("off", false)] {
        let mut command = bare(&["dev"]);
        command.env("API_DOCS", place);
        let dev = Dev::start(command);
        let line = dev.guide.lines().find(|line| line.contains("documentation"));
        assert_eq!(line.is_some(), is_there, "{}", dev.guide);
        assert!(line.is_none_or(|line| !line.contains(dev.address())), "{}", dev.guide);
    }
}

/// The examples of API nodes read the same claim.
#[test]
fn the_first_login_has_the_claim_that_the_examples_read() {
    let dev = Dev::start(bare(&["dev"]));
    let answers = paste(&dev.curl_lines());
    let claims = token_gateway_testkit::api::claims(answers[0]["access_token"].as_str().expect("a token"));
    assert_eq!(claims["roles"], serde_json::json!(["admin"]));
    for example in ["examples/api-node.rs", "examples/node/server.mjs", "examples/python/server.py"] {
        let path = format!("{}/{example}", env!("CARGO_MANIFEST_DIR"));
        assert!(std::fs::read_to_string(path).expect(example).contains("roles"), "{example}");
    }
}

#[tokio::test]
async fn the_admin_address_of_dev_is_on_loopback() {
    let mut command = bare(&["dev", "--bind-addr", "127.0.0.1:0"]);
    command.stdout(Stdio::null());
    let gateway = Gateway::run(command);
    assert!(gateway.admin().starts_with("127.0.0.1:"), "{}", gateway.admin());
    let admin = Api::new(&gateway.admin());
    assert_eq!(admin.send(admin.request(Method::GET, "/metrics")).await.status, 200);
}
