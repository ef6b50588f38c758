//! Files with keys and secrets that every user of the machine can read.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use token_gateway_core::token::Alg;
use token_gateway_testkit::gateway::REFRESH_SECRET;
use token_gateway_testkit::keys::Keys;

use super::{Ended, file, run};
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

/// The commands make files that nobody else reads.
#[test]
fn a_key_set_of_the_commands_is_no_warning() {
    let keys = Keys::none(GATEWAY);
    keys.run(&["new"]);
    let checked = check(&[("SIGNING_KEYS", keys.path())]);
    assert!(checked.code == 0 && !checked.stdout.contains("lets every user"), "{checked:?}");
}
