//! A value that begins with a dash is a value; flags are few, and known.

use token_gateway_testkit::gateway::Gateway;
use token_gateway_testkit::keys::Keys;
use token_gateway_testkit::redis::Redis;

use super::{Ended, bare, json, operator, run, text};
use crate::GATEWAY;

/// A session id of nobody.
const SID: &str = "1000000000000000000";

/// Each begins with a dash, and some with the letters of flags.
const DASHED: [&str; 12] =
    ["-Vpl4RkgWA", "-hV", "-VV", "-hh", "-Vh", "-h4nna", "-x", "-5", "-", "-V=1", "-v", "-h-"];

fn node(redis: &Redis) -> Gateway {
    GATEWAY.start(redis)
}

/// Demands a refusal for wrong usage: one line, with `named` in it.
#[track_caller]
fn refused(ended: &Ended, named: &str) {
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.lines().count()), (2, "", 1), "{ended:?}");
    assert!(ended.stderr.starts_with("error: ") && ended.stderr.contains(named), "{named}: {ended:?}");
}

#[tokio::test]
async fn a_subject_that_begins_with_a_dash_is_a_subject_and_its_session_ends() {
    let redis = Redis::start();
    let node = node(&redis);
    for subject in DASHED {
        let (one, all) = (node.api().login(subject).await, node.api().login(subject).await);
        let listed = json(&redis, &["sessions", "list", subject]);
        assert_eq!(listed["sessions"].as_array().expect("a list").len(), 2, "{subject}");
        let shown = json(&redis, &["sessions", "show", &one.session, "--sub", subject]);
        assert_eq!(shown["sessions"][0]["sub"], subject);
        let ended = text(&redis, &["sessions", "end", subject, &one.session]);
        assert_eq!(ended, format!("ended {} admin\n", one.session), "{subject}");
        let ended = text(&redis, &["sessions", "end", "--all", "--yes", subject]);
        assert_eq!(ended, format!("ended {} admin\n", all.session), "{subject}");
        for tokens in [one, all] {
            node.api().refresh(&tokens.refresh).await.expect_error(400, "invalid_grant");
        }
    }
}

#[tokio::test]
async fn after_two_dashes_even_a_flag_is_a_value() {
    let redis = Redis::start();
    let node = node(&redis);
    for subject in ["--help", "-h", "-V", "--version", "--all", "--json"] {
        let tokens = node.api().login(subject).await;
        let ended = text(&redis, &["sessions", "end", "--", subject, &tokens.session]);
        assert_eq!(ended, format!("ended {} admin\n", tokens.session), "{subject}");
        node.api().refresh(&tokens.refresh).await.expect_error(400, "invalid_grant");
        let listed = text(&redis, &["sessions", "list", "--json", "--", subject]);
        assert!(listed.contains("\"sessions\": []"), "{listed}");
    }
}

#[test]
fn options_take_values_that_begin_with_a_dash() {
    let keys = Keys::none(GATEWAY);
    keys.run(&["new"]);
    let missing = run(&mut keys.command(&["retire", "-Vpl4RkgWA"]));
    assert!(missing.code == 1 && missing.stderr.contains("no key '-Vpl4RkgWA'"), "{missing:?}");
    let missing = run(&mut keys.command(&["retire", "--force", "-hV_is-no-key"]));
    assert!(missing.code == 1 && missing.stderr.contains("no key '-hV_is-no-key'"), "{missing:?}");
    refused(&run(&mut keys.command(&["rotate", "--delay-seconds", "-5"])), "'-5'");
    refused(&run(&mut keys.command(&["rotate", "--alg", "-hS256"])), "'-hS256'");
    refused(&run(&mut bare(&["sessions", "end", "alice", "--all", "--except", "-Vx"])), "--except");
    refused(&run(&mut bare(&["sessions", "show", "-Vx"])), "ID");
    refused(&run(&mut bare(&["stats", "--top", "-h1"])), "'-h1'");
    refused(&run(&mut bare(&["serve", "--issuer", "-Vx"])), "'-Vx'");
    refused(&run(&mut bare(&["healthcheck", "--port", "-1"])), "'-1'");
    let made = run(&mut bare(&["service-key", "new", "-Vweb", "issue"]));
    assert!(made.code == 0 && made.stdout.contains("-Vweb+issue="), "{made:?}");
    refused(&run(&mut bare(&["service-key", "new", "web", "-hV"])), "role");
    let folder = tempfile::tempdir().expect("a folder");
    let init = run(bare(&["init", "--service", "-hV", "--output", "-Vx/-h.env"]).current_dir(folder.path()));
    assert!(init.code == 0 && init.stdout.contains("'-hV'"), "{init:?}");
    assert!(folder.path().join("-Vx/-h.env").is_file());
}

#[test]
fn a_lone_flag_stays_a_flag_at_every_place() {
    let lines: [&[&str]; 8] = [
        &["sessions", "end", "alice", SID],
        &["sessions", "show", SID],
        &["sessions", "list", "alice"],
        &["service-key", "new", "web", "issue"],
        &["keys", "retire", "kid"],
        &["stats"],
        &["serve"],
        &["check"],
    ];
    for line in lines {
        for place in 0..=line.len() {
            for (flag, said) in [("-h", "Usage: "), ("--help", "Usage: "), ("-V", "token-gateway")] {
                let args = [&line[..place], &[flag], &line[place..]].concat();
                let ended = run(&mut bare(&args));
                assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{args:?}: {ended:?}");
                assert!(ended.stdout.contains(said), "{args:?}: {ended:?}");
            }
        }
    }
}

#[test]
fn letters_after_a_dash_are_no_flags_where_no_value_is_expected() {
    for args in [
        &["-VV"][..],
        &["-hV"],
        &["-Vserve"],
        &["-Vx", "sessions", "end", "alice", SID],
        &["sessions", "-Vlist"],
        &["sessions", "-Vx", "list"],
        &["serve", "-VV"],
        &["check", "-hh"],
        &["stats", "-Vx"],
        &["keys", "list", "-hV"],
        &["sessions", "list", "alice", "-Vx"],
        &["sessions", "end", "alice", SID, "-hV"],
    ] {
        let dashed = args.iter().find(|arg| arg.starts_with('-')).expect("one");
        refused(&run(&mut bare(args)), dashed);
    }
}

#[test]
fn an_unknown_flag_is_refused_by_name_and_told_how_it_would_be_a_value() {
    for (args, flag) in [
        (&["sessions", "end", "alice", "--al"][..], "--al"),
        (&["sessions", "end", "--alll", "alice"], "--alll"),
        (&["sessions", "end", "--Vpl4RkgWA", SID], "--Vpl4RkgWA"),
        (&["sessions", "end", "alice", "--sid"], "--sid"),
        (&["sessions", "list", "--alice"], "--alice"),
        (&["sessions", "show", "--id"], "--id"),
        (&["service-key", "new", "--web"], "--web"),
        (&["keys", "retire", "--forc"], "--forc"),
    ] {
        let ended = run(&mut bare(args));
        refused(&ended, &format!("'{flag}'"));
        assert!(ended.stderr.contains(&format!("-- {flag}")), "{ended:?}");
    }
    for args in [&["serve", "--unknown"][..], &["stats", "--forc"], &["--unknown"]] {
        let ended = run(&mut bare(args));
        refused(&ended, args[args.len() - 1]);
        assert!(!ended.stderr.contains("-- --"), "no value is expected: {ended:?}");
    }
}

#[test]
fn an_option_without_its_value_ends_nothing() {
    let redis = Redis::start();
    super::fill(&redis, 1, 1);
    for args in [
        &["sessions", "end", "user-1", "--all", "--except"][..],
        &["sessions", "end", "user-1", "--all", "--except", "--yes"],
        &["sessions", "end", "--all", "--except", "-h", "user-1"],
        &["sessions", "show", SID, "--sub", "-V"],
        &["sessions", "end", "user-1", "--all", "--redis-prefix", "--json"],
    ] {
        let ended = run(&mut operator(&redis, args));
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{args:?}: {ended:?}");
    }
    assert_eq!(redis.ask::<u64>(&["SCARD", "tg:{user-1}:sessions"]), 1);
}

#[test]
fn a_word_that_is_no_text_is_refused_and_nothing_breaks() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let ended = run(bare(&["sessions", "end"]).arg(OsStr::from_bytes(b"-V\xff")).arg(SID));
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.lines().count()), (2, "", 1), "{ended:?}");
}
