//! Features of Redis alone: keys, sets and streams as operators see them.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use token_gateway::store::{Policy, Rotated};
use token_gateway_core::clock::{Moment, Timestamp};
use token_gateway_core::feed::stream_keys::PARTITION_NUMBERS;
use token_gateway_core::session::Reason;

use super::{Bench, CLIENT, policy, subject};

/// The device at a refresh.
const LAST: &str = r#"{"ip":"192.0.2.7"}"#;

fn page() -> String {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/key-layout.md");
    std::fs::read_to_string(page).expect("the page")
}

/// The rows of the table in a section of the page, each as its first cells.
fn rows(section: &str, cells: usize) -> BTreeSet<String> {
    let page = page();
    let (_, rest) = page.split_once(&format!("\n## {section}\n")).expect("a section");
    let section = rest.split("\n## ").next().expect("its text");
    let rows = section.lines().filter_map(|line| line.strip_prefix("| "));
    let rows = rows.filter(|row| row.starts_with('`'));
    rows.map(|row| row.split(" | ").take(cells).collect::<Vec<_>>().join(" | ")).collect()
}

/// The fields in the table of a section.
fn fields(section: &str) -> BTreeSet<String> {
    let rows = rows(section, 1);
    rows.iter().flat_map(|row| row.split(", ")).map(|name| name.trim_matches('`').to_owned()).collect()
}

#[tokio::test]
async fn the_page_has_every_key_with_its_type_and_no_other() {
    let bench = Bench::redis(policy());
    let (redis, alice) = (bench.server().unwrap(), subject("alice"));
    bench.create(&alice).await;
    let now = Moment::Stored(bench.moment().await);
    let ended = bench.store.end_subject(&alice, None, Reason::Admin, now).await.unwrap();
    bench.store.publish(&alice, &ended.all()).await.unwrap();
    bench.create(&alice).await;
    let kind = |key: &str| {
        let key = key.replace("{alice}", "{sub}");
        let session = key.split_once(":session:").map(|(before, _)| format!("{before}:session:<sid>"));
        session.unwrap_or(key)
    };
    let keys: Vec<String> = redis.ask(&["KEYS", "*"]);
    let row = |key: &String| format!("`{}` | {}", kind(key), redis.ask::<String>(&["TYPE", key.as_str()]));
    assert_eq!(rows("Keys", 2), keys.iter().map(row).collect());
}

#[test]
fn the_page_names_the_partitions_of_the_feed() {
    let numbers = PARTITION_NUMBERS.map(|number| number.to_string());
    let (last, others) = numbers.split_last().expect("numbers");
    assert!(page().contains(&format!("where `N` is {} or {last}.", others.join(", "))));
}

#[tokio::test]
async fn a_record_holds_what_the_layout_says_and_a_tombstone_only_four_fields() {
    let bench = Bench::redis(policy());
    let (redis, alice) = (bench.server().unwrap(), subject("alice"));
    let jti = bench.create(&alice).await;
    let Rotated::Rotated(_) = bench.rotate_from(LAST, &alice, jti, 0, "a").await else {
        panic!("not rotated")
    };
    let key = format!("tg:{{alice}}:session:{}", jti.session());
    let record: HashMap<String, String> = redis.ask(&["HGETALL", &key]);
    assert_eq!(record.keys().cloned().collect::<BTreeSet<_>>(), fields("A live session"));
    assert_eq!((record["state"].as_str(), record["gen"].as_str()), ("live", "1"));
    assert_eq!(record["prev"], jti.as_str());

    let _ = bench.store.end_session(&alice, jti.session(), Reason::Logout).await.unwrap();
    let tombstone: HashMap<String, String> = redis.ask(&["HGETALL", &key]);
    let names: BTreeSet<_> = tombstone.keys().cloned().collect();
    assert_eq!((names.len(), names), (4, fields("An ended session")));
    assert_eq!((tombstone["state"].as_str(), tombstone["announced"].as_str()), ("ended", "0"));
}

#[tokio::test]
async fn the_last_client_is_not_stored_twice() {
    let bench = Bench::redis(policy());
    let (redis, alice) = (bench.server().unwrap(), subject("alice"));
    let mut jti = bench.create(&alice).await;
    let key = format!("tg:{{alice}}:session:{}", jti.session());
    for (client, stored) in [("", None), (LAST, Some(LAST)), ("", Some(LAST)), (CLIENT, None), (CLIENT, None)]
    {
        let generation: u64 = redis.ask(&["HGET", &key, "gen"]);
        let outcome = bench.rotate_from(client, &alice, jti, generation, "a").await;
        let Rotated::Rotated(grant) = outcome else { panic!("not rotated: {outcome:?}") };
        jti = grant.jti;
        assert_eq!(
            redis.ask::<Option<String>>(&["HGET", &key, "last_client"]).as_deref(),
            stored,
            "{client}"
        );
        assert_eq!(redis.ask::<String>(&["HGET", &key, "client"]), CLIENT);
    }
}

/// Each way to end a session: by itself, with all others, by reuse, with the others of its subject, and by eviction.
#[tokio::test]
async fn no_tombstone_keeps_the_last_client() {
    let bench = Bench::redis(Policy { max_sessions: 2, ..policy() });
    let redis = bench.server().unwrap();
    let named = ["logout", "everywhere", "reuse", "evicted"].map(subject);
    for subject in &named {
        for _ in 0..2 {
            let jti = bench.create(subject).await;
            let outcome = bench.rotate_from(LAST, subject, jti, 0, "a").await;
            assert!(matches!(outcome, Rotated::Rotated(_)), "{outcome:?}");
            match subject.as_str() {
                "logout" => {
                    let _ = bench.store.end_session(subject, jti.session(), Reason::Logout).await.unwrap();
                }
                "reuse" if redis.ask::<u64>(&["SCARD", "tg:{reuse}:sessions"]) == 2 => {
                    let outcome = bench.rotate(subject, jti, 0, "b").await;
                    assert!(matches!(outcome, Rotated::Reused(_)), "{outcome:?}");
                }
                _ => {}
            }
        }
    }
    let sent_at = Moment::Stored(bench.moment().await);
    bench.store.end_subject(&named[1], None, Reason::Admin, sent_at).await.unwrap();
    for _ in 0..2 {
        bench.create(&named[3]).await;
    }
    let mut tombstones = 0;
    for key in redis.ask::<Vec<String>>(&["KEYS", "tg:{*}:session:*"]) {
        let record: HashMap<String, String> = redis.ask(&["HGETALL", &key]);
        assert!(!record.contains_key("last_client"), "{key}");
        tombstones += usize::from(record["state"] == "ended");
    }
    assert_eq!(tombstones, 8);
}

#[tokio::test]
async fn the_set_lives_as_long_as_its_longest_lived_member_and_forgets_the_dead() {
    let bench = Bench::redis(policy());
    let (redis, alice) = (bench.server().unwrap(), subject("alice"));
    let first = bench.create(&alice).await;
    bench.age(Duration::from_secs(50));
    let second = bench.create(&alice).await;
    let ttl: u64 = redis.ask(&["PTTL", "tg:{alice}:sessions"]);
    assert!((59_000..=60_000).contains(&ttl), "{ttl}");
    bench.age(Duration::from_secs(20));
    let members: BTreeSet<String> = redis.ask(&["SMEMBERS", "tg:{alice}:sessions"]);
    assert!(members.contains(first.session().as_str()), "dead members are pruned by the next script");
    bench.store.end_subject(&alice, None, Reason::Logout, Moment::Stored(Timestamp(0))).await.unwrap();
    let members: BTreeSet<String> = redis.ask(&["SMEMBERS", "tg:{alice}:sessions"]);
    assert_eq!(members, BTreeSet::from([second.session().to_string()]));
}

#[tokio::test]
async fn keys_return_to_the_baseline_after_expiry() {
    let bench = Bench::redis(policy());
    let redis = bench.server().unwrap();
    let size = || redis.ask::<u64>(&["DBSIZE"]);
    bench.store.ready().await.unwrap();
    let baseline = size();
    for name in ["alice", "bob", "carol"] {
        let jti = bench.create(&subject(name)).await;
        let Rotated::Rotated(_) = bench.rotate(&subject(name), jti, 0, "a").await else {
            panic!("not rotated")
        };
        let other = bench.create(&subject(name)).await;
        let _ = bench.store.end_session(&subject(name), other.session(), Reason::Logout).await.unwrap();
    }
    assert_eq!(size(), baseline + 9);
    bench.age(Duration::from_secs(60));
    assert_eq!(size(), baseline);
}

#[tokio::test]
async fn an_published_end_is_in_the_feed_and_out_of_the_set() {
    let bench = Bench::redis(policy());
    let (redis, alice) = (bench.server().unwrap(), subject("al/ice"));
    let jti = bench.create(&alice).await;
    let ended = bench
        .store
        .end_subject(&alice, None, Reason::Admin, Moment::Stored(bench.moment().await))
        .await
        .unwrap();
    bench.store.publish(&alice, &ended.all()).await.unwrap();
    bench.store.mark_published(&alice, &ended.all()).await.unwrap();
    let entries: Vec<(String, HashMap<String, String>)> = redis.ask(&["XRANGE", "tg:revocations", "-", "+"]);
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].1.keys().cloned().collect::<BTreeSet<_>>(), fields("An entry of the feed"));
    let (sub, sid) = ("al%2Fice".to_owned(), jti.session().to_string());
    let expected = [("sub", sub), ("sid", sid), ("reason", "admin".to_owned())];
    assert_eq!(entries[0].1, expected.map(|(name, value)| (name.to_owned(), value)).into());
    assert!(!redis.ask::<bool>(&["EXISTS", "tg:{al%2Fice}:sessions"]));
    let key = format!("tg:{{al%2Fice}}:session:{}", jti.session());
    assert_eq!(redis.ask::<String>(&["HGET", &key, "announced"]), "1");
}

#[tokio::test]
async fn the_feed_is_trimmed_by_age() {
    let bench = Bench::redis(policy());
    let (redis, alice) = (bench.server().unwrap(), subject("alice"));
    let long_ago = bench.moment().await.minus(Duration::from_secs(3601)).0 / 1000;
    for n in 0..300 {
        let id = format!("{long_ago}-{n}");
        redis.ask::<String>(&["XADD", "tg:revocations", &id, "sid", "old"]);
    }
    bench.create(&alice).await;
    let ended = bench
        .store
        .end_subject(&alice, None, Reason::Admin, Moment::Stored(bench.moment().await))
        .await
        .unwrap();
    bench.store.publish(&alice, &ended.all()).await.unwrap();
    let length: u64 = redis.ask(&["XLEN", "tg:revocations"]);
    assert!(length < 150, "trimmed to whole macro nodes of 100 entries: {length}");
}
