//! The reply of a script, one value a line. It is read or corrupt, and no more is read than is there.

#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use redis::Value;
use token_gateway::store::redis::scripts::list_sessions::Listing;
use token_gateway::store::redis::scripts::{
    create, end_session, end_subject, get_session, list_sessions, list_unpublished, open_layout, rotate,
    set_claims,
};
use token_gateway::store::{Lookup, Rotated, Rotation, SessionRecord, StoreError, Successor};
use token_gateway::token::Grant;
use token_gateway::view;
use token_gateway_core::clock::{Clock, Moment, Timestamp};
use token_gateway_core::session::{Jti, Subject};
use token_gateway_core::token::Audiences;
use token_gateway_fuzz::with_tokens;
use token_gateway_redis_link::Reply;

const SECOND: Duration = Duration::from_secs(1);

const PRESENTED: &str = "4830719265501837429.AAAAAAAAAAAAAAAAAAAAAA";

fuzz_target!(|data: &[u8]| {
    let reply = reply(data);
    let presented: Jti = PRESENTED.parse().expect("a jti");
    let subject: Subject = "alice".parse().expect("a subject");
    let rotation = Rotation {
        subject: &subject,
        presented,
        generation: 7,
        successor: presented,
        sent_at: Moment::Stored(Timestamp(1_800_000_000_000_000)),
        client: "",
        accuse: true,
    };
    match read(&reply, |reply| rotate::decode(reply, &rotation)) {
        Some(Rotated::Replayed(successor) | Rotated::Rotated(successor) | Rotated::RolledBack(successor)) => {
            mint(&subject, &successor);
        }
        Some(Rotated::Reused(ended)) => assert!(2 * ended.all().len() <= lines(data) - 3),
        _ => {}
    }
    let _ = read(&reply, |reply| create::decode(reply, None));
    let _ = read(&reply, end_session::decode);
    if let Some(ended) = read(&reply, end_subject::decode) {
        assert!(2 * ended.all().len() <= lines(data) - 3);
    }
    if let Some(ended) = read(&reply, list_unpublished::decode) {
        assert_eq!(2 * ended.len(), lines(data) - 2);
    }
    let session = presented.session();
    if let Some(Lookup::Live { record, .. }) = read(&reply, |reply| get_session::decode(reply, session, None))
    {
        show(&[*record]);
    }
    match read(&reply, |reply| list_sessions::decode(reply, None)) {
        Some(Listing::Sessions(records)) => show(&records),
        Some(Listing::Ids(ids)) => assert_eq!(ids.len(), lines(data) - 2),
        None => {}
    }
    if let Some(updated) = read(&reply, set_claims::decode) {
        assert_eq!(updated.len(), lines(data) - 2);
    }
    let _ = read(&reply, |reply| Ok(open_layout::decode(reply)?));
});

fn lines(data: &[u8]) -> usize {
    data.split(|byte| *byte == b'\n').count()
}

fn reply(data: &[u8]) -> Value {
    let strings = data.split(|byte| *byte == b'\n').map(|line| Value::BulkString(line.to_vec()));
    Value::Array(strings.collect())
}

/// An unreadable reply is corrupt, and leads to no verdict.
fn read<T>(reply: &Value, decode: impl FnOnce(Reply) -> Result<T, StoreError>) -> Option<T> {
    match Reply::new(reply.clone()).map_err(StoreError::from).and_then(decode) {
        Err(StoreError::Unavailable(_) | StoreError::Overloaded) => panic!("it was there"),
        decoded => decoded.ok(),
    }
}

/// Stored values may have been changed by hand. Tokens still name their subject and session.
fn mint(subject: &Subject, successor: &Successor) {
    let grant = Grant {
        subject,
        jti: &successor.jti,
        generation: successor.generation,
        issued_at: successor.issued_at,
        now: successor.now,
        absolute_expires_at: successor.absolute_expires_at,
        client_id: "web",
        audience: &successor.aud,
        scope: Some(&successor.scope),
        narrowed: None,
        claims: &successor.claims,
    };
    date(successor.now);
    with_tokens(|tokens| {
        let Ok(pair) = tokens.mint(&grant) else { return };
        if let Ok(access) = tokens.open_access(&pair.access_token, Audiences::Any) {
            assert_eq!((&access.subject, access.session), (subject, successor.jti.session()));
        }
        if let Ok(refresh) = tokens.open_refresh(&pair.refresh_token) {
            assert_eq!((&refresh.subject, refresh.jti), (subject, successor.jti));
        }
    });
}

/// A node dates its requests by the time in the reply.
fn date(now: Timestamp) {
    let (clock, start) = (Clock::default(), Instant::now());
    clock.observe(now, start, start);
    for moment in [start - SECOND, start + SECOND] {
        assert!(clock.lower_bound(moment).is_some());
    }
}

fn show(records: &[SessionRecord]) {
    let list = view::SessionList::new(records, None);
    assert!(serde_json::to_string(&list).is_ok());
}
