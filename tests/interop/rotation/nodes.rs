//! Two nodes on one Redis behind a balancer, and their common key set file.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use token_gateway_testkit::api::{Api, Tokens};
use token_gateway_testkit::balancer::Balancer;
use token_gateway_testkit::gateway::Gateway;
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::{signal, wait_for};

use super::LIMIT;
use crate::GATEWAY;

/// Seconds for which verifiers keep the key set.
pub const MAX_AGE: u64 = 2;

pub struct Nodes {
    balancer: Balancer,
    nodes: Vec<Gateway>,
    redis: Redis,
}

impl Nodes {
    /// With secrets, and without a key set.
    pub async fn start() -> Self {
        let mut all = Self { balancer: Balancer::start().await, nodes: Vec::new(), redis: Redis::start() };
        all.nodes = (0..2).map(|_| all.node(None)).collect();
        all.balance();
        all
    }

    fn node(&self, file: Option<&KeyFile>) -> Gateway {
        let (issuer, max_age) = (self.issuer(), MAX_AGE.to_string());
        let mut settings = vec![
            ("ISSUER", issuer.as_str()),
            ("JWKS_MAX_AGE_SECONDS", &max_age),
            ("SHUTDOWN_GRACE_SECONDS", "5"),
            ("REDIS_TIMEOUT_MS", "5000"),
        ];
        settings.extend(file.map(|file| ("SIGNING_KEYS", file.path.to_str().expect("text"))));
        GATEWAY.start_with(&self.redis, &settings)
    }

    fn balance(&self) {
        self.balancer.send_to(&self.nodes.iter().collect::<Vec<_>>());
    }

    pub fn address(&self) -> &str {
        self.balancer.address()
    }

    pub fn issuer(&self) -> String {
        self.balancer.url()
    }

    pub fn api(&self) -> Api {
        Api::new(self.address())
    }

    pub async fn login(&self, sub: &str) -> Tokens {
        self.api().login(sub).await
    }

    /// As an operator rolls out a setting: a node gets no new connections, ends in order, and begins anew.
    pub fn restart_each_with(&mut self, file: &KeyFile) {
        for _ in 0..self.nodes.len() {
            let mut old = self.nodes.remove(0);
            self.balance();
            old.terminate();
            assert!(old.wait().success());
            self.nodes.push(self.node(Some(file)));
            self.balance();
        }
    }

    /// One node reads the file again at once, and goes on working.
    pub fn hang_up(&self) {
        let node = &self.nodes[0];
        let read = || node.log().matches("keys read again").count();
        let before = read();
        signal("-HUP", node.id());
        wait_for("the keys are read again", LIMIT, || (read() > before).then_some(()));
    }

    pub fn all_have_logged(&self, words: &str) {
        for node in &self.nodes {
            wait_for(words, LIMIT, || node.log().contains(words).then_some(()));
        }
    }

    pub async fn all_publish(&self, kid: &str) {
        self.publish_until(|kids| kids.iter().any(|it| it == kid)).await;
    }

    pub async fn none_publishes(&self, gone: &[String]) {
        self.publish_until(|kids| !kids.iter().any(|it| gone.contains(it))).await;
    }

    async fn publish_until(&self, wanted: impl Fn(&[String]) -> bool) {
        for node in &self.nodes {
            let began = SystemTime::now();
            while !wanted(&published(&node.api()).await) {
                assert!(began.elapsed().is_ok_and(|it| it < LIMIT), "{}", node.log());
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    /// The nodes themselves take this access token.
    pub async fn all_accept(&self, token: &str) {
        for node in &self.nodes {
            let answer = node.api().me(Method::GET, "", token).await;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    }
}

async fn published(api: &Api) -> Vec<String> {
    let keys = api.send(api.request(Method::GET, "/.well-known/jwks.json")).await.json();
    let keys = keys["keys"].as_array().expect("a key set");
    keys.iter().map(|jwk| jwk["kid"].as_str().expect("a kid").to_owned()).collect()
}

/// Whether this secret has signed a token.
pub fn is_signed_by(token: &str, secret: &[u8]) -> bool {
    let (message, signature) = token.rsplit_once('.').expect("a signature");
    let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes(), &signature).is_ok()
}

/// The key set file, changed by the command for it; and by hand to let time pass, or to break it.
pub struct KeyFile {
    path: PathBuf,
    _folder: TempDir,
}

impl KeyFile {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { path: folder.path().join("keys.json"), _folder: folder }
    }

    /// Runs `token-gateway keys`; gives the new key's `kid`.
    pub fn keys(&self, args: &[&str]) -> String {
        self.run(args)["kid"].as_str().expect("a kid").to_owned()
    }

    /// The same for the keys it has taken out.
    pub fn keys_of_json(&self, args: &[&str]) -> Vec<String> {
        serde_json::from_value(self.run(args)["retired"].clone()).expect("a list")
    }

    fn run(&self, args: &[&str]) -> Value {
        let (path, max_age) = (self.path.to_str().expect("text"), MAX_AGE.to_string());
        let mut keys = GATEWAY.command("keys", &[("SIGNING_KEYS", path), ("JWKS_MAX_AGE_SECONDS", &max_age)]);
        let output = keys.args(args).arg("--json").output().expect("it runs");
        assert!(output.status.success(), "{args:?}: {output:?}");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    fn change(&self, change: impl Fn(&mut u64)) {
        let mut set: Value = serde_json::from_str(&self.text()).expect("JSON");
        for jwk in set["keys"].as_array_mut().expect("keys") {
            let mut from = jwk["signs_from"].as_u64().expect("a number");
            change(&mut from);
            jwk["signs_from"] = json!(from);
        }
        self.write(&set.to_string());
    }

    /// Lets the waiting time of all keys go by, except these seconds.
    pub fn bring_forward(&self, seconds: u64) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock").as_secs();
        self.change(|from| *from = now + seconds);
    }

    /// Lets an hour go by.
    pub fn age(&self) {
        self.change(|from| *from -= 3600);
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.path).expect("it can be read")
    }

    /// In one step, as the command does.
    pub fn write(&self, text: &str) {
        let beside = self.path.with_extension("beside");
        fs::write(&beside, text).expect("it can be written");
        fs::rename(&beside, &self.path).expect("it can be renamed");
    }

    /// Cuts the file in half; gives its former text.
    pub fn break_it(&self) -> String {
        let text = self.text();
        self.write(&text[..text.len() / 2]);
        text
    }

    /// The secret of a symmetric key.
    pub fn secret(&self, kid: &str) -> Vec<u8> {
        let set: Value = serde_json::from_str(&self.text()).expect("JSON");
        let jwk =
            set["keys"].as_array().expect("keys").iter().find(|jwk| jwk["kid"] == kid).expect("the key");
        URL_SAFE_NO_PAD.decode(jwk["k"].as_str().expect("a secret")).expect("base64url")
    }
}
