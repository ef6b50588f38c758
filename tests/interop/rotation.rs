//! Keys change under load: two hundred sessions refresh over two nodes, and two verifiers with a cached key set check
//! every access token. Not one refresh and not one check fails.

mod chains;
mod nodes;

use std::time::Duration;

use reqwest::Method;
use token_gateway_testkit::api::{Tokens, read};
use token_gateway_testkit::gateway::{REFRESH_SECRET, SIGNING_SECRET};
use token_gateway_testkit::wait_for;

use self::chains::Chains;
use self::nodes::{KeyFile, MAX_AGE, Nodes};
use super::verifier::{Trust, Verifier};

const CHAINS: usize = 200;

/// The limit for a step on a slow machine.
const LIMIT: Duration = Duration::from_secs(60);

/// The delay of a rotation: the least the command takes.
const DELAY: u64 = MAX_AGE + 5;

/// A token of each key, to be shown again after its key has stopped signing.
struct Story {
    nodes: Nodes,
    chains: Chains,
    file: KeyFile,
    /// The `kid` of each key so far, in order of use; the first is the secret, which has none.
    kids: Vec<Option<String>>,
    /// Sessions with one refresh at the end, by tokens of refresh keys long replaced.
    sleepers: Vec<Tokens>,
}

/// Requirement KEYS-5.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_rotate_under_load_without_one_failure() {
    let mut story = Story::begin().await;
    story.move_from_the_secret_to_a_key_set().await;
    story.rotate_with_a_signal().await;
    story.rotate_with_a_broken_file().await;
    story.rotate_both_kinds_of_keys().await;
    story.old_tokens_are_good_while_they_live().await;
    story.retire().await;
    story.end().await;
}

impl Story {
    async fn begin() -> Self {
        let nodes = Nodes::start().await;
        let verifiers = vec![verifier("jose.mjs", &nodes), verifier("jwcrypto_verifier.py", &nodes)];
        let chains = Chains::start(CHAINS, nodes.address(), verifiers).await;
        let sleepers = vec![nodes.login("sleeper-0").await];
        let mut story = Self { nodes, chains, file: KeyFile::new(), kids: Vec::new(), sleepers };
        story.has_taken_over(None);
        story
    }

    /// Waits for as many new tokens of this key as there are sessions.
    fn has_taken_over(&mut self, kid: Option<String>) {
        let before = self.chains.seen(kid.as_deref());
        wait_for("tokens of the key that is due", LIMIT, || {
            self.chains.expect_no_failure();
            (self.chains.seen(kid.as_deref()) >= before + CHAINS).then_some(())
        });
        self.kids.push(kid);
    }

    async fn refresh_tokens_are_signed_by(&mut self, secret: &[u8]) {
        let name = format!("sleeper-{}", self.sleepers.len());
        loop {
            let login = self.nodes.login(&name).await;
            if nodes::is_signed_by(&login.refresh, secret) {
                return self.sleepers.push(login);
            }
            self.chains.expect_no_failure();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The keys wait until every node has been restarted, one after the other.
    async fn move_from_the_secret_to_a_key_set(&mut self) {
        assert!(nodes::is_signed_by(&self.sleepers[0].refresh, REFRESH_SECRET.as_bytes()));
        let kid = self.file.keys(&["new", "--alg", "ES256", "--delay-seconds", "86400"]);
        let refresh = self.file.keys(&["new", "--refresh", "--delay-seconds", "86400"]);
        self.nodes.restart_each_with(&self.file);
        self.nodes.all_publish(&kid).await;
        self.file.bring_forward(DELAY);
        self.has_taken_over(Some(kid));
        self.refresh_tokens_are_signed_by(&self.file.secret(&refresh)).await;
    }

    async fn rotate_with_a_signal(&mut self) {
        let kid = self.rotate("EdDSA");
        self.nodes.hang_up();
        self.has_taken_over(Some(kid));
    }

    /// The new key takes over while nobody can read the file.
    async fn rotate_with_a_broken_file(&mut self) {
        let kid = self.rotate("RS256");
        self.nodes.all_publish(&kid).await;
        let good = self.file.break_it();
        self.nodes.all_have_logged("the former keys stay at work");
        self.has_taken_over(Some(kid));
        self.file.write(&good);
    }

    async fn rotate_both_kinds_of_keys(&mut self) {
        let kid = self.rotate("PS256");
        let refresh = self.file.keys(&["rotate", "--refresh", "--delay-seconds", "5"]);
        self.has_taken_over(Some(kid));
        self.refresh_tokens_are_signed_by(&self.file.secret(&refresh)).await;
    }

    /// Until the new key is due, the former key signs; the test also waits for such tokens.
    fn rotate(&self, alg: &str) -> String {
        let kid = self.file.keys(&["rotate", "--alg", alg, "--delay-seconds", &DELAY.to_string()]);
        let former = self.kids.last().expect("a key signs").as_deref();
        let before = self.chains.seen(former);
        wait_for("tokens of the former key", LIMIT, || (self.chains.seen(former) > before).then_some(()));
        kid
    }

    async fn old_tokens_are_good_while_they_live(&mut self) {
        assert_eq!(self.file.keys_of_json(&["retire"]), [""; 0], "tokens of all keys live");
        let algs = ["HS256", "ES256", "EdDSA", "RS256", "PS256"];
        for (kid, alg) in self.kids.iter().zip(algs) {
            let token = self.chains.first_of(kid.as_deref());
            assert_eq!(read(&token).0["alg"], alg);
            self.chains.feed(&token).await;
            self.nodes.all_accept(&token).await;
        }
    }

    /// Keys without a living token go; keys for refresh tokens are needed for days.
    async fn retire(&mut self) {
        let old = self.chains.first_of(self.kids[1].as_deref());
        self.file.age();
        let retired = self.file.keys_of_json(&["retire"]);
        let expected: Vec<_> = self.kids[1..4].iter().flatten().cloned().collect();
        assert_eq!(retired, expected);
        self.nodes.none_publishes(&expected).await;
        let last = self.kids.pop().expect("a key signs");
        self.has_taken_over(last);
        for name in ["jose.mjs", "jwcrypto_verifier.py"] {
            let mut fresh = verifier(name, &self.nodes);
            fresh.judge(false, &old).await.expect("a key that is gone is unknown");
            fresh.finish().await;
        }
    }

    async fn end(self) {
        for sleeper in &self.sleepers {
            let awake = self.nodes.api().refresh(&sleeper.refresh).await;
            assert_eq!(awake.status, 200, "{awake:?}");
        }
        assert_eq!(self.sleepers.len(), 3);
        let refreshes = self.chains.stop().await;
        assert!(refreshes > 10 * CHAINS, "{refreshes} refreshes");
        let devices = self.nodes.api().user(Method::GET, "chain-0", "").await;
        assert_eq!(devices.sessions().len(), 1, "nobody was taken for a thief");
    }
}

fn verifier(name: &str, nodes: &Nodes) -> Verifier {
    let (issuer, secret) = (nodes.issuer(), Some(SIGNING_SECRET));
    let algorithms = "HS256,ES256,EdDSA,RS256,PS256";
    Verifier::start(name, &Trust { issuer: &issuer, audience: "api", algorithms, typ: "at+jwt", secret })
}
