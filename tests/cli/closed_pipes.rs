//! Standard output or standard error without a reader: a command that only prints stops quietly, any other finishes its
//! work. None panics, and none is killed by SIGPIPE.

use std::io::{BufRead, BufReader, pipe};
use std::process::{Command, Stdio};
use std::time::Duration;

use token_gateway_testkit::gateway::Gateway;
use token_gateway_testkit::keys::Keys;
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::wait_for;

use super::help::COMMANDS;
use super::{Ended, bare, fill, operator, run};
use crate::GATEWAY;

/// The writing end of a pipe whose reader is gone.
fn closed() -> Stdio {
    let (reader, writer) = pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

/// Runs a command without a reader of its standard output; returns its code and its standard error.
#[track_caller]
fn unread(mut command: Command) -> (i32, String) {
    let output =
        command.stdin(Stdio::null()).stdout(closed()).stderr(Stdio::piped()).output().expect("it runs");
    let stderr = String::from_utf8(output.stderr).expect("text");
    let code = output.status.code().unwrap_or_else(|| panic!("{command:?} was killed: {:?}", output.status));
    (code, stderr)
}

#[track_caller]
fn stops_quietly(command: Command) {
    let line = format!("{command:?}");
    assert_eq!(unread(command), (0, String::new()), "{line}");
}

#[test]
fn the_help_and_the_version_of_every_command_stop_quietly() {
    for command in COMMANDS.into_iter().chain([&[][..]]) {
        for flag in ["-h", "--help", "-V", "--version"] {
            stops_quietly(bare(&[command, &[flag]].concat()));
        }
    }
    stops_quietly(bare(&["help", "keys", "rotate"]));
}

#[test]
fn a_command_that_only_prints_stops_quietly() {
    let redis = Redis::start();
    fill(&redis, 2, 1);
    let keys = Keys::none(GATEWAY);
    keys.run(&["new"]);
    let (sid, node) = ("1000000000000000000", GATEWAY.embedded());
    for form in [&[][..], &["--json"]] {
        stops_quietly(bare(&[&["check"][..], form].concat()));
        stops_quietly(bare(&[&["service-key", "new", "web"], form].concat()));
        stops_quietly(keys.command(&[&["list"], form].concat()));
        for args in [
            &["stats"][..],
            &["sessions", "list"],
            &["sessions", "list", "user-1"],
            &["sessions", "show", sid],
        ] {
            stops_quietly(operator(&redis, &[args, form].concat()));
        }
    }
    stops_quietly(bare(&["healthcheck", "--bind-addr", node.address()]));
}

/// So many subjects do not fit into a pipe.
#[test]
fn a_reader_that_leaves_in_the_middle_is_the_same() {
    let redis = Redis::start();
    fill(&redis, 9000, 1);
    for form in [&[][..], &["--json"]] {
        let mut list = operator(&redis, &[&["sessions", "list", "--limit", "8900"], form].concat());
        let mut child = list.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut reader = BufReader::with_capacity(64, child.stdout.take().expect("a pipe"));
        reader.read_line(&mut String::new()).expect("a line");
        drop(reader);
        let output = child.wait_with_output().expect("it ends");
        assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()), "{form:?}");
    }
}

#[test]
fn a_command_that_changes_something_finishes_its_work() {
    let keys = Keys::none(GATEWAY);
    stops_quietly(keys.command(&["new"]));
    assert_eq!(count(&keys), 1);
    stops_quietly(keys.command(&["new", "--refresh", "--json"]));
    stops_quietly(keys.command(&["rotate"]));
    assert_eq!(count(&keys), 3);
    let listed = keys.run(&["list"]);
    let kid =
        listed.lines().find(|line| line.contains("active")).expect("a key").split(' ').next().expect("a kid");
    stops_quietly(keys.command(&["retire", kid, "--force"]));
    assert_eq!(count(&keys), 2);

    let folder = tempfile::tempdir().expect("a folder");
    let mut init = bare(&["init"]);
    init.current_dir(folder.path());
    let (code, said) = unread(init);
    assert!(code == 0 && said.contains("the service key was not shown"), "{said}");
    assert!(said.contains("service-key new") && said.lines().count() == 1, "{said}");
    for file in [".env", "keys/signing.json", "secrets/redis_users.acl"] {
        assert!(folder.path().join(file).is_file(), "{file}");
    }

    let redis = Redis::start();
    fill(&redis, 2, 1);
    for (subject, form) in [("user-1", &[][..]), ("user-2", &["--json"])] {
        stops_quietly(operator(&redis, &[&["sessions", "end", subject, "--all"], form].concat()));
        assert_eq!(redis.ask::<u64>(&["SCARD", &format!("tg:{{{subject}}}:sessions")]), 0);
    }
    assert_eq!(redis.ask::<u64>(&["XLEN", "tg:revocations"]), 2);
}

/// The change is made. The message says so, because a second try would be another change.
#[test]
fn a_report_that_cannot_be_written_is_an_error_after_the_change() {
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").expect("the device");
    let keys = Keys::none(GATEWAY);
    for form in [&["new"][..], &["rotate", "--json"], &["retire"]] {
        let output = keys.command(form).stdout(full()).output().expect("it runs");
        let said = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(1), "{said}");
        let expected = "error: the key set is changed, but standard output cannot be written: No space left";
        assert!(said.starts_with(expected), "{said}");
    }
    assert_eq!(count(&keys), 2);
    let redis = Redis::start();
    fill(&redis, 1, 1);
    let mut end = operator(&redis, &["sessions", "end", "user-1", "--all"]);
    let output = end.stdout(full()).output().expect("it runs");
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(said.contains("the sessions are ended, but standard output cannot be written"), "{said}");
}

fn count(keys: &Keys) -> usize {
    keys.text().matches("\"kty\"").count()
}

/// The code of an error is not that of a reader who has left.
#[test]
fn an_error_is_told_and_keeps_its_code() {
    for (args, code) in [
        (&["keys", "list"][..], 2),
        (&["session", "list"], 2),
        (&["sessions"], 2),
        (&["healthcheck", "--port", "1"], 1),
        (&["serve", "--port", "x"], 2),
    ] {
        let (found, stderr) = unread(bare(args));
        assert!(
            found == code && !stderr.is_empty() && !stderr.contains("panicked"),
            "{args:?}: {found} {stderr}"
        );
    }
}

#[test]
fn without_a_reader_of_errors_codes_and_output_are_the_same() {
    for args in [
        &["session", "list"][..],
        &["keys"],
        &["keys", "list"],
        &["check", "--json"],
        &["--version"],
        &["sessions", "end", "alice", "x"],
    ] {
        let Ended { code, stdout, .. } = run(&mut bare(args));
        let output = bare(args).stderr(closed()).output().expect("it runs");
        assert_eq!(
            (output.status.code(), String::from_utf8(output.stdout)),
            (Some(code), Ok(stdout)),
            "{args:?}"
        );
        let both = bare(args).stdout(closed()).stderr(closed()).status().expect("it runs");
        assert!(
            both.code() == Some(code) || (args[0] == "check" && both.code() == Some(0)),
            "{args:?}: {both:?}"
        );
    }
}

#[test]
fn an_output_that_cannot_be_written_is_an_error_with_its_name() {
    let full = || Stdio::from(std::fs::OpenOptions::new().write(true).open("/dev/full").expect("the device"));
    for args in [&["--help"][..], &["-h"], &["check", "--json"], &["service-key", "new", "web"]] {
        let output = bare(args).stdout(full()).output().expect("it runs");
        let stderr = String::from_utf8(output.stderr).expect("text");
        assert_eq!((output.status.code(), stderr.lines().count()), (Some(1), 1), "{args:?}: {stderr}");
        assert!(stderr.contains("standard output cannot be written: No space left"), "{args:?}: {stderr}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let init = bare(&["init"]).current_dir(folder.path()).stdout(full()).output().expect("it runs");
    let stderr = String::from_utf8(init.stderr).expect("text");
    assert!(init.status.code() == Some(1) && stderr.contains("service-key new"), "{stderr}");
    assert!(folder.path().join(".env").is_file());
}

#[tokio::test]
async fn a_node_outlives_the_reader_of_its_log_and_of_its_output() {
    let mut serve = GATEWAY.command("serve", &[("STORE", "embedded")]);
    let (reader, writer) = pipe().expect("a pipe");
    let mut child = serve.stdout(closed()).stderr(writer).spawn().expect("it starts");
    drop(serve); // it holds a writing end, too
    let mut log = BufReader::new(reader);
    let address = loop {
        let mut line = String::new();
        assert!(log.read_line(&mut line).expect("text") > 0, "the node is gone");
        if let Some((_, address)) = line.trim_end().split_once(" listening on http://") {
            break address.to_owned();
        }
    };
    drop(log);
    let api = token_gateway_testkit::api::Api::new(&address);
    for _ in 0..20 {
        api.login("alice").await;
    }
    assert!(child.try_wait().expect("it can be asked").is_none(), "it goes on");
    token_gateway_testkit::signal("-TERM", child.id());
    let status = wait_for("it stops", Duration::from_secs(20), || child.try_wait().expect("it can be asked"));
    assert_eq!(status.code(), Some(0), "as it would have with a reader");
}

#[tokio::test]
async fn dev_serves_although_nobody_reads_its_lines() {
    let mut dev = bare(&["dev", "--bind-addr", "127.0.0.1:0"]);
    dev.stdout(closed());
    let gateway = Gateway::run(dev);
    let api = gateway.api();
    assert_eq!(api.send(api.request(reqwest::Method::GET, "/livez")).await.status, 200);
    assert!(!gateway.log().contains("panicked"), "{}", gateway.log());
}
