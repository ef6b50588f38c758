//! `token-gateway init`.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use reqwest::Method;
use serde_json::json;
use token_gateway_testkit::api::{claims, read};
use token_gateway_testkit::gateway::Gateway;

use super::{Ended, bare, run};

fn init(path: &Path, args: &[&str]) -> Ended {
    run(bare(&["init", "--output"]).arg(path).args(args))
}

fn key_in(stdout: &str) -> String {
    let line = stdout.lines().find(|line| line.contains("service key")).expect("it shows the key");
    line.rsplit_once(' ').expect("a key").1.to_owned()
}

#[tokio::test]
async fn a_gateway_starts_with_what_init_has_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(".env");
    let ended = init(&path, &["--issuer", "https://login.example.test", "--service", "backend"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{ended:?}");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let keys = dir.path().join("keys/signing.json");
    assert_eq!(std::fs::metadata(&keys).unwrap().permissions().mode() & 0o777, 0o600);
    let script = "cd \"$(dirname \"$1\")\"; set -a; . \"$1\"; set +a; BIND_ADDR=127.0.0.1:0 STORE=embedded exec \"$2\" serve";
    let mut shell = Command::new("sh");
    shell.env_clear().args(["-c", script, "sh"]).arg(&path).arg(env!("CARGO_BIN_EXE_token-gateway"));
    let gateway = Gateway::run(shell);
    let api = gateway.api();
    let login = api.request(Method::POST, "/v1/sessions").bearer_auth(key_in(&ended.stdout));
    let tokens = api.send(login.json(&json!({"sub": "alice"}))).await.tokens();
    assert_eq!(read(&tokens.access).0["alg"], "ES256");
    let access = claims(&tokens.access);
    assert_eq!(
        (&access["iss"], &access["client_id"]),
        (&json!("https://login.example.test"), &json!("backend"))
    );
}

#[test]
fn an_existing_file_is_never_touched() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(".env");
    std::fs::write(&path, "PRECIOUS=1\n").unwrap();
    let ended = init(&path, &[]);
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.lines().count()), (1, "", 1), "{ended:?}");
    for part in ["--output", "leave `init` out", "name a path in another folder"] {
        assert!(ended.stderr.contains(part), "{part}: {ended:?}");
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "PRECIOUS=1\n");
    assert!(!dir.path().join("keys").exists(), "nothing else was written");
}

#[test]
fn a_folder_in_place_of_the_file_is_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("there")).unwrap();
    for (output, such_as) in [
        ("new/", "new/.env"),
        ("there", "there/.env"),
        ("there/", "there/.env"),
        ("a/b/", "a/b/.env"),
        (".", "./.env"),
    ] {
        let ended = run(bare(&["init", "--output", output]).current_dir(dir.path()));
        assert_eq!(
            (ended.code, ended.stdout.as_str(), ended.stderr.lines().count()),
            (2, "", 1),
            "{ended:?}"
        );
        let said = format!("--output: {output} is a folder; name a file, such as {such_as}");
        assert!(ended.stderr.contains(&said), "{said}: {ended:?}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    assert_eq!(std::fs::read_dir(dir.path().join("there")).unwrap().count(), 0);
}

/// The folder of secrets is a file, so `init` fails when keys and the folders above are made.
#[test]
fn a_failure_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("etc");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("secrets"), "a file").unwrap();
    let ended = init(&folder.join("tg.env"), &[]);
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.lines().count()), (1, "", 1), "{ended:?}");
    let left: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["secrets"]);
    let ended = run(bare(&["init", "--output", "deep/it's $5/tg.env"]).current_dir(dir.path()));
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(!dir.path().join("deep").exists());
}

/// Where root runs the tests. The folder of another user stays theirs, and so do the files in it.
#[test]
fn files_of_root_go_to_the_owner_of_the_folder_that_is_there() {
    use std::os::unix::fs::{MetadataExt, chown};
    let dir = tempfile::tempdir().unwrap();
    if std::fs::metadata(dir.path()).unwrap().uid() != 0 {
        return;
    }
    for (n, existing) in ["keys", "secrets"].into_iter().enumerate() {
        let root = dir.path().join(n.to_string());
        std::fs::create_dir_all(root.join(existing)).unwrap();
        chown(root.join(existing), Some(1234), Some(1235)).unwrap();
        let ended = init(&root.join("tg.env"), &[]);
        assert_eq!(ended.code, 0, "{ended:?}");
        for path in ["keys", "keys/signing.json", "secrets", "secrets/refresh_secret", "secrets/service_keys"]
        {
            let found = std::fs::metadata(root.join(path)).unwrap();
            assert_eq!((found.uid(), found.gid()), (1234, 1235), "{path}");
        }
        assert_eq!(value(&root.join("tg.env"), "GATEWAY_USER"), "1234:1235");
        let said = "keys and secrets belong to user 1234 ";
        assert!(ended.stdout.contains(said) && !ended.stdout.contains("image"), "{ended:?}");
    }
}

#[test]
fn existing_keys_are_never_touched() {
    let dir = tempfile::tempdir().unwrap();
    let (path, keys) = (dir.path().join(".env"), dir.path().join("keys/signing.json"));
    std::fs::create_dir(keys.parent().unwrap()).unwrap();
    std::fs::write(&keys, "precious").unwrap();
    let ended = init(&path, &[]);
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.lines().count()), (1, "", 1), "{ended:?}");
    assert!(ended.stderr.contains("keys/signing.json") && !ended.stderr.contains("`init`"), "{ended:?}");
    assert_eq!(std::fs::read_to_string(&keys).unwrap(), "precious");
    assert!(!path.exists());
}

/// The secrets of `init`, a file each.
const SECRETS: [&str; 5] =
    ["refresh_secret", "service_keys", "redis_url", "redis_operator_url", "redis_users.acl"];

#[test]
fn the_file_is_complete_and_every_secret_is_a_file_of_its_own_and_fresh() {
    let dir = tempfile::tempdir().unwrap();
    let folders = ["one", "two"].map(|name| dir.path().join(name));
    let keys = folders.each_ref().map(|folder| {
        std::fs::create_dir(folder).unwrap();
        key_in(&init(&folder.join(".env"), &[]).stdout)
    });
    let env = std::fs::read_to_string(folders[0].join(".env")).unwrap();
    for name in super::help::settings() {
        let is_named = env.contains(&format!("{name}=")) || env.contains(&format!("{name}_FILE="));
        assert!(
            is_named || ["PORT", "STORE", "REFRESH_SECRET_PREVIOUS"].contains(&name.as_str()),
            "{name} is missing"
        );
    }
    let secret = |folder: usize, name| {
        std::fs::read_to_string(folders[folder].join("secrets").join(name)).expect(name)
    };
    for name in SECRETS {
        let text = secret(0, name);
        assert_ne!(text, secret(1, name), "{name} is fresh");
        for word in text.split([' ', '\n', ':', '@', '=', '#']).filter(|word| word.len() >= 32) {
            assert!(!env.contains(word), "{name}: {word} is in .env");
        }
        assert!(!text.contains(&keys[0]), "a service key is kept as its hash");
    }
    for (user, file) in [("gateway", "redis_url"), ("operator", "redis_operator_url")] {
        let url = secret(0, file);
        let password = url.split([':', '@']).nth(2).expect("a password");
        let plain = password.bytes().all(|b| b.is_ascii_alphanumeric());
        assert!(password.len() == 64 && plain, "it stands in a URL as it is: {url}");
        let users = secret(0, "redis_users.acl");
        assert!(!users.contains(password) && users.contains(&format!("user {user} on")), "{users}");
    }
    assert!(secret(0, "redis_users.acl").starts_with("user default off ~* &* +@all\n"));
}

#[test]
fn existing_secrets_are_never_touched() {
    for name in SECRETS {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secrets").join(name);
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "precious").unwrap();
        let ended = init(&dir.path().join(".env"), &[]);
        assert_eq!(
            (ended.code, ended.stdout.as_str(), ended.stderr.lines().count()),
            (1, "", 1),
            "{ended:?}"
        );
        assert!(ended.stderr.contains(name), "{ended:?}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
        assert!(!dir.path().join(".env").exists() && !dir.path().join("keys").exists());
    }
}

#[test]
fn wrong_arguments_are_exit_code_2_and_write_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(".env");
    for (flag, value) in [("--issuer", "nonsense"), ("--service", "two words"), ("--unknown", "x")] {
        let ended = init(&path, &[flag, value]);
        assert_eq!((ended.code, ended.stderr.lines().count()), (2, 1), "{ended:?}");
        assert!(ended.stderr.contains(flag), "{ended:?}");
    }
    assert!(!path.exists());
}

/// The value of a setting in an `.env`, as a shell and as Docker Compose read it.
fn value(env: &Path, name: &str) -> String {
    let script = format!("set -a; . \"$1\"; printf %s \"${name}\"");
    let output =
        Command::new("sh").env_clear().args(["-c", &script, "sh"]).arg(env).output().expect("a shell");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// The settings that name files.
const FILES: [(&str, &str); 3] = [
    ("SIGNING_KEYS", "keys/signing.json"),
    ("REFRESH_SECRET_FILE", "secrets/refresh_secret"),
    ("SERVICE_KEYS_FILE", "secrets/service_keys"),
];

#[test]
fn in_the_working_folder_paths_are_relative_so_that_it_can_move() {
    let dir = tempfile::tempdir().unwrap();
    let link = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(dir.path(), link.path().join("here")).unwrap();
    let outputs =
        [".env".into(), "./tg.env".into(), dir.path().join("third.env"), link.path().join("here/fourth.env")];
    for output in outputs {
        for made in ["keys", "secrets"] {
            let _ = std::fs::remove_dir_all(dir.path().join(made));
        }
        let ended = run(bare(&["init", "--output"]).arg(&output).current_dir(dir.path()));
        assert_eq!(ended.code, 0, "{ended:?}");
        let env = dir.path().join(output.file_name().unwrap());
        for (name, path) in FILES {
            assert_eq!(value(&env, name), path, "{output:?}");
        }
    }
}

#[tokio::test]
async fn outside_of_the_working_folder_paths_are_absolute_and_a_gateway_starts_from_anywhere() {
    let dir = tempfile::tempdir().unwrap();
    let (root, work) = (dir.path().canonicalize().unwrap(), dir.path().join("work"));
    std::fs::create_dir(&work).unwrap();
    std::os::unix::fs::symlink(&root, work.join("link")).unwrap();
    for (output, folder) in [
        ("etc/tg.env", "work/etc"),
        ("../beside/tg.env", "beside"),
        ("a folder with blanks/tg.env", "work/a folder with blanks"),
        ("it's/tg.env", "work/it's"),
        ("$HOME & `x`;#/\"q\"/tg.env", "work/$HOME & `x`;#/\"q\""),
        ("deep/er/and/deeper/tg.env", "work/deep/er/and/deeper"),
        ("link/linked/tg.env", "linked"),
    ] {
        let ended = run(bare(&["init", "--output", output]).current_dir(&work));
        assert_eq!(ended.code, 0, "{output}: {ended:?}");
        let env = work.join(output);
        for (name, path) in FILES {
            assert_eq!(Path::new(&value(&env, name)), root.join(folder).join(path), "{output}");
        }
        let script = "set -a; . \"$1\"; set +a; BIND_ADDR=127.0.0.1:0 STORE=embedded exec \"$2\" serve";
        let mut shell = Command::new("sh");
        shell.env_clear().current_dir("/").args(["-c", script, "sh"]).arg(&env);
        let gateway = Gateway::run({
            shell.arg(env!("CARGO_BIN_EXE_token-gateway"));
            shell
        });
        let api = gateway.api();
        let login = api.request(Method::POST, "/v1/sessions").bearer_auth(key_in(&ended.stdout));
        assert_eq!(api.send(login.json(&json!({"sub": "alice"}))).await.status, 201, "{output}");
    }
}

/// A path that no `.env` can hold, or that would arrive as another one.
#[test]
fn a_folder_that_cannot_stand_in_an_env_is_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    for (output, said) in
        [("it's $5/tg.env", "single quote"), ("a #b/tg.env", "comment"), ("a\nb/tg.env", "U+000A")]
    {
        let ended = run(bare(&["init", "--output", output]).current_dir(dir.path()));
        assert_eq!(
            (ended.code, ended.stdout.as_str(), ended.stderr.lines().count()),
            (2, "", 1),
            "{ended:?}"
        );
        assert!(ended.stderr.contains("--output: ") && ended.stderr.contains(said), "{ended:?}");
        assert!(
            !dir.path().join(output).exists() && !dir.path().join(output).with_file_name("keys").exists()
        );
    }
}

#[test]
fn an_issuer_with_characters_of_a_shell_arrives_as_it_was_given() {
    let dir = tempfile::tempdir().unwrap();
    for (n, issuer) in ["https://a.example/x;y&z$HOME(d)", "https://a.example/it's"].into_iter().enumerate() {
        let env = dir.path().join(format!("{n}/.env"));
        let ended = init(&env, &["--issuer", issuer]);
        assert_eq!(ended.code, 0, "{ended:?}");
        assert_eq!(value(&env, "ISSUER"), issuer);
    }
}

/// Others enter the folder of the `.env`, and only its folders are closed: a service that is given the keys reaches them.
#[test]
fn a_folder_that_is_made_is_open_and_those_of_keys_and_secrets_are_closed() {
    let dir = tempfile::tempdir().unwrap();
    let ended = init(&dir.path().join("etc/tg.env"), &[]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let mode = |path: &str| std::fs::metadata(dir.path().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("etc/keys"), mode("etc/secrets"), mode("etc/tg.env")), (0o700, 0o700, 0o600));
    assert_ne!(mode("etc") & 0o500, 0);
    assert_ne!(mode("etc"), 0o700, "unless the umask closes it");
}
