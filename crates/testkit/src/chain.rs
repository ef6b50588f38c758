//! One session of a good client: it repeats a refresh, with the same key, until it has an answer.

use tokio::task::spawn_blocking;

use super::api::{Api, Tokens, claims, decided, fresh_key};
use super::redis::Redis;

pub struct Chain {
    api: Api,
    pub subject: String,
    pub tokens: Tokens,
    /// The number of granted refreshes.
    pub generation: u64,
}

impl Chain {
    pub async fn begin(api: Api, subject: &str) -> Self {
        let tokens = api.login(subject).await;
        Self { api, subject: subject.to_owned(), tokens, generation: 0 }
    }

    /// Demands a grant in the end.
    pub async fn refresh(&mut self) {
        let key = fresh_key();
        let answer = decided(|| self.api.refresh_as(&self.tokens.refresh, &key)).await;
        self.tokens = answer.tokens();
        self.generation += 1;
    }

    /// Goes on while something happens, and for ten refreshes more; returns the result of `happens`.
    pub async fn meanwhile<T: Send + 'static>(&mut self, happens: impl FnOnce() -> T + Send + 'static) -> T {
        let happening = spawn_blocking(happens);
        while !happening.is_finished() {
            self.refresh().await;
        }
        for _ in 0..10 {
            self.refresh().await;
        }
        happening.await.expect("it happens")
    }

    /// The state of the session on a server: its state field, its generation, and its refresh token.
    pub fn record_on(&self, server: &Redis) -> [String; 3] {
        let key = format!("tg:{{{}}}:session:{}", self.subject, self.tokens.session);
        server.ask(&["HMGET", &key, "state", "gen", "jti"])
    }

    /// The values that the record must hold.
    pub fn record(&self) -> [String; 3] {
        let jti = claims(&self.tokens.refresh)["jti"].as_str().expect("an id").to_owned();
        ["live".to_owned(), self.generation.to_string(), jti]
    }
}
