//! An unknown word of the command line: the error guesses at the word that was meant.

use super::refusals::expect_refusal;
use super::{bare, run};
use crate::GATEWAY;

#[track_caller]
fn guess(args: &[&str]) -> String {
    expect_refusal(&run(&mut bare(args)), "error: ")
}

#[test]
fn an_unknown_verb_is_answered_with_the_one_that_was_meant() {
    for (args, meant) in [
        (&["session", "list"][..], "`token-gateway sessions list`"),
        (&["sesions"], "`token-gateway sessions`"),
        (&["serv"], "`token-gateway serve`"),
        (&["chek", "--json"], "`token-gateway check`"),
        (&["key", "list", "--json"], "`token-gateway keys list`"),
        (&["stat"], "`token-gateway stats`"),
        (&["servicekey", "new"], "`token-gateway service-key new`"),
        (&["helthcheck"], "`token-gateway healthcheck`"),
        (&["keys", "lst"], "`token-gateway keys list`"),
        (&["keys", "rotat"], "`token-gateway keys rotate`"),
        (&["sessions", "ends", "alice"], "`token-gateway sessions end`"),
        (&["service-key", "news"], "`token-gateway service-key new`"),
        (&["rotate"], "`token-gateway keys rotate`"),
        (&["show", "1"], "`token-gateway sessions show`"),
        (&["list"], "`token-gateway keys list` or `token-gateway sessions list`"),
        (&["sessions", "rotate"], "`token-gateway keys rotate`"),
    ] {
        let line = guess(args);
        assert!(line.contains(&format!("did you mean {meant}?")), "{args:?}: {line}");
    }
}

#[test]
fn a_verb_of_another_tool_is_answered_with_the_command_for_it() {
    for (args, meant) in [
        (&["start"][..], "serve"),
        (&["run"], "serve"),
        (&["version"], "--version"),
        (&["keys", "add"], "keys new"),
        (&["keys", "remove"], "keys retire"),
        (&["keys", "delete"], "keys retire"),
        (&["sessions", "ls"], "sessions list"),
        (&["sessions", "rm"], "sessions end"),
        (&["sessions", "delete"], "sessions end"),
        (&["sessions", "kill", "alice"], "sessions end"),
        (&["service-key", "create", "web"], "service-key new"),
        (&["service-key", "add", "web"], "service-key new"),
    ] {
        let line = guess(args);
        assert!(line.contains(&format!("did you mean `token-gateway {meant}`?")), "{args:?}: {line}");
    }
}

/// No secret is guessed at, and no flag that is like it.
#[test]
fn a_flag_in_the_wrong_place_is_answered_with_the_right_one() {
    for (args, right) in [
        (&["--signing-keys", "x", "keys", "list"][..], "keys list --signing-keys"),
        (&["--signing-keys=x", "keys", "rotate"], "keys rotate --signing-keys"),
        (&["keys", "--signing-keys", "x", "list"], "keys list --signing-keys"),
        (&["keys", "--json", "list"], "keys list --json"),
        (&["--redis-prefix", "x", "sessions", "list"], "sessions list --redis-prefix"),
        (&["sessions", "--ended", "list", "alice"], "sessions list --ended"),
        (&["--delay-seconds", "9", "keys", "rotate"], "keys rotate --delay-seconds"),
        (&["--json", "stats"], "stats --json"),
        (&["--output", "x", "init"], "init --output"),
        (&["--signing-keys", "x"], "serve --signing-keys"),
    ] {
        let line = guess(args);
        let right = format!("write it behind the command: token-gateway {right}");
        assert!(line.contains(&right) && !line.contains("secret"), "{args:?}: {line}");
    }
    let line = guess(&["stats", "--signing-keys", "x"]);
    assert!(!line.contains("secret"), "no secret was meant: {line}");
}

#[test]
fn a_flag_without_its_value_is_told_one_that_would_be_right() {
    for (args, needed) in [
        (&["serve", "--port"][..], "needs a value, such as 8080"),
        (&["serve", "--port="], "needs a value, such as 8080"),
        (&["serve", "--port", "--workers", "3"], "needs a value, such as 8080"),
        (&["serve", "--bind-addr"], "needs a value, such as 127.0.0.1:8080"),
        (&["serve", "--issuer"], "needs a value, such as https://auth.example.com"),
        (&["serve", "--rust-log"], "needs a value, such as info"),
        (&["serve", "--rust-log="], "needs a value, such as info"),
        (&["serve", "--log-format"], "needs one of text, json"),
        (&["serve", "--log-format="], "needs one of text, json"),
        (&["serve", "--trusted-proxies"], "needs a value, such as 10.0.0.0/8"),
        (&["serve", "--signing-keys"], "needs the path of a file"),
        (&["serve", "--signing-keys="], "needs the path of a file"),
        (&["init", "--output", ""], "--output: needs a value, such as .env"),
        (&["init", "--output"], "--output: needs a value, such as .env"),
        (&["init", "--issuer"], "--issuer: needs a value, such as http://127.0.0.1:8080"),
        (&["sessions", "list", "--limit"], "--limit: needs a value, such as 100"),
        (&["sessions", "show", "1", "--sub"], "--sub: needs a value"),
        (&["keys", "new", "--alg"], "--alg: needs one of HS256, ES256"),
        (&["stats", "--sample", "--json"], "--sample: needs a value, such as 100"),
    ] {
        let line = guess(args);
        assert!(line.contains(needed) && !line.contains("''") && !line.contains("be ;"), "{args:?}: {line}");
    }
}

#[test]
fn a_verb_that_is_like_none_gets_the_list_of_verbs() {
    for args in [&["banana"][..], &["keys", "banana"], &["sessions", "42"]] {
        let line = guess(args);
        let verbs = match args[0] {
            "keys" => "new, list, rotate, retire",
            "sessions" => "list, show, end",
            _ => "serve, dev, init, check, healthcheck, service-key, keys, sessions, stats",
        };
        assert!(line.ends_with(verbs) && !line.contains("did you mean"), "{args:?}: {line}");
    }
}

#[test]
fn an_unknown_flag_is_answered_with_the_one_that_was_meant() {
    for (args, meant) in [
        (&["stats", "--redis-prefx", "x"][..], "did you mean --redis-prefix?"),
        (&["serve", "--bind-adr=1"], "did you mean --bind-addr?"),
        (&["keys", "rotate", "--algo", "EdDSA"], "did you mean --alg?"),
        (&["sessions", "end", "alice", "--al"], "did you mean --all?"),
        (&["init", "--out", "x"], "did you mean --output?"),
        (&["--port", "80", "serve"], "write it behind the command: token-gateway serve --port"),
    ] {
        let line = guess(args);
        assert!(line.contains(meant), "{args:?}: {line}");
    }
    let line = guess(&["serve", "--banana"]);
    assert!(!line.contains("did you mean"), "{line}");
}

#[test]
fn a_secret_as_a_flag_is_told_its_variable_and_its_file_and_never_repeated() {
    let url = "redis://:hunter2hunter2@h:6379";
    for (flag, name) in [
        ("--redis-url", "REDIS_URL"),
        ("--redis-urll", "REDIS_URL"),
        ("--redis_url", "REDIS_URL"),
        ("--redis-sentinel-password", "REDIS_SENTINEL_PASSWORD"),
        ("--signing-secret", "SIGNING_SECRET"),
        ("--refresh-secret", "REFRESH_SECRET"),
        ("--refresh-secret-previous", "REFRESH_SECRET_PREVIOUS"),
        ("--service-keys", "SERVICE_KEYS"),
    ] {
        for args in [
            vec!["serve".to_owned(), flag.to_owned(), url.to_owned()],
            vec!["stats".into(), format!("{flag}={url}")],
        ] {
            let line =
                expect_refusal(&run(&mut bare(&args.iter().map(String::as_str).collect::<Vec<_>>())), flag);
            assert!(line.contains(&format!("the variable {name}, or {name}_FILE")), "{args:?}: {line}");
            assert!(!line.contains("hunter2"), "{line}");
        }
    }
    for args in [&["stats", url][..], &["keys", "list", url], &[url], &["stats", "--redis-prefix", url]] {
        let line = guess(args);
        assert!(!line.contains("hunter2"), "{args:?}: {line}");
    }
    let key = format!("tgk{}", "cd".repeat(32));
    let line = expect_refusal(&run(GATEWAY.command("serve", &[]).arg(&key)), "unexpected argument");
    assert!(!line.contains("cdcdcd"), "{line}");
}
