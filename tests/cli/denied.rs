//! Files that the process may not read: the message has the owner, the mode, the reader, and the line that changes it.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use token_gateway_testkit::gateway::Gateway;

use super::{Ended, bare, run};

/// A user of nobody's.
const STRANGER: u32 = 12_345;

/// A folder that everybody may enter, after `init`; its `.env` is the caller's.
fn initialized() -> (TempDir, PathBuf, Ended) {
    let dir = tempfile::tempdir().expect("a folder");
    open(dir.path(), 0o755);
    let path = dir.path().canonicalize().expect("a path");
    let ended = run(bare(&["init", "--output"]).arg(path.join("tg.env")));
    assert_eq!(ended.code, 0, "{ended:?}");
    (dir, path, ended)
}

fn open(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("its owner may");
}

fn is_root(path: &Path) -> bool {
    std::fs::metadata(path).expect("it is there").uid() == 0
}

/// The binary where everybody may run it. The checkout may be closed to others.
fn binary(folder: &Path) -> PathBuf {
    let (own, copy) = (env!("CARGO_BIN_EXE_token-gateway"), folder.join("token-gateway"));
    if !copy.exists() && std::fs::hard_link(own, &copy).is_err() {
        std::fs::copy(own, &copy).expect("a copy");
    }
    copy
}

/// `args` with the settings of the `.env`, as this user. A shell of the caller reads the file.
fn with_env(env: &Path, args: &str, user: Option<u32>) -> Command {
    let script =
        format!("set -a; . \"$1\"; set +a; BIND_ADDR=127.0.0.1:0 STORE=embedded exec $3 \"$2\" {args}");
    let mut shell = Command::new("sh");
    let switch =
        user.map(|user| format!("setpriv --reuid={user} --regid={user} --clear-groups")).unwrap_or_default();
    shell.env_clear().env("PATH", "/usr/bin:/bin").current_dir("/").args(["-c", &script, "sh"]);
    shell.arg(env).arg(binary(env.parent().expect("a folder"))).arg(switch);
    shell
}

/// The line that a message ends with, after `sudo `.
fn remedy(line: &str) -> &str {
    let pasted = line.split('`').find(|part| part.starts_with("sudo "));
    pasted.unwrap_or_else(|| panic!("no line to paste: {line}"))
}

/// Where root runs the tests; no other user can give files away.
#[test]
fn what_root_has_given_to_the_image_is_explained_by_init_and_by_serve_and_the_line_changes_it() {
    let (_dir, folder, ended) = initialized();
    let env = folder.join("tg.env");
    if !is_root(&env) {
        assert!(!ended.stdout.contains("chown"), "nothing was given away: {ended:?}");
        return;
    }
    let paths =
        ["tg.env", "keys", "secrets"].map(|name| folder.join(name).to_str().expect("text").to_owned());
    let files = ["refresh_secret", "service_keys", "redis_url", "redis_operator_url"];
    let files = files.map(|name| format!("{}/{name}", paths[2])).join(" ");
    let line = |user: &str| {
        format!("sudo chown -R {user} {} {} {files} && sudo chown {user} {}", paths[0], paths[1], paths[2])
    };
    assert!(ended.stdout.contains("user 10001") && ended.stdout.contains("image runs as"), "{ended:?}");
    let has_line = ended.stdout.lines().any(|it| it.trim() == line("USER:GROUP"));
    assert!(has_line && ended.stdout.contains("USER:GROUP being"), "{ended:?}");
    assert!(ended.stdout.contains("needs GATEWAY_USER=USER:GROUP in"), "{ended:?}");
    let other = tempfile::tempdir().expect("a folder");
    let mut by_sudo = bare(&["init"]);
    let ended = run(by_sudo.current_dir(other.path()).envs([("SUDO_UID", "1000"), ("SUDO_GID", "1001")]));
    assert!(ended.stdout.contains("sudo chown -R 1000:1001 "), "{ended:?}");
    assert!(ended.stdout.contains("needs GATEWAY_USER=1000:1001 in"), "{ended:?}");

    for args in ["serve", "check --json", "keys list", "keys rotate", "sessions list"] {
        let ended = run(&mut with_env(&env, args, Some(STRANGER)));
        if args.starts_with("sessions") {
            assert!(!ended.stderr.contains("Permission denied"), "it needs no key: {ended:?}");
            continue;
        }
        let text = format!("{}{}", ended.stdout, ended.stderr);
        let name = if args.starts_with("keys") { "SIGNING_KEYS" } else { "_FILE" };
        for part in
            [name, "Permission denied", "belongs to user 10001 with mode 0700", "runs as user 12345", "init"]
        {
            assert!(text.contains(part), "{args}: {part}: {text}");
        }
        let user = format!("{STRANGER}:{STRANGER}");
        let expected = format!("sudo chown -R {user} {} {files} && sudo chown {user} {}", paths[1], paths[2]);
        assert!(text.contains(&format!("GATEWAY_USER={user}")), "{args}: {text}");
        assert!(text.contains(&expected), "{args}: {expected}: {text}");
        assert_eq!(
            ended.code,
            if args.starts_with("check") || args == "keys rotate" { 1 } else { 2 },
            "{ended:?}"
        );
    }

    let said = run(&mut with_env(&env, "serve", Some(STRANGER)));
    let pasted = Command::new("sh")
        .args(["-c", &remedy(&said.stderr).replace("sudo ", "")])
        .status()
        .expect("a shell");
    assert!(pasted.success());
    Gateway::run(with_env(&env, "serve", Some(STRANGER)));
}

/// Redis reads its users as a user of its own.
#[test]
fn the_line_leaves_the_file_of_redis_alone() {
    let (_dir, folder, ended) = initialized();
    if !is_root(&folder) {
        return;
    }
    let users = folder.join("secrets/redis_users.acl");
    let owner = || std::fs::metadata(&users).expect("it is there").uid();
    assert_eq!(owner(), 999);
    let line = ended.stdout.lines().find(|line| line.contains("sudo chown")).expect("a line");
    let pasted = line.replace("sudo ", "").replace("USER:GROUP", "12345:12345");
    assert!(Command::new("sh").args(["-c", &pasted]).status().expect("a shell").success());
    assert_eq!(owner(), 999);
    Gateway::run(with_env(&folder.join("tg.env"), "serve", Some(STRANGER)));
}

#[test]
fn a_folder_that_cannot_be_written_is_explained_by_every_command_that_writes() {
    let (_dir, folder, _) = initialized();
    let root = is_root(&folder);
    let closed = folder.join("closed");
    std::fs::create_dir(&closed).expect("a folder");
    let key_set = closed.join("keys.json");
    std::fs::copy(folder.join("keys/signing.json"), &key_set).expect("a copy");
    open(&key_set, 0o644);
    open(&closed, 0o555);
    if root {
        chown(&key_set, Some(STRANGER), Some(STRANGER)).expect("root may");
    }
    let (new, env) = (closed.join("new.json"), closed.join("tg.env"));
    for (args, path) in [
        (&["keys", "rotate", "--signing-keys"][..], &key_set),
        (&["keys", "new", "--signing-keys"], &new),
        (&["init", "--output"], &env),
    ] {
        let mut command = Command::new(binary(&folder));
        command.env_clear().args(args).arg(path);
        if root {
            command.uid(STRANGER).gid(STRANGER);
        }
        let ended = run(&mut command);
        let remedy =
            if root { "run as its owner".to_owned() } else { format!("chmod u+rwx {}", closed.display()) };
        for part in ["Permission denied", "belongs to user", "with mode 0555", &remedy] {
            assert!(ended.code == 1 && ended.stderr.contains(part), "{args:?}: {part}: {ended:?}");
        }
    }
    assert_eq!(std::fs::read_dir(&closed).expect("a folder").count(), 1, "nothing is left");
}

/// Only the folders of `init` are explained by it.
#[test]
fn a_file_of_the_images_user_elsewhere_was_not_given_away_by_init() {
    let (_dir, folder, _) = initialized();
    if !is_root(&folder) {
        return;
    }
    let other = folder.join("other");
    std::fs::create_dir(&other).expect("a folder");
    let file = other.join("keys.json");
    std::fs::write(&file, "{}").expect("a file");
    open(&file, 0o600);
    chown(&file, Some(10_001), Some(10_001)).expect("root may");
    let mut list = Command::new(binary(&folder));
    list.env_clear().args(["keys", "list", "--signing-keys"]).arg(&file).uid(STRANGER).gid(STRANGER);
    let ended = run(&mut list);
    assert!(!ended.stderr.contains("init") && ended.stderr.contains("sudo chown 12345:12345 "), "{ended:?}");
}

#[test]
fn a_file_of_ones_own_without_the_right_to_read_it_is_answered_with_chmod() {
    let (_dir, folder, _) = initialized();
    let (env, key_set) = (folder.join("tg.env"), folder.join("keys/signing.json"));
    let root = is_root(&env);
    if root {
        for path in ["keys", "keys/signing.json", "secrets", "secrets/refresh_secret", "secrets/service_keys"]
        {
            chown(folder.join(path), Some(STRANGER), Some(STRANGER)).expect("root may");
        }
    }
    open(&key_set, 0o000);
    let ended = run(&mut with_env(&env, "serve", root.then_some(STRANGER)));
    assert_eq!(ended.code, 2, "{ended:?}");
    for part in ["SIGNING_KEYS: ", "with mode 0000", &format!("chmod u+rw {}", key_set.display())] {
        assert!(ended.stderr.contains(part), "{part}: {ended:?}");
    }
    open(&key_set, 0o600);
    open(&folder.join("secrets"), 0o000);
    let ended = run(&mut with_env(&env, "serve", root.then_some(STRANGER)));
    let expected = format!("chmod u+rwx {}", folder.join("secrets").display());
    assert!(ended.code == 2 && ended.stderr.contains(&expected), "{ended:?}");
}

/// The path may be that of a folder of the system, so no line hands that over.
#[test]
fn a_file_behind_a_folder_of_somebody_else_is_no_reason_to_give_that_folder_away() {
    let (_dir, folder, _) = initialized();
    if !is_root(&folder) {
        return;
    }
    let (closed, keys) = (folder.join("closed"), folder.join("closed/keys.json"));
    std::fs::create_dir(&closed).expect("a folder");
    std::fs::write(&keys, "{}").expect("a file");
    open(&closed, 0o700);
    let list = || {
        let mut list = Command::new(binary(&folder));
        list.env_clear().args(["keys", "list", "--signing-keys"]).arg(&keys).uid(STRANGER).gid(STRANGER);
        run(&mut list)
    };
    let ended = list();
    assert!(ended.code == 2 && ended.stderr.contains("run as its owner"), "{ended:?}");
    assert!(!ended.stderr.contains("chown"), "{ended:?}");
    let inside = closed.join("keys");
    std::fs::create_dir(&inside).expect("a folder");
    std::fs::rename(&keys, inside.join("keys.json")).expect("the same folder");
    chown(&closed, Some(10_001), Some(10_001)).expect("root may");
    let mut deep = Command::new(binary(&folder));
    deep.env_clear().args(["keys", "list", "--signing-keys"]).arg(inside.join("keys.json"));
    let ended = run(deep.uid(STRANGER).gid(STRANGER));
    assert!(ended.stderr.contains("run as its owner") && !ended.stderr.contains("chown"), "{ended:?}");
    std::fs::rename(inside.join("keys.json"), &keys).expect("the same folder");
    chown(&closed, Some(0), Some(0)).expect("root may");
    open(&closed, 0o755);
    open(&keys, 0o600);
    let ended = list();
    let expected = format!("sudo chown {STRANGER}:{STRANGER} {}", keys.display());
    assert!(ended.stderr.contains(&expected), "{ended:?}");
}
