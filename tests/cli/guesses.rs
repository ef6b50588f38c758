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
        (&["--port", "80", "serve"], "write it behind the command, as in token-gateway serve --port"),
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
