//! `token-gateway keys`: the life of a key, from the command line.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::time::Duration;

use serde_json::Value;
use token_gateway_testkit::keys::Keys;
use token_gateway_testkit::wait_for;

use super::{Ended, run};
use crate::{GATEWAY, keys_of};

fn list(keys: &Keys, settings: &[(&str, &str)]) -> Vec<Value> {
    let ended = run(keys.command(&["list", "--json"]).envs(settings.iter().copied()));
    assert_eq!(ended.code, 0, "{ended:?}");
    let json: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    json["keys"].as_array().expect("a list").clone()
}

fn states(keys: &Keys) -> Vec<String> {
    list(keys, &[]).iter().map(|key| key["state"].as_str().expect("a state").to_owned()).collect()
}

#[track_caller]
fn refused(keys: &Keys, args: &[&str], code: i32, expected: &str) -> Ended {
    let before = std::fs::read_to_string(keys.path()).unwrap_or_default();
    let ended = run(&mut keys.command(args));
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.lines().count()), (code, "", 1), "{ended:?}");
    assert!(ended.stderr.contains(expected), "{ended:?}");
    assert_eq!(std::fs::read_to_string(keys.path()).unwrap_or_default(), before, "nothing was changed");
    ended
}

#[test]
fn the_first_key_signs_at_once_and_its_file_is_nobody_elses() {
    for alg in ["ES256", "EdDSA", "Ed25519", "RS256", "PS256", "HS256"] {
        let keys = Keys::none(GATEWAY);
        let said = keys.run(&["new", "--alg", alg]);
        let [key] = &list(&keys, &[])[..] else { panic!("one key") };
        assert_eq!(
            (&key["alg"], &key["state"], &key["signs"]),
            (&alg.into(), &"active".into(), &"access".into())
        );
        assert!(said.contains(key["kid"].as_str().unwrap()), "{said}");
        let mode = std::fs::metadata(keys.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        for private in ["\"d\"", "\"k\"", "\"p\""] {
            assert!(!keys.run(&["list", "--json"]).contains(private));
        }
    }
    refused(&keys_of(token_gateway_core::token::Alg::Es256), &["new"], 1, "keys rotate");
    refused(&Keys::none(GATEWAY), &["new", "--alg", "none"], 2, "--alg");
}

#[test]
fn a_rotation_publishes_now_signs_later_and_keeps_the_old_key_until_its_tokens_have_expired() {
    let keys = Keys::none(GATEWAY);
    keys.run(&["new", "--alg", "ES256"]);
    keys.run(&["rotate", "--delay-seconds", "6", "--alg", "EdDSA"]);
    assert_eq!(states(&keys), ["active", "waiting"]);
    refused(&keys, &["rotate"], 1, "waits to sign");
    let old = list(&keys, &[])[0]["kid"].as_str().unwrap().to_owned();
    refused(&keys, &["retire", &old], 1, "signs now");
    wait_for("the new key signs", Duration::from_secs(30), || {
        (states(&keys) == ["retiring", "active"]).then_some(())
    });
    refused(&keys, &["retire", &old], 1, "has signed tokens that live until");
    assert!(!keys.run(&["retire"]).contains("taken out"), "nothing is due");
    assert!(list(&keys, &[])[0]["until"].is_string());
    keys.run(&["retire", &old, "--force"]);
    assert_eq!(states(&keys), ["active"]);
    let last = list(&keys, &[])[0]["kid"].as_str().unwrap().to_owned();
    refused(&keys, &["retire", &last, "--force"], 1, "alone signs");
    refused(&keys, &["rotate", "--alg", "HS256"], 2, "HS256 cannot take over from EdDSA");
    keys.run(&["rotate"]);
    assert_eq!(list(&keys, &[])[1]["alg"], "EdDSA", "as the active one");
}

/// RFC 7517 section 5 lets verifiers ignore a key that they do not know; some refuse the whole set.
#[test]
fn an_algorithm_that_is_new_in_the_published_set_is_warned_of_and_no_other() {
    let warned = |keys: &Keys, args: &[&str]| {
        let ended = run(&mut keys.command(args));
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(!ended.stdout.contains("warning"), "{ended:?}");
        ended.stderr
    };
    for (first, alg) in [("ES256", "EdDSA"), ("EdDSA", "Ed25519"), ("Ed25519", "EdDSA"), ("RS256", "PS256")] {
        let keys = Keys::none(GATEWAY);
        let of_nodes = warned(&keys, &["new", "--alg", first]);
        let refuse = "refuse the whole key set file for a key with Ed25519: upgrade every node first";
        assert_eq!(of_nodes.contains(refuse), first == "Ed25519", "{of_nodes}");
        assert_eq!(of_nodes.is_empty(), first != "Ed25519", "{of_nodes}");
        let line = warned(&keys, &["rotate", "--json", "--alg", alg, "--delay-seconds", "6"]);
        assert_eq!(line.lines().count(), 1, "{line}");
        assert_eq!(line.contains(refuse), alg == "Ed25519", "{line}");
        let kid = list(&keys, &[])[1]["kid"].as_str().unwrap().to_owned();
        for part in [
            format!("warning: {alg} is new"),
            "whole JWK Set".into(),
            "PyJWT".into(),
            format!("keys retire {kid}"),
            "docs/reference/algorithms.md".into(),
        ] {
            assert!(line.contains(&part), "{part}: {line}");
        }
        wait_for("the new key signs", Duration::from_secs(30), || {
            (states(&keys) == ["retiring", "active"]).then_some(())
        });
        assert_eq!(warned(&keys, &["rotate", "--alg", first]), "", "verifiers have known it before");
    }
    for args in [&["rotate"][..], &["rotate", "--alg", "ES256"], &["new", "--refresh"]] {
        let keys = keys_of(token_gateway_core::token::Alg::Es256);
        assert_eq!(warned(&keys, args), "", "{args:?}");
    }
    let keys = keys_of(token_gateway_core::token::Alg::Hs256);
    assert_eq!(warned(&keys, &["rotate", "--alg", "ES256"]), "", "nothing is published yet");
}

/// The warning advises it.
#[test]
fn a_key_that_waits_is_taken_back_without_force() {
    let keys = Keys::none(GATEWAY);
    keys.run(&["new"]);
    keys.run(&["rotate", "--alg", "Ed25519"]);
    let kid = list(&keys, &[])[1]["kid"].as_str().unwrap().to_owned();
    keys.run(&["retire", &kid]);
    assert_eq!(states(&keys), ["active"]);
}

#[test]
fn a_key_has_one_name_of_ed25519() {
    for (alg, other) in [("EdDSA", "Ed25519"), ("Ed25519", "EdDSA")] {
        let keys = Keys::none(GATEWAY);
        keys.run(&["new", "--alg", alg]);
        let mut set: Value = serde_json::from_str(&keys.text()).unwrap();
        assert_eq!((&set["keys"][0]["alg"], &set["keys"][0]["crv"]), (&alg.into(), &"Ed25519".into()));
        let mut twin = set["keys"][0].clone();
        (twin["alg"], twin["signs_from"]) = (other.into(), 1.into());
        set["keys"].as_array_mut().unwrap().push(twin);
        keys.write(&set.to_string());
        for args in [&["list"][..], &["rotate"], &["retire"]] {
            let ended = run(&mut keys.command(args));
            assert!(ended.code != 0 && ended.stderr.contains("for one 'alg' only"), "{args:?}: {ended:?}");
        }
        let settings = [("SIGNING_KEYS", keys.path()), ("SIGNING_SECRET", "")];
        let ended = run(&mut GATEWAY.command("serve", &settings));
        assert!(ended.code == 2 && ended.stderr.contains("for one 'alg' only"), "{ended:?}");
    }
}

#[test]
fn a_key_of_which_no_token_lives_is_taken_out_by_retire_and_by_the_next_rotation() {
    for command in [&["retire", "--json"][..], &["rotate", "--json"]] {
        let keys = Keys::none(GATEWAY);
        keys.run(&["new"]);
        let mut set: Value = serde_json::from_str(&keys.text()).unwrap();
        let more = Keys::none(GATEWAY);
        more.run(&["new"]);
        let second: Value = serde_json::from_str(&more.text()).unwrap();
        set["keys"].as_array_mut().unwrap().push(second["keys"][0].clone());
        for (n, from) in [(0, 1_000), (1, 2_000)] {
            set["keys"][n]["signs_from"] = from.into();
        }
        keys.write(&set.to_string());
        assert_eq!(states(&keys), ["retired", "active"]);
        let ended = run(&mut keys.command(command));
        let told: Value = serde_json::from_str(&ended.stdout).expect("JSON");
        assert_eq!(told["retired"], serde_json::json!([set["keys"][0]["kid"]]), "{ended:?}");
        assert!(!keys.text().contains(set["keys"][0]["kid"].as_str().unwrap()));
    }
}

#[test]
fn a_new_key_waits_at_least_as_long_as_verifiers_may_keep_the_old_set() {
    let keys = Keys::none(GATEWAY);
    keys.run(&["new"]);
    refused(&keys, &["rotate", "--delay-seconds", "5"], 2, "--delay-seconds");
    keys.run(&["rotate", "--delay-seconds", "6"]);
    let other = Keys::none(GATEWAY);
    other.run(&["new"]);
    let ended = run(other.command(&["rotate", "--delay-seconds", "300"]).env("JWKS_MAX_AGE_SECONDS", "300"));
    assert_eq!(ended.code, 2, "{ended:?}");
}

#[test]
fn where_a_secret_signs_it_must_be_said_when_the_first_key_takes_over() {
    for (name, args) in [("SIGNING_SECRET", &["new"][..]), ("REFRESH_SECRET", &["new", "--refresh"])] {
        let keys = Keys::none(GATEWAY);
        let ended = run(keys.command(args).env(name, "x".repeat(32)));
        assert_eq!(ended.code, 2, "{ended:?}");
        assert!(ended.stderr.contains("--delay-seconds") && ended.stderr.contains(name), "{ended:?}");
        let ended = run(keys.command(args).env(name, "x".repeat(32)).args(["--delay-seconds", "60"]));
        assert_eq!(ended.code, 0, "{ended:?}");
        assert_eq!(states(&keys), ["waiting"]);
    }
}

#[test]
fn a_refresh_key_has_a_life_of_its_own_and_lives_as_long_as_refresh_tokens() {
    let keys = Keys::none(GATEWAY);
    keys.run(&["new"]);
    // Running nodes with the first key have a secret for refresh tokens, and must notice this one first.
    let other = Keys::none(GATEWAY);
    other.run(&["new"]);
    other.run(&["new", "--refresh"]);
    assert_eq!(states(&other), ["active", "waiting"]);
    refused(&keys, &["new", "--refresh", "--delay-seconds", "4"], 2, "--delay-seconds");
    keys.run(&["new", "--refresh", "--delay-seconds", "5"]);
    assert_eq!(states(&keys), ["active", "waiting"]);
    wait_for("it signs", Duration::from_secs(30), || (states(&keys) == ["active", "active"]).then_some(()));
    keys.run(&["rotate", "--refresh", "--delay-seconds", "5"]);
    assert_eq!(states(&keys), ["active", "active", "waiting"]);
    let signs: Vec<_> =
        list(&keys, &[]).iter().map(|key| key["signs"].as_str().unwrap().to_owned()).collect();
    assert_eq!(signs, ["access", "refresh", "refresh"]);
}

#[test]
fn members_permissions_and_owner_of_the_file_survive_a_change() {
    let keys = Keys::none(GATEWAY);
    keys.run(&["new"]);
    let mut set: Value = serde_json::from_str(&keys.text()).unwrap();
    set["note"] = "ours".into();
    set["keys"][0]["x5t"] = "abc".into();
    keys.write(&set.to_string());
    std::fs::set_permissions(keys.path(), std::fs::Permissions::from_mode(0o640)).unwrap();
    // Root gives the file to another user, as `init` does; any other user can only keep it.
    let owner = std::fs::metadata(keys.path()).unwrap().uid();
    let owner = if owner == 0 { 10001 } else { owner };
    chown(keys.path(), Some(owner), None).unwrap();
    keys.run(&["rotate"]);
    assert_eq!(std::fs::metadata(keys.path()).unwrap().uid(), owner);
    let after: Value = serde_json::from_str(&keys.text()).unwrap();
    assert_eq!((&after["note"], &after["keys"][0]["x5t"]), (&set["note"], &set["keys"][0]["x5t"]));
    assert_eq!(std::fs::metadata(keys.path()).unwrap().permissions().mode() & 0o777, 0o640);
}

#[test]
fn changes_at_the_same_time_lose_no_key() {
    let keys = Keys::none(GATEWAY);
    let children: Vec<_> = (0..8)
        .map(|n| {
            let args: &[&str] = if n % 2 == 0 { &["new"] } else { &["new", "--refresh"] };
            keys.command(args)
                .stderr(std::process::Stdio::null())
                .stdout(std::process::Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    let won =
        children.into_iter().filter_map(|mut child| child.wait().ok()).filter(|status| status.success());
    assert_eq!(won.count(), 2, "one of each kind");
    assert_eq!(states(&keys).len(), 2);
}

#[test]
fn keys_for_refresh_tokens_are_made_by_their_own_flag_and_with_hs256() {
    let keys = Keys::none(GATEWAY);
    keys.run(&["new"]);
    refused(&keys, &["rotate", "--refresh"], 1, "`token-gateway keys new --refresh`");
    for verb in ["new", "rotate"] {
        let ended = refused(
            &keys,
            &[verb, "--refresh", "--alg", "ES256"],
            2,
            "--alg: cannot be ES256 beside --refresh",
        );
        assert!(ended.stderr.contains("HS256"), "{ended:?}");
    }
    keys.run(&["new", "--refresh", "--alg", "HS256"]);
    let empty = Keys::none(GATEWAY);
    refused(&empty, &["rotate"], 1, "`token-gateway keys new`");
}

#[test]
fn a_set_without_a_key_and_a_key_without_its_algorithm_are_named() {
    let keys = Keys::none(GATEWAY);
    let serve = || {
        let settings = [("SIGNING_KEYS", keys.path()), ("SIGNING_SECRET", "")];
        run(&mut GATEWAY.command("serve", &settings))
    };
    keys.write(r#"{"keys":[]}"#);
    let ended = serve();
    let said = format!(
        "error: SIGNING_KEYS: {}: holds no key; make one with `token-gateway keys new`\n",
        keys.path()
    );
    assert_eq!((ended.code, ended.stderr), (2, said));
    keys.write(r#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#);
    let ended = serve();
    assert!(ended.code == 2 && ended.stderr.contains("keys[0]: 'alg' is missing"), "{ended:?}");
    keys.write(r#"{"keys":[]}"#);
    keys.run(&["new"]);
    assert_eq!(states(&keys), ["active"]);
}

#[test]
fn a_broken_or_missing_file_is_refused_with_its_name_and_not_overwritten() {
    let keys = Keys::none(GATEWAY);
    keys.write("{\"keys\": [");
    for command in [&["list"][..], &["new"], &["rotate"], &["retire"]] {
        let ended = run(&mut keys.command(command));
        assert_ne!(ended.code, 0, "{ended:?}");
        assert!(ended.stderr.contains("SIGNING_KEYS") && ended.stderr.contains("line 1"), "{ended:?}");
        assert_eq!(keys.text(), "{\"keys\": [");
    }
    let ended = run(keys.command(&["list"]).env_remove("SIGNING_KEYS"));
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.stderr.contains("--signing-keys"), "{ended:?}");
    assert!(keys.folder().is_dir());
}

#[test]
fn a_key_that_leaked_is_replaced_at_once_by_a_rotation_and_force() {
    let keys = Keys::none(GATEWAY);
    keys.run(&["new"]);
    keys.run(&["rotate"]);
    let listed = list(&keys, &[]);
    let kid = |n: usize| listed[n]["kid"].as_str().unwrap();
    keys.run(&["retire", kid(0), "--force"]);
    refused(&keys, &["retire", kid(1)], 1, "is the first one to sign");
    let gateway = GATEWAY.embedded_with(&[("SIGNING_KEYS", keys.path()), ("SIGNING_SECRET", "")]);
    wait_for("the waiting key signs", Duration::from_secs(10), || {
        gateway.log().contains(&format!("signing with key '{}'", kid(1))).then_some(())
    });
}

/// The file was written on a machine whose clock is fast, so no key is due.
#[test]
fn a_key_that_signs_before_its_time_for_want_of_another_stays() {
    let keys = Keys::none(GATEWAY);
    keys.run(&["new"]);
    keys.run(&["rotate"]);
    let mut set: Value = serde_json::from_str(&std::fs::read_to_string(keys.path()).unwrap()).unwrap();
    for key in set["keys"].as_array_mut().unwrap() {
        key["signs_from"] = (key["signs_from"].as_u64().unwrap() + 3600).into();
    }
    std::fs::write(keys.path(), set.to_string()).unwrap();
    let listed = list(&keys, &[]);
    let kid = listed[0]["kid"].as_str().unwrap();
    let gateway = GATEWAY.embedded_with(&[("SIGNING_KEYS", keys.path()), ("SIGNING_SECRET", "")]);
    wait_for("the first key signs", Duration::from_secs(10), || {
        gateway.log().contains(&format!("signing with key '{kid}'")).then_some(())
    });
    refused(&keys, &["retire", kid], 1, "is the first one to sign");
    refused(&keys, &["retire", kid], 1, "by this machine's clock, 20");
}

#[test]
fn a_link_stays_a_link_and_what_it_leads_to_is_changed() {
    let keys = Keys::none(GATEWAY);
    keys.run(&["new"]);
    let link = keys.folder().join("link.json");
    std::os::unix::fs::symlink(keys.path(), &link).unwrap();
    let ended = run(keys.command(&["rotate"]).env("SIGNING_KEYS", &link));
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(states(&keys), ["active", "waiting"]);
}

#[test]
fn a_folder_that_is_missing_is_made_for_its_owner_alone_and_nothing_but_the_file_is_left_in_it() {
    let keys = Keys::none(GATEWAY);
    let folder = keys.folder().join("a/b");
    let ended = run(keys.command(&["new"]).env("SIGNING_KEYS", folder.join("keys.json")));
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
}
