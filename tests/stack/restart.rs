//! The stack's Redis is restarted, killed, and has its append-only file rewritten: every session and every logout is
//! there afterwards.

use std::collections::BTreeSet;

use reqwest::Method;
use token_gateway_testkit::api::{Api, Tokens};

use super::parts::{Server, Store, gateway, gateway_with};
use super::repository;

const USERS: usize = 6;

/// The deeds of nodes, and the tokens of clients.
struct Life {
    live: Vec<(String, Tokens)>,
    ended: Vec<(String, Tokens)>,
    revocations: u64,
}

impl Life {
    /// Logins, rotations, logouts, thefts and changed claims, over two nodes. The nodes are gone afterwards: running
    /// nodes would repair Redis's losses.
    async fn live(store: &Store) -> Self {
        let nodes = [(); 2].map(|()| gateway(store, "127.0.0.1:0"));
        let apis = nodes.each_ref().map(|node| node.api());
        let mut life = Self { live: Vec::new(), ended: Vec::new(), revocations: 0 };
        for n in 0..USERS {
            life.user(&apis[n % 2], &apis[(n + 1) % 2], &format!("user-{n}")).await;
        }
        let stolen = apis[0].login("mallory").await;
        let next = apis[1].refresh(&stolen.refresh).await.tokens();
        apis[0].refresh_until_decided(&stolen.refresh).await.expect_error(400, "invalid_grant");
        life.ended.push(("mallory".to_owned(), next));
        life.revocations = store.ask("XLEN tg:revocations");
        life
    }

    async fn user(&mut self, one: &Api, two: &Api, name: &str) {
        let (fresh, used, gone) = (one.login(name).await, one.login(name).await, two.login(name).await);
        let mut used = used;
        for _ in 0..3 {
            used = two.refresh(&used.refresh).await.tokens();
        }
        let patch = one.service(Method::PATCH, &format!("/v1/users/{name}/sessions/{}", used.session));
        let patched = one.send(patch.json(&serde_json::json!({"claims": {"role": "guest"}}))).await;
        assert_eq!(patched.status, 200);
        assert_eq!(one.revoke(&gone.refresh).await.status, 200);
        self.live.extend([(name.to_owned(), fresh), (name.to_owned(), used)]);
        self.ended.push((name.to_owned(), gone));
    }

    /// New nodes find all of it.
    async fn expect_all(mut self, store: &Store) -> Self {
        let node = gateway(store, "127.0.0.1:0");
        let api = node.api();
        assert_eq!(store.ask::<u64>("XLEN tg:revocations"), self.revocations);
        for (name, gone) in &self.ended {
            let record = api.user(Method::GET, name, &format!("/{}", gone.session)).await.json();
            assert_eq!(record["state"], "ended", "{name}: {record}");
            api.refresh(&gone.refresh).await.expect_error(400, "invalid_grant");
        }
        for n in 0..USERS {
            let name = format!("user-{n}");
            let own = self.live.iter().filter(|(user, _)| *user == name);
            let expected: BTreeSet<_> = own.map(|(_, tokens)| tokens.session.clone()).collect();
            let found = BTreeSet::from_iter(api.user(Method::GET, &name, "").await.sessions());
            assert_eq!(found, expected, "{name}");
        }
        for (_, tokens) in &mut self.live {
            *tokens = api.refresh(&tokens.refresh).await.tokens();
        }
        self.revocations = store.ask("XLEN tg:revocations");
        self
    }
}

async fn survives(server: Server, accident: impl Fn(&mut Store)) {
    let mut store = Store::start_as(server);
    let mut life = Life::live(&store).await;
    for _ in 0..2 {
        accident(&mut store);
        life = life.expect_all(&store).await;
    }
}

fn restarted(store: &mut Store) {
    store.stop();
    store.run();
}

/// Each acknowledged write is in the file, whatever happens to the process: no write was put off by a slow disk.
fn killed(store: &mut Store) {
    let delayed = store.info("persistence", "aof_delayed_fsync");
    store.kill();
    assert_eq!(delayed.as_deref(), Some("0"), "the disk was too slow for this test");
    store.run();
}

fn rewritten(store: &mut Store) {
    store.rewrite_file();
    store.stop();
    store.run();
}

#[tokio::test]
async fn a_restart_keeps_every_session_and_every_logout() {
    for server in Server::BOTH {
        survives(server, restarted).await;
    }
}

#[tokio::test]
async fn a_killed_server_comes_back_with_every_session_and_every_logout() {
    for server in Server::BOTH {
        survives(server, killed).await;
    }
}

#[tokio::test]
async fn a_rewritten_file_holds_every_session_and_every_logout() {
    for server in Server::BOTH {
        survives(server, rewritten).await;
    }
}

/// The stack's former rule: the tests above would notice it, and `check` warns of it.
#[tokio::test]
async fn without_the_rights_of_the_default_user_debians_server_loses_all_and_check_says_so_before() {
    for (server, severity, is_lost) in [(Server::Redis, "PROBLEM", true), (Server::Valkey, "warning", false)]
    {
        for rule in ["user default off", "user default off +@all"] {
            let mut store = Store::prepare(server);
            store.checkout.rewrite("secrets/redis_users.acl", |text| {
                text.replace("user default off ~* &* +@all", rule)
            });
            store.run();
            let session = gateway(&store, "127.0.0.1:0").api().login("alice").await.session;
            let said = super::users::check(&store);
            let line = said.lines().find(|line| line.contains("default-user")).expect("it is looked at");
            assert!(line.starts_with(severity), "{rule}: {line}");
            assert!(line.contains("`user default off ~* &* +@all`"), "{line}");
            restarted(&mut store);
            let found = store.ask::<u64>(&format!("EXISTS tg:{{alice}}:session:{session}"));
            assert_eq!(found == 0, is_lost, "{server:?}, {rule}");
        }
    }
}

/// The other server takes over the volume of one server, as at an upgrade of the stack.
#[tokio::test]
async fn valkey_loads_a_volume_that_redis_has_written() {
    let mut store = Store::start_as(Server::Redis);
    let life = Life::live(&store).await;
    store.stop();
    store.become_a(Server::Valkey);
    store.run();
    assert!(store.info("server", "valkey_version").is_some());
    let life = life.expect_all(&store).await;
    rewritten(&mut store);
    life.expect_all(&store).await;
}

/// `tests/stack/volumes/README.md` describes the origin of the volume: 64 sessions with an end in 2036.
#[tokio::test]
async fn valkey_loads_a_volume_that_redis_7_2_has_written() {
    let mut store = Store::prepare(Server::Valkey);
    let volume = repository("tests/stack/volumes/redis-7.2.4");
    super::image::copy(&volume.join("appendonlydir"), &store.volume().join("appendonlydir"));
    let sessions = std::fs::read_to_string(volume.join("sessions.json")).expect("text");
    let sessions: serde_json::Value = serde_json::from_str(&sessions).expect("JSON");
    store
        .checkout
        .rewrite("secrets/refresh_secret", |_| sessions["refresh_secret"].as_str().expect("text").to_owned());
    store.run();
    let settings = [("REFRESH_TTL_SECONDS", "315360000"), ("SESSION_MAX_AGE_SECONDS", "0")];
    let node = gateway_with(&store, "127.0.0.1:0", &settings);
    let texts = |name: &str| {
        let list = sessions[name].as_array().expect("a list").clone();
        list.iter().map(|it| it.as_str().expect("text").to_owned()).collect::<Vec<_>>()
    };
    let (live, ended) = (texts("live"), texts("ended"));
    assert_eq!((live.len(), ended.len()), (64, 16));
    for token in live {
        assert_eq!(node.api().refresh(&token).await.status, 200);
    }
    for token in ended {
        node.api().refresh(&token).await.expect_error(400, "invalid_grant");
    }
}
