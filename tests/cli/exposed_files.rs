//! Files with keys and secrets that other users of the machine can read or change.

use std::fs::{Permissions, metadata, set_permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use token_gateway_core::token::Alg;
use token_gateway_testkit::gateway::REFRESH_SECRET;
use token_gateway_testkit::keys::Keys;

use super::{Ended, bare, file, run};
use crate::{GATEWAY, keys_of};

fn set_mode(path: &Path, mode: u32) {
    set_permissions(path, Permissions::from_mode(mode)).expect("its owner may");
}

fn check(settings: &[(&str, &str)]) -> Ended {
    run(&mut GATEWAY.command("check", &[&[("STORE", "embedded")], settings].concat()))
}

#[test]
fn an_open_key_set_is_a_warning_at_the_start_and_of_the_check() {
    let keys = keys_of(Alg::Es256);
    let path = Path::new(keys.path());
    for mode in [0o644, 0o604] {
        set_mode(path, mode);
        let remedy = format!(
            "has mode {mode:04o}, which lets every user of this machine read it; `chmod 600 {}`",
            keys.path()
        );
        let checked = check(&[("SIGNING_KEYS", keys.path())]);
        let line = checked.stdout.lines().find(|line| line.contains(&remedy));
        let line = line.unwrap_or_else(|| panic!("{checked:?}"));
        assert!(line.starts_with("warning") && line.contains("SIGNING_KEYS: "), "{line}");
        let log = GATEWAY.embedded_with(&[("SIGNING_KEYS", keys.path())]).log();
        assert!(log.lines().any(|line| line.contains("WARN") && line.contains(&remedy)), "{log}");
    }
    for mode in [0o600, 0o640, 0o400] {
        set_mode(path, mode);
        let checked = check(&[("SIGNING_KEYS", keys.path())]);
        assert!(checked.code == 0 && !checked.stdout.contains("lets every user"), "{mode:o}: {checked:?}");
        let log = GATEWAY.embedded_with(&[("SIGNING_KEYS", keys.path())]).log();
        assert!(!log.contains("lets every user"), "{log}");
    }
}

#[test]
fn an_open_file_of_a_secret_is_a_warning_without_the_secret() {
    let (_folder, path) = file(REFRESH_SECRET);
    let settings = [("REFRESH_SECRET", ""), ("REFRESH_SECRET_FILE", path.to_str().expect("text"))];
    set_mode(&path, 0o644);
    let checked = check(&settings);
    let warning = format!("REFRESH_SECRET_FILE: {} has mode 0644", path.display());
    assert!(checked.code == 0 && checked.stdout.contains(&warning), "{checked:?}");
    assert!(!checked.stdout.contains(REFRESH_SECRET), "{checked:?}");
    set_mode(&path, 0o600);
    assert!(!check(&settings).stdout.contains("lets every user"));
}

/// Each setting that names a file with a key or a secret.
const SETTINGS: [&str; 8] = [
    "REDIS_URL_FILE",
    "REDIS_SENTINEL_PASSWORD_FILE",
    "SIGNING_SECRET_FILE",
    "REFRESH_SECRET_FILE",
    "REFRESH_SECRET_PREVIOUS_FILE",
    "SERVICE_KEYS_FILE",
    "SIGNING_KEYS",
    "REDIS_TLS_KEY",
];

/// Runs `keys list` where one of these settings names the file. The command needs none of the others.
fn listed(setting: &str, keys: &Keys, path: &Path) -> Ended {
    let mut command = keys.command(&["list"]);
    run(command.env("STORE", "embedded").env(setting, path))
}

#[test]
fn each_setting_with_a_file_of_secrets_has_its_warning() {
    let keys = keys_of(Alg::Es256);
    let (_folder, other) = file("s3cret-s3cret-s3cret-s3cret-s3cret");
    for setting in SETTINGS {
        let path = if setting == "SIGNING_KEYS" { Path::new(keys.path()) } else { &other };
        set_mode(path, 0o644);
        let ended = listed(setting, &keys, path);
        let warning = format!("warning: {setting}: {} has mode 0644", path.display());
        assert!(ended.code == 0 && ended.stderr.contains(&warning), "{setting}: {ended:?}");
        set_mode(path, 0o600);
        let ended = listed(setting, &keys, path);
        assert!(ended.code == 0 && ended.stderr.is_empty(), "{setting}: {ended:?}");
    }
}

#[test]
fn all_secret_settings_are_among_them() {
    let help = run(&mut bare(&["serve", "--help"])).stdout;
    let secrets = help.lines().skip_while(|line| !line.starts_with("Secrets, from the environment only"));
    let names =
        secrets.filter_map(|line| line.strip_prefix("  ")?.split(' ').next().filter(|it| !it.is_empty()));
    let names: Vec<_> = names.map(|name| format!("{name}_FILE")).collect();
    assert!(names.len() == 6 && names.iter().all(|name| SETTINGS.contains(&&**name)), "{names:?}");
}

#[test]
fn a_file_that_others_can_change_is_a_warning_with_the_right_mode() {
    let (_folder, path) = file(REFRESH_SECRET);
    let settings = [("REFRESH_SECRET", ""), ("REFRESH_SECRET_FILE", path.to_str().expect("text"))];
    let group = metadata(&path).expect("it is there").gid();
    let by_group = format!("every user of group {group} change it");
    for (mode, danger, right) in [
        (0o602, "every user of this machine change it", "600"),
        (0o606, "every user of this machine read and change it", "600"),
        (0o620, &by_group, "600"),
        (0o660, &by_group, "640"),
        (0o664, &format!("every user of this machine read it, and {by_group}"), "600"),
        (0o666, "every user of this machine read and change it", "600"),
    ] {
        set_mode(&path, mode);
        let checked = check(&settings);
        let warning = format!(
            "{} has mode {mode:04o}, which lets {danger}; `chmod {right} {}`",
            path.display(),
            path.display()
        );
        assert!(checked.code == 0 && checked.stdout.contains(&warning), "{warning}: {checked:?}");
    }
}

#[test]
fn each_command_on_the_key_set_warns_before_its_report() {
    let keys = keys_of(Alg::Es256);
    for command in ["list", "rotate", "retire"] {
        set_mode(Path::new(keys.path()), 0o644);
        let ended = run(&mut keys.command(&[command, "--json"]));
        let warning = format!("warning: SIGNING_KEYS: {} has mode 0644, which lets", keys.path());
        assert!(ended.code == 0 && ended.stderr.contains(&warning), "{command}: {ended:?}");
        assert!(ended.stdout.starts_with('{'), "{command}: {ended:?}");
    }
}

/// The commands make files that nobody else reads.
#[test]
fn a_key_set_of_the_commands_is_no_warning() {
    let keys = Keys::none(GATEWAY);
    keys.run(&["new"]);
    let checked = check(&[("SIGNING_KEYS", keys.path())]);
    assert!(checked.code == 0 && !checked.stdout.contains("lets every user"), "{checked:?}");
}
