//! One typed function per Lua script; names are the same here, in `scripts/` and in the headers.
//!
//! Each script is atomic and takes one round trip. Its header, in the file, names KEYS, ARGV and the words
//! it returns; the test at the end holds header, body and decoder together.

use std::sync::atomic::{AtomicBool, Ordering};

use token_gateway_core::clock::{Moment, Timestamp};
use token_gateway_core::session::{Jti, Reason, SessionId, Subject};
use token_gateway_redis_link::{self as redis_link, Call, Handshake, LinkError, Reply};

use super::RedisStore;
use super::keys::{Keys, LAYOUT_VERSION};
use crate::store::{
    Created, EndedMany, EndedOne, EndedSession, Error, Lookup, NewSession, Rotated, Rotation, SessionRecord,
    Successor,
};

/// A script, and the words of its header.
pub struct Script {
    pub name: &'static str,
    /// The words it may return, in the order of its header.
    pub words: &'static [&'static str],
    pub lua: redis_link::Script,
}

macro_rules! script {
    ($id:ident, $name:literal, $($word:literal),+) => {
        pub static $id: Script = Script {
            name: $name,
            words: &[$($word),+],
            lua: redis_link::Script::new(include_str!(concat!("scripts/", $name, ".lua"))),
        };
    };
}

script!(
    ROTATE,
    "rotate",
    "unknown",
    "ended",
    "replayed",
    "rotated",
    "rolled_back",
    "late",
    "suspect",
    "reused"
);
script!(CREATE, "create", "created", "exists", "late");
script!(END_SESSION, "end_session", "ended", "already", "unknown");
script!(END_SUBJECT, "end_subject", "ended");
script!(GET_SESSION, "get_session", "live", "ended", "unknown");
script!(LIST_SESSIONS, "list_sessions", "sessions");
script!(SET_CLAIMS, "set_claims", "updated");
script!(PUBLISH, "publish", "appended");
script!(MARK_PUBLISHED, "mark_published", "marked");
script!(OPEN_LAYOUT, "open_layout", "layout");

/// All scripts, in reading order.
pub static ALL: [&Script; 10] = [
    &ROTATE,
    &CREATE,
    &END_SESSION,
    &END_SUBJECT,
    &GET_SESSION,
    &LIST_SESSIONS,
    &SET_CLAIMS,
    &PUBLISH,
    &MARK_PUBLISHED,
    &OPEN_LAYOUT,
];

pub(super) async fn rotate(store: &RedisStore, rotation: &Rotation<'_>) -> Result<Rotated, Error> {
    let policy = &store.policy;
    let [session, sessions] = store.keys.both(rotation.subject, rotation.presented.session());
    let reply = store.links.call(&sessions, |clock| {
        Call::new(&ROTATE.lua, &[&session, &sessions])
            .arg(rotation.presented.as_str())
            .arg(rotation.generation)
            .arg(rotation.successor.as_str())
            .arg(rotation.sent_at.on(clock).0)
            .arg(policy.refresh_ttl.as_millis() as u64)
            .arg(policy.refresh_grace.as_micros() as u64)
            .arg(if rotation.accuse { policy.reuse_scope.as_str() } else { "none" })
            .arg(policy.tombstone_ttl.as_millis() as u64)
            .arg(policy.held_up.as_micros() as u64)
    });
    exchanged(reply.await?, rotation)
}

pub(super) fn exchanged(mut reply: Reply, rotation: &Rotation<'_>) -> Result<Rotated, Error> {
    match reply.word() {
        "unknown" => Ok(Rotated::Unknown),
        "ended" => Ok(Rotated::Ended { reason: reply.parse("reason")?, announced: reply.flag()? }),
        "replayed" => replayed(&mut reply).map(Rotated::Replayed),
        "rotated" => moved_on(&mut reply, rotation).map(Rotated::Rotated),
        "rolled_back" => moved_on(&mut reply, rotation).map(Rotated::RolledBack),
        "late" => Ok(Rotated::Late),
        "suspect" => Ok(Rotated::Suspect),
        "reused" => ended(&mut reply).map(Rotated::Reused),
        _ => reply.unexpected(),
    }
}

/// The record was written by this call.
fn moved_on(reply: &mut Reply, rotation: &Rotation<'_>) -> Result<Successor, Error> {
    granted(reply, rotation.successor, rotation.generation + 1, reply.time)
}

/// The record was written by an earlier call.
fn replayed(reply: &mut Reply) -> Result<Successor, Error> {
    let (jti, generation, issued_at) = (reply.parse("jti")?, reply.parse("gen")?, reply.time()?);
    granted(reply, jti, generation, issued_at)
}

fn granted(reply: &mut Reply, jti: Jti, generation: u64, issued_at: Timestamp) -> Result<Successor, Error> {
    let (now, absolute_expires_at, claims) = (reply.time, reply.optional_time()?, reply.text()?);
    let (scope, aud) = if reply.is_empty() { Default::default() } else { (reply.text()?, reply.text()?) };
    Ok(Successor { now, jti, generation, issued_at, absolute_expires_at, claims, scope, aud })
}

pub(super) async fn create(store: &RedisStore, new: &NewSession<'_>) -> Result<Created, Error> {
    let policy = &store.policy;
    let [session, sessions] = store.keys.both(new.subject, new.jti.session());
    let reply = store.links.call(&sessions, |clock| {
        Call::new(&CREATE.lua, &[&session, &sessions])
            .arg(new.jti.as_str())
            .arg(new.deadline.on(clock).0)
            .arg(policy.refresh_ttl.as_millis() as u64)
            .arg(policy.session_max_age.map_or(0, |age| age.as_millis() as u64))
            .arg(policy.max_sessions)
            .arg(policy.tombstone_ttl.as_millis() as u64)
            .arg(new.claims)
            .arg(new.client)
            .arg(new.client_id)
            .arg(new.scope)
            .arg(new.aud)
    });
    created(reply.await?)
}

pub(super) fn created(mut reply: Reply) -> Result<Created, Error> {
    match reply.word() {
        "created" => Ok(Created::Created {
            created_at: reply.time()?,
            absolute_expires_at: reply.optional_time()?,
            ended: ended(&mut reply)?,
        }),
        "exists" => Ok(Created::Exists),
        "late" => Ok(Created::Late),
        _ => reply.unexpected(),
    }
}

pub(super) async fn end_session(
    store: &RedisStore,
    subject: &Subject,
    session: SessionId,
    reason: Reason,
) -> Result<EndedOne, Error> {
    let [record, sessions] = store.keys.both(subject, session);
    let reply = store.links.call(&sessions, |_| {
        Call::new(&END_SESSION.lua, &[&record, &sessions])
            .arg(reason.as_str())
            .arg(store.policy.tombstone_ttl.as_millis() as u64)
    });
    ended_one(reply.await?)
}

pub(super) fn ended_one(mut reply: Reply) -> Result<EndedOne, Error> {
    match reply.word() {
        "ended" => Ok(EndedOne::Ended),
        "already" => Ok(EndedOne::Already { reason: reply.parse("reason")?, announced: reply.flag()? }),
        "unknown" => Ok(EndedOne::Unknown),
        _ => reply.unexpected(),
    }
}

pub(super) async fn end_subject(
    store: &RedisStore,
    subject: &Subject,
    except: Option<SessionId>,
    reason: Reason,
    sent_at: Moment,
) -> Result<EndedMany, Error> {
    let (set, undated) = (store.keys.sessions(subject), AtomicBool::new(false));
    let reply = store.links.call(&set, |clock| {
        let sent_at = sent_at.known_on(clock);
        undated.store(sent_at.is_none(), Ordering::Relaxed);
        Call::new(&END_SUBJECT.lua, &[&set])
            .arg(sent_at.unwrap_or_default().0)
            .arg(except.as_ref().map_or("", SessionId::as_str))
            .arg(reason.as_str())
            .arg(store.policy.tombstone_ttl.as_millis() as u64)
    });
    let ended = ended_many(reply.await?)?;
    if undated.into_inner() {
        // Another server decides now, and nobody has asked it for the time: nothing has ended.
        return Err(Error::Unavailable("the master changed meanwhile".to_owned()));
    }
    Ok(ended)
}

pub(super) fn ended_many(mut reply: Reply) -> Result<EndedMany, Error> {
    match reply.word() {
        "ended" => ended(&mut reply),
        _ => reply.unexpected(),
    }
}

pub(super) async fn get_session(
    store: &RedisStore,
    subject: &Subject,
    session: SessionId,
) -> Result<Lookup, Error> {
    let key = store.keys.session(subject, session);
    looked_up(store.links.call(&key, |_| get_session_call(&key)).await?, session)
}

/// Also sent by commands of operators, over a connection of their own.
pub(super) fn get_session_call(record: &str) -> Call {
    Call::new(&GET_SESSION.lua, &[record])
}

pub(super) fn looked_up(mut reply: Reply, session: SessionId) -> Result<Lookup, Error> {
    match reply.word() {
        "live" => Ok(Lookup::Live {
            record: Box::new(record(&mut reply, session)?),
            claims: reply.text()?,
            jti: reply.parse("jti")?,
        }),
        "ended" => Ok(Lookup::Ended {
            reason: reply.parse("reason")?,
            ended_at: reply.time()?,
            announced: reply.flag()?,
        }),
        "unknown" => Ok(Lookup::Unknown),
        _ => reply.unexpected(),
    }
}

pub(super) async fn list_sessions(
    store: &RedisStore,
    subject: &Subject,
) -> Result<Vec<SessionRecord>, Error> {
    let key = store.keys.sessions(subject);
    listed(store.links.call(&key, |_| list_sessions_call(&key)).await?)
}

/// Also sent by commands of operators, over a connection of their own.
pub(super) fn list_sessions_call(set: &str) -> Call {
    Call::new(&LIST_SESSIONS.lua, &[set])
}

pub(super) fn listed(mut reply: Reply) -> Result<Vec<SessionRecord>, Error> {
    match reply.word() {
        "sessions" => {
            let mut records = Vec::new();
            while !reply.is_empty() {
                let session = reply.parse("sid")?;
                records.push(record(&mut reply, session)?);
            }
            SessionRecord::sort(&mut records);
            Ok(records)
        }
        _ => reply.unexpected(),
    }
}

fn record(reply: &mut Reply, session: SessionId) -> Result<SessionRecord, Error> {
    Ok(SessionRecord {
        session,
        generation: reply.parse("gen")?,
        created_at: reply.time()?,
        last_refreshed_at: reply.time()?,
        expires_at: reply.expiry()?,
        absolute_expires_at: reply.optional_time()?,
        client: reply.text()?,
        client_id: reply.text()?,
    })
}

pub(super) async fn set_claims(
    store: &RedisStore,
    subject: &Subject,
    session: Option<SessionId>,
    claims: &str,
) -> Result<Vec<SessionId>, Error> {
    let set = store.keys.sessions(subject);
    let reply = store.links.call(&set, |_| {
        Call::new(&SET_CLAIMS.lua, &[&set]).arg(claims).arg(session.as_ref().map_or("", SessionId::as_str))
    });
    updated(reply.await?)
}

pub(super) fn updated(mut reply: Reply) -> Result<Vec<SessionId>, Error> {
    match reply.word() {
        "updated" => {
            let mut updated = Vec::new();
            while !reply.is_empty() {
                updated.push(reply.parse("sid")?);
            }
            Ok(updated)
        }
        _ => reply.unexpected(),
    }
}

pub(super) async fn publish(
    store: &RedisStore,
    subject: &Subject,
    ended: &[EndedSession],
) -> Result<(), Error> {
    let feed = store.feed_of(subject);
    let call = |_: &_| {
        let call = Call::new(&PUBLISH.lua, &[feed])
            .arg(store.policy.feed_retention.as_millis() as u64)
            .arg(subject.encoded().to_string());
        ended.iter().fold(call, |call, one| call.arg(one.session.as_str()).arg(one.reason.as_str()))
    };
    let reply = store.links.call_and_wait(feed, call).await?;
    match reply.word() {
        "appended" => Ok(()),
        _ => reply.unexpected(),
    }
}

pub(super) async fn mark_published(
    store: &RedisStore,
    subject: &Subject,
    ended: &[EndedSession],
) -> Result<(), Error> {
    let set = store.keys.sessions(subject);
    let call = |_: &_| {
        ended.iter().fold(Call::new(&MARK_PUBLISHED.lua, &[&set]), |call, one| call.arg(one.session.as_str()))
    };
    let reply = store.links.call(&set, call).await?;
    match reply.word() {
        "marked" if reply.is_empty() => Ok(()),
        "marked" => {
            Err(Error::Unavailable("the master changed since a session ended; it must end again".into()))
        }
        _ => reply.unexpected(),
    }
}

pub(super) async fn open_layout(store: &RedisStore) -> Result<(), Error> {
    let layout = store.keys.layout();
    Ok(check_layout(store.links.call(&layout, |_| open_layout_call(&layout)).await?)?)
}

/// The first call on each new connection. Only a primary of a known layout answers it. Without it a node could write behind
/// the fence of `migrations-notes/README.md`.
pub(super) fn handshake(keys: &Keys) -> Handshake {
    let layout = keys.layout();
    let call = open_layout_call(&layout);
    Handshake::new(layout, call, check_layout)
}

fn open_layout_call(layout: &str) -> Call {
    Call::new(&OPEN_LAYOUT.lua, &[layout]).arg(LAYOUT_VERSION)
}

pub(super) fn check_layout(mut reply: Reply) -> Result<(), LinkError> {
    match reply.word() {
        "layout" => check_version(&reply.text()?),
        _ => reply.unexpected(),
    }
}

pub(super) fn check_version(found: &str) -> Result<(), LinkError> {
    if found == LAYOUT_VERSION.to_string() {
        return Ok(());
    }
    Err(LinkError::Corrupt(format!(
        "the key layout is version '{found}', but this node knows version {LAYOUT_VERSION}; \
         run a matching release, see migrations-notes"
    )))
}

/// How many ended now, then sid and reason of these, then of those that ended before.
fn ended(reply: &mut Reply) -> Result<EndedMany, Error> {
    let count: usize = reply.parse("count")?;
    let mut all = Vec::new();
    while !reply.is_empty() {
        let session: SessionId = reply.parse("sid")?;
        all.push(EndedSession { session, reason: reply.parse("reason")? });
    }
    if count > all.len() {
        return Err(Error::Corrupt("a script's reply is too short".into()));
    }
    let before = all.split_off(count);
    Ok(EndedMany { now: all, before })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn header(script: &Script) -> Vec<&str> {
        script.lua.source().lines().skip(1).take_while(|line| line.starts_with("--")).collect()
    }

    fn body(script: &Script) -> String {
        let code = script.lua.source().lines().filter(|line| !line.trim_start().starts_with("--"));
        code.collect::<Vec<_>>().join("\n")
    }

    /// Numbers in `NAME[n]` within `text`.
    fn indices(text: &str, name: &str) -> BTreeSet<usize> {
        let opener = format!("{name}[");
        let parts = text.split(opener.as_str()).skip(1);
        parts.filter_map(|rest| rest.split(']').next()?.parse().ok()).collect()
    }

    /// The first words of replies: `{'word', now` or `move_on('word')`.
    fn returned(body: &str) -> BTreeSet<String> {
        let openers = ["{'", "move_on('"];
        let found = openers.iter().flat_map(|opener| {
            body.split(opener).skip(1).filter_map(move |rest| {
                let (word, after) = rest.split_once('\'')?;
                (after.starts_with(", now") || after.starts_with(')')).then(|| word.to_owned())
            })
        });
        found.collect()
    }

    #[test]
    fn header_body_and_decoder_of_each_script_agree() {
        for script in ALL {
            let (header, body, name) = (header(script).join("\n"), body(script), script.name);
            assert!(script.lua.source().starts_with("#!lua"), "{name}: line 1 is the engine's");
            assert!(header.starts_with(&format!("-- {name}: ")), "{name}: purpose, under its own name");
            assert_eq!(indices(&header, "KEYS"), indices(&body, "KEYS"), "{name}: KEYS");
            let (documented, used) = (indices(&header, "ARGV"), indices(&body, "ARGV"));
            if !body.contains("#ARGV") && !body.contains("ipairs(ARGV)") {
                assert_eq!(documented, used, "{name}: ARGV");
            }
            let words: BTreeSet<_> = script.words.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(returned(&body), words, "{name}: words");
            let (_, documented) = header.split_once("Returns").expect("a header says what is returned");
            for word in script.words {
                assert!(documented.contains(word), "{name}: '{word}' is not in the header");
            }
        }
    }

    #[test]
    fn scripts_that_end_sessions_work_when_redis_is_out_of_memory_and_those_that_grow_do_not() {
        let allowed = ALL.iter().filter(|script| script.lua.source().starts_with("#!lua flags=allow-oom\n"));
        let allowed: Vec<_> = allowed.map(|script| script.name).collect();
        let expected = [
            "end_session",
            "end_subject",
            "get_session",
            "list_sessions",
            "publish",
            "mark_published",
            "open_layout",
        ];
        assert_eq!(allowed, expected);
    }

    #[test]
    fn no_script_claims_to_be_read_only_because_a_deposed_master_would_run_it() {
        assert!(ALL.iter().all(|script| !script.lua.source().contains("no-writes")));
    }
}
