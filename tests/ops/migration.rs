//! The procedure of migrations-notes/README.md, run as it is printed, while clients never stop refreshing.
//!
//! Its example leads from an invented layout v0 to v1. A real gateway on v1 issued the test's sessions; the way back,
//! which is printed too, makes v0 of them first.

use std::collections::BTreeMap;

use token_gateway_testkit::cluster::Cluster;
use token_gateway_testkit::redis::Redis;

use super::people::{Busy, People};
use super::seeds::Seeds;
use super::{Ended, Shell, blocks};
use crate::GATEWAY;

const NOTES: &str = "migrations-notes/README.md";

/// The commands of the notes under a heading, ready to be run.
fn step(heading: &str) -> String {
    let found = blocks(NOTES).into_iter().filter(|(it, _)| it == heading);
    let commands: String = found.map(|(_, block)| block).collect();
    assert!(!commands.is_empty(), "nothing is printed under '{heading}'");
    format!(". ops/env\n{commands}")
}

const STEPS: [&str; 6] = ["Before", "1. Fence", "2. Migrate", "3. Look", "4. Release", "The way back"];

#[test]
fn every_command_of_the_notes_belongs_to_a_step_that_is_tried() {
    let mut printed: Vec<_> = blocks(NOTES).into_iter().map(|(heading, _)| heading).collect();
    printed.dedup();
    assert_eq!(printed, STEPS);
}

/// A redis-cli with a connection lost in the middle of a SCAN, in a folder to be put first in the `PATH`.
fn breaking_off(after: usize) -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (file, path) = (dir.path().join("redis-cli"), std::env::var("PATH").expect("a path"));
    let script = format!(
        "#!/usr/bin/env bash\nexport PATH='{path}'\n\
         if [[ \" $* \" == *' --scan '* ]]; then redis-cli \"$@\" | sed -n '1,{after}p'; exit 1; fi\n\
         exec redis-cli \"$@\"\n"
    );
    std::fs::write(&file, script).expect("it can be written");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).expect("it can be made to run");
    dir
}

fn migrate_and_break_off(url: &str, after: usize) -> Ended {
    let dir = breaking_off(after);
    let path = format!("{}:{}", dir.path().display(), std::env::var("PATH").expect("a path"));
    Shell::on(url).with("PATH", &path).run(&step("2. Migrate"))
}

/// Each record, its fields, and the moment of its expiry.
type Records = BTreeMap<String, (BTreeMap<String, String>, i64)>;

fn records(redis: &Redis, kind: &str) -> Records {
    let keys: Vec<String> = redis.ask(&["KEYS", &format!("tg:{{*}}:{kind}:*")]);
    let read = |key: String| {
        let record = (redis.ask(&["HGETALL", &key]), redis.ask(&["PEXPIRETIME", &key]));
        (key, record)
    };
    keys.into_iter().map(read).collect()
}

/// A record of v1, in the form of v0.
fn in_v0(
    (key, (mut record, expires)): (String, (BTreeMap<String, String>, i64)),
) -> (String, (BTreeMap<String, String>, i64)) {
    for (old, new) in [("token_id", "jti"), ("count", "gen")] {
        if let Some(value) = record.remove(new) {
            record.insert(old.to_owned(), value);
        }
    }
    for (name, value) in &mut record {
        if name.ends_with("_at") {
            value.truncate(10);
        }
    }
    (key.replace("}:session:", "}:family:"), (record, expires))
}

/// Starts a node of this release on the present data: it ends, with one line about the reason.
#[track_caller]
fn refuses_to_start(redis: &Redis, version: &str) {
    let started =
        GATEWAY.command("serve", &[("REDIS_URL", &redis.url())]).output().expect("it ends by itself");
    let said = String::from_utf8(started.stderr).expect("text");
    let errors: Vec<_> = said.lines().filter(|line| line.starts_with("error")).collect();
    assert_eq!((started.status.code(), errors.len()), (Some(1), 1), "{said}");
    let expected = format!("the key layout is version '{version}', but this node knows version 1");
    assert!(errors[0].contains(&expected), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_layout_is_changed_under_running_clients_and_nobody_has_to_sign_in_again() {
    let redis = Redis::start();
    let gateway = GATEWAY.start_with(&redis, &[("ADMIN_ADDR", "127.0.0.1:0")]);
    let shell = Shell::on(&redis.url());
    let people = People::sign_in(&gateway, &shell).await;
    let before = records(&redis, "session");
    let busy = Busy::start(&gateway).await;

    shell.ok(&step("1. Fence"));
    people.meet_only_503(&gateway, "0-to-1").await;
    shell.ok(&step("The way back"));
    let mut v0 = records(&redis, "family");
    v0.retain(|key, _| !key.contains("busy"));
    assert_eq!(
        v0,
        before.clone().into_iter().map(in_v0).collect(),
        "only names and times have changed, no TTL"
    );
    assert!(records(&redis, "session").is_empty());
    refuses_to_start(&redis, "0");
    people.meet_only_503(&gateway, "0").await;

    shell.ok(&step("1. Fence"));
    let broken_off = migrate_and_break_off(&redis.url(), 20);
    assert_eq!(broken_off.code, Some(1), "{broken_off:?}");
    assert_eq!(records(&redis, "session").len(), 20, "it was in the middle");
    people.meet_only_503(&gateway, "0-to-1").await;
    shell.ok(&step("2. Migrate"));
    assert!(shell.ok(&step("2. Migrate")).contains("errors: 0, replies: 0"), "nothing is left to do");
    let kinds = shell.ok(&step("3. Look"));
    assert!(kinds.contains("hash\ttg:{sub}:session:<sid>") && !kinds.contains("family"), "{kinds}");
    people.meet_only_503(&gateway, "0-to-1").await;
    shell.ok(&step("4. Release"));

    busy.expect_patience_and_then_200().await;
    let mut after = records(&redis, "session");
    after.retain(|key, _| !key.contains("busy"));
    for (key, (record, _)) in &before {
        let later = |name: &str| after[key].0.get(name) >= record.get(name);
        assert!(later("rotated_at") && (record["state"] == "ended" || !later("created_at")), "{key}");
    }
    let in_seconds = |records: Records| records.into_iter().map(in_v0).collect::<Records>();
    assert_eq!(in_seconds(after), in_seconds(before), "the same to the second, and no TTL has changed");
    people.go_on(&gateway, &redis).await;
}

#[test]
fn nothing_is_migrated_without_the_fence_and_a_record_that_makes_no_sense_is_left() {
    let redis = Redis::start();
    let shell = Shell::on(&redis.url());
    redis.ask::<()>(&["SET", "tg:schema", "0"]);
    for (sid, field) in [("1", "token_id"), ("2", "nonsense"), ("3", "token_id")] {
        let key = format!("tg:{{alice}}:family:{sid}");
        redis.ask::<u64>(&[
            "HSET",
            &key,
            "state",
            "live",
            field,
            "x",
            "count",
            "1",
            "rotated_at",
            "1790000000",
        ]);
    }
    let unfenced = shell.run(&step("2. Migrate"));
    assert!(unfenced.code == Some(1) && unfenced.stderr.contains("tg:schema is '0'"), "{unfenced:?}");
    assert_eq!(records(&redis, "family").len(), 3);
    redis.ask::<()>(&["SET", "tg:schema", "0-to-1"]);
    let partly = shell.run(&step("2. Migrate"));
    assert!(partly.code == Some(1) && partly.stderr.contains("CORRUPT tg:{alice}:family:2: "), "{partly:?}");
    assert_eq!((records(&redis, "family").len(), records(&redis, "session").len()), (1, 2));
    for wrong in ["", " 0-to-1 no-such-file.lua family", " 0-to-1 example-v0-to-v1.lua"] {
        assert_eq!(shell.run(&format!("migrations-notes/migrate{wrong}")).code, Some(2));
    }
}

#[test]
fn the_same_commands_migrate_a_cluster() {
    let cluster = Cluster::start();
    let shell = Shell::on(&cluster.url());
    let mut seeds = Seeds::sow(&shell, 3);
    for heading in ["The way back", "1. Fence", "2. Migrate", "4. Release"] {
        shell.ok(&step(heading));
    }
    let kinds = shell.ok(&step("3. Look"));
    assert!(kinds.contains("16 hash\ttg:{sub}:session:<sid>") && !kinds.contains("family"), "{kinds}");
    seeds.hostile[0].rotate(&shell, 2);
    for other in &mut seeds.others {
        other.rotate(&shell, 0);
    }
}
