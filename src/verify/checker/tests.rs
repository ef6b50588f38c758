//! Which tokens the verifier forgets.

use std::time::Instant;

use super::*;
use crate::revocations::{Announced, Ended, Listener as _};
use crate::session::{Jti, Reason, SessionId, Subject};
use crate::token::key_set::KeySet;
use crate::token::keyring::Secrets;
use crate::token::{Grant, Keyring, Secret, TokenSettings};

fn tokens() -> Arc<Tokens> {
    let secret = |text| Secret::parse(text).ok();
    let secrets = Secrets {
        signing: secret("the-secret-of-access-tokens-in-tests"),
        refresh: secret("the-secret-of-refresh-tokens-in-tests"),
        refresh_previous: None,
    };
    let keyring = Keyring::new(&secrets, &KeySet::default()).expect("sound keys");
    let settings = TokenSettings {
        issuer: "https://auth.example".to_owned(),
        access_ttl: Duration::from_secs(900),
        refresh_ttl: Duration::from_secs(604_800),
        jwt_audiences: Default::default(),
    };
    Arc::new(Tokens::new(&settings, Arc::new(keyring)))
}

fn mint(tokens: &Tokens, subject: &Subject, session: SessionId) -> String {
    let now = Timestamp::from_system_clock();
    let grant = Grant {
        subject,
        jti: &Jti::first(session),
        generation: 1,
        issued_at: now,
        now,
        absolute_expires_at: None,
        client_id: "app",
        audience: "api",
        scope: None,
        narrowed: None,
        claims: "{}",
    };
    tokens.mint(&grant).expect("sound claims").access_token
}

fn checker(tokens: Arc<Tokens>) -> Checker {
    let rules = Rules {
        issuer: "https://auth.example".to_owned(),
        audiences: vec!["api".to_owned()],
        takes_typ_jwt: false,
        max_stale: Duration::from_secs(3600),
        goes_on_when_stale: false,
    };
    let revocations = Arc::new(Revocations::new(Duration::from_secs(1800)));
    revocations.opened(1);
    revocations.whole(0, Vec::new(), Some(Instant::now()));
    Checker::new(tokens, rules, revocations)
}

#[tokio::test]
async fn a_token_is_dropped_when_its_session_ends_though_nobody_asks_for_it_again() {
    let tokens = tokens();
    let checker = checker(tokens.clone());
    let subject: Subject = "alice".parse().expect("a subject");
    let (ended, other) = (SessionId::random(), SessionId::random());
    let [_, kept] = [ended, other].map(|session| {
        let token = mint(&tokens, &subject, session);
        checker.check(&token, |_| Timestamp::from_system_clock()).expect("a good token");
        token
    });
    assert_eq!(checker.seen.len(), 2);
    let ended = Ended { session: ended, reason: Reason::Logout };
    let announcing = async {
        let at = Timestamp::from_system_clock();
        checker.revocations.appended(0, vec![Announced { subject: subject.clone(), ended, at }], None);
        while checker.seen.len() > 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased; // the subscription must come before the event
        () = checker.drop_ended() => unreachable!("it goes on"),
        () = announcing => {}
    }
    assert!(checker.seen.get(&known(&checker, &kept)).is_some(), "the other's is kept");
}

fn known(checker: &Checker, token: &str) -> (u64, [u8; 32]) {
    let parts = Parts::split(token).expect("a token");
    let (key, _) = checker.keys.find(&parts).expect("a key");
    (key.id, key.digest(&parts).expect("a signature"))
}
