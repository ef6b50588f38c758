//! Tokens found valid before.

use std::iter;
use std::time::Instant;

use aws_lc_rs::hmac;
use base64_simd::URL_SAFE_NO_PAD;
use serde_json::json;

use super::*;
use crate::feed::{EndedSession, Listener as _, RevocationEvent};
use crate::session::{Reason, SessionId, Subject};
use crate::token::find_access_key;

const SECRET: &[u8] = b"the-secret-of-access-tokens-in-tests";

struct OneKey(Arc<VerifyingKey>);

impl OneKey {
    fn new() -> Arc<Self> {
        Arc::new(Self(Arc::new(VerifyingKey::hmac(None, &Typ::ACCESS, SECRET))))
    }

    fn mint(&self, subject: &Subject, session: SessionId) -> String {
        let now = Timestamp::from_system_clock().seconds();
        let payload = json!({
            "iss": "https://auth.example", "type": "access", "sub": subject, "aud": "api", "iat": now, "exp": now + 900,
            "jti": "any", "sid": session, "client_id": "app",
        });
        let mut token = self.0.header(Typ::AtJwt).to_owned();
        URL_SAFE_NO_PAD.encode_append(payload.to_string().as_bytes(), &mut token);
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_append(tag, &mut token);
        token
    }
}

impl Keys for OneKey {
    fn find(&self, parts: &Parts<'_>) -> Result<(Arc<VerifyingKey>, Typ), TokenRefusal> {
        let (key, typ) = find_access_key(iter::once(&self.0), parts)?;
        Ok((key.clone(), typ))
    }
}

fn checker(keys: Arc<OneKey>) -> Checker {
    let rules = Rules {
        issuer: "https://auth.example".to_owned(),
        audiences: vec!["api".to_owned()],
        takes_typ_jwt: false,
        max_stale: Duration::from_secs(3600),
        goes_on_when_stale: false,
    };
    let denylist = Arc::new(Denylist::new(Duration::from_secs(1800)));
    denylist.opened(1);
    denylist.events(0, Vec::new(), Some(Instant::now()));
    Checker::new(keys, rules, denylist)
}

#[tokio::test]
async fn a_token_is_dropped_when_its_session_ends_though_nobody_asks_for_it_again() {
    let keys = OneKey::new();
    let checker = checker(keys.clone());
    let subject: Subject = "alice".parse().expect("a subject");
    let (ended, other) = (SessionId::random(), SessionId::random());
    let [_, kept] = [ended, other].map(|session| {
        let token = keys.mint(&subject, session);
        accepted(&checker, &token);
        token
    });
    assert_eq!(checker.valid_tokens.len(), 2);
    let ended = EndedSession { session: ended, reason: Reason::Logout };
    let publishing = async {
        let at = Timestamp::from_system_clock();
        checker.denylist.events(0, vec![RevocationEvent { subject: subject.clone(), ended, at }], None);
        while checker.valid_tokens.len() > 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased; // the subscription must come before the event
        () = checker.drop_ended() => unreachable!("it goes on"),
        () = publishing => {}
    }
    assert!(checker.valid_tokens.get(&entry(&checker, &kept)).is_some(), "the other's is kept");
}

/// The whole token must be the same, and not only the part that is signed.
#[test]
fn a_valid_token_with_another_signature_is_refused() {
    let keys = OneKey::new();
    let checker = checker(keys.clone());
    let token = keys.mint(&"alice".parse().expect("a subject"), SessionId::random());
    accepted(&checker, &token);
    let (message, signature) = token.rsplit_once('.').expect("a token");
    let forged = format!("{message}.{}", signature.chars().rev().collect::<String>());
    let outcome = checker.check(&forged, |_| Timestamp::from_system_clock());
    assert!(matches!(outcome, Outcome::Refused(AccessRefusal::Token(_))), "{outcome:?}");
}

fn accepted(checker: &Checker, token: &str) {
    let outcome = checker.check(token, |_| Timestamp::from_system_clock());
    assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
}

fn entry(checker: &Checker, token: &str) -> ValidToken {
    let parts = Parts::split(token).expect("a token");
    let (key, _) = checker.keys.find(&parts).expect("a key");
    ValidToken::new(&key, &parts)
}
