//! Users with sessions while the layout changes, and the experience of each.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::Method;
use token_gateway_testkit::api::{Answer, Api, Tokens, claims, fresh_key};
use token_gateway_testkit::gateway::Gateway;
use token_gateway_testkit::redis::Redis;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::Shell;

pub struct People {
    /// One session each, not refreshed yet.
    fresh: Vec<Tokens>,
    /// Refreshed: the former token, and the present one. The user has another session, too.
    moved_on: (Tokens, Tokens),
    other: Tokens,
    /// Refreshed, but the answer got lost: the token, the `Idempotency-Key`, and the lost answer.
    lost: (Tokens, String, Tokens),
    /// Ended, but unpublished.
    ended: Tokens,
}

impl People {
    pub async fn sign_in(gateway: &Gateway, shell: &Shell) -> Self {
        let api = gateway.api();
        let names: Vec<String> = (0..40).map(|n| format!("user {n}")).collect();
        let fresh = join_all(names.iter().map(|name| api.login(name))).await;
        let (old, other) = (api.login("alice").await, api.login("alice").await);
        let middle = api.refresh(&old.refresh).await.tokens();
        let new = api.refresh(&middle.refresh).await.tokens();
        let (before, key) = (api.login("bob").await, fresh_key());
        let answer = api.refresh_as(&before.refresh, &key).await.tokens();
        let ended = api.login("carol").await;
        let keys = [format!("tg:{{carol}}:session:{}", ended.session), "tg:{carol}:sessions".to_owned()];
        shell.script("end_session", &[&keys[0], &keys[1]], &["logout", "86400000"]);
        Self { fresh, moved_on: (middle, new), other, lost: (before, key, answer), ended }
    }

    /// Demands from a running node the reason why it cannot know, and "could not know" to everything else.
    pub async fn meet_only_503(&self, gateway: &Gateway, version: &str) {
        let (api, admin, began) = (gateway.api(), Api::new(&gateway.admin()), Instant::now());
        let why = format!("the key layout is version '{version}'");
        while !admin.send(admin.request(Method::GET, "/readyz")).await.text.contains(&why) {
            assert!(began.elapsed() < Duration::from_secs(10), "it never says that {why}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for token in [&self.fresh[0].refresh, &self.moved_on.0.refresh, &self.ended.refresh] {
            api.refresh(token).await.expect_error(503, "temporarily_unavailable");
        }
        api.revoke(&self.fresh[1].refresh).await.expect_error(503, "temporarily_unavailable");
        assert_eq!(api.send(api.request(Method::GET, "/readyz")).await.status, 503);
    }

    /// Demands that every session goes on, and that due refusals stay refusals.
    pub async fn go_on(&self, gateway: &Gateway, redis: &Redis) {
        let api = gateway.api();
        for tokens in &self.fresh {
            let next = api.refresh(&tokens.refresh).await.tokens();
            assert_eq!(api.refresh(&next.refresh).await.status, 200);
        }
        let (token, key, lost) = &self.lost;
        let repeated = api.refresh_as(&token.refresh, key).await.tokens();
        assert_eq!(claims(&repeated.refresh), claims(&lost.refresh), "the answer that was lost");
        assert_eq!(api.refresh(&repeated.refresh).await.status, 200);

        assert_eq!(redis.ask::<u64>(&["XLEN", "tg:revocations"]), 0);
        api.refresh(&self.ended.refresh).await.expect_error(400, "invalid_grant");
        assert_eq!(redis.ask::<u64>(&["XLEN", "tg:revocations"]), 1, "published by who met it");

        let (old, new) = &self.moved_on;
        let new = api.refresh(&new.refresh).await.tokens();
        api.refresh(&old.refresh).await.expect_error(400, "invalid_grant");
        for thief_or_not in [&new, &self.other] {
            api.refresh(&thief_or_not.refresh).await.expect_error(400, "invalid_grant");
        }
    }
}

/// Clients in an endless loop of refreshes, each with a fresh key; they repeat a refresh as long as the answer is 503.
pub struct Busy {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<u16>>>,
}

impl Busy {
    pub async fn start(gateway: &Gateway) -> Self {
        let (api, stop) = (gateway.api(), Arc::new(AtomicBool::new(false)));
        let mut clients = Vec::new();
        for n in 0..4 {
            let tokens = api.login(&format!("busy-{n}")).await;
            clients.push(tokio::spawn(refresh_until(api.clone(), tokens, stop.clone())));
        }
        Self { stop, clients }
    }

    /// Lets each of them end with a 200; no answers but 200 and 503 are allowed.
    pub async fn expect_patience_and_then_200(self) {
        self.stop.store(true, Ordering::SeqCst);
        for client in self.clients {
            let told = timeout(Duration::from_secs(10), client).await.expect("it is told 200 in the end");
            let told = told.expect("it is told nothing else but 503");
            assert!(told.iter().all(|status| [200, 503].contains(status)), "{told:?}");
            assert!(told.contains(&503) && told[0] == 200 && told.ends_with(&[200]), "{told:?}");
        }
    }
}

async fn refresh_until(api: Api, mut tokens: Tokens, stop: Arc<AtomicBool>) -> Vec<u16> {
    let mut told = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        tokens = refresh_with_patience(&api, &tokens.refresh, &mut told).await.tokens();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    told
}

async fn refresh_with_patience(api: &Api, token: &str, told: &mut Vec<u16>) -> Answer {
    let key = fresh_key();
    loop {
        let answer = api.refresh_as(token, &key).await;
        told.push(answer.status.as_u16());
        if answer.status != 503 {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
