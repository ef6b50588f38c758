//! `--help` and `--version`.

use super::{bare, run};

/// The names of all settings, as declared. `docs/settings.md` has them, too.
pub fn settings() -> Vec<String> {
    token_gateway::config::catalog::settings().into_iter().map(|setting| setting.name).collect()
}

#[test]
fn the_help_of_serve_dev_and_check_lists_every_setting_and_its_default() {
    for command in ["serve", "dev", "check"] {
        let ended = run(&mut bare(&[command, "--help"]));
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{ended:?}");
        for name in settings() {
            assert!(ended.stdout.contains(&name), "{name} is not in the help of {command}");
        }
        for default in
            ["127.0.0.1:8080", "redis://127.0.0.1:6379", "604800", "7776000", "86400", "[default: tg]"]
        {
            assert!(ended.stdout.contains(default), "{default} is not in the help of {command}");
        }
        assert!(ended.stdout.contains("_FILE"), "{}", ended.stdout);
    }
}

#[test]
fn the_help_shows_no_value_of_the_environment_that_is_secret() {
    let secret = "a-secret-that-nobody-else-has-0123456789";
    for command in ["serve", "dev", "check"] {
        let names = ["SIGNING_SECRET", "REFRESH_SECRET", "SERVICE_KEYS", "REDIS_URL"];
        let ended = run(bare(&[command, "--help"]).envs(names.map(|name| (name, secret))));
        assert!(!ended.stdout.contains(secret), "{}", ended.stdout);
    }
}

#[test]
fn the_help_names_every_command_and_the_version_is_that_of_the_package() {
    let help = run(&mut bare(&["--help"]));
    for command in
        ["serve", "dev", "init", "check", "healthcheck", "service-key", "keys", "sessions", "stats"]
    {
        assert!(help.stdout.contains(&format!("\n  {command} ")), "{command} is missing: {help:?}");
    }
    let version = run(&mut bare(&["--version"]));
    assert_eq!(version.stdout.trim(), format!("token-gateway {}", env!("CARGO_PKG_VERSION")));
}
