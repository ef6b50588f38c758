//! `--help` and `--version`.

use super::{bare, run};

/// Every setting there is.
pub const SETTINGS: [&str; 36] = [
    "BIND_ADDR",
    "PORT",
    "ADMIN_ADDR",
    "WORKERS",
    "STORE",
    "REDIS_URL",
    "REDIS_PREFIX",
    "REDIS_TLS_CA",
    "REDIS_TLS_CERT",
    "REDIS_TLS_KEY",
    "REDIS_SENTINEL_USERNAME",
    "REDIS_SENTINEL_PASSWORD",
    "ISSUER",
    "AUDIENCE",
    "SIGNING_SECRET",
    "SIGNING_KEYS",
    "JWKS_MAX_AGE_SECONDS",
    "TYP_JWT_AUDIENCES",
    "REFRESH_SECRET",
    "REFRESH_SECRET_PREVIOUS",
    "SERVICE_KEYS",
    "ACCESS_TTL_SECONDS",
    "REFRESH_TTL_SECONDS",
    "SESSION_MAX_AGE_SECONDS",
    "REFRESH_GRACE_SECONDS",
    "REUSE_SCOPE",
    "MAX_SESSIONS_PER_SUBJECT",
    "TOMBSTONE_TTL_SECONDS",
    "REDIS_TIMEOUT_MS",
    "REDIS_MAX_IN_FLIGHT",
    "REDIS_WAIT_REPLICAS",
    "VERIFY_MAX_STALE_SECONDS",
    "VERIFY_WHEN_STALE",
    "SHUTDOWN_GRACE_SECONDS",
    "RUST_LOG",
    "LOG_FORMAT",
];

#[test]
fn the_help_of_serve_dev_and_check_lists_every_setting_and_its_default() {
    for command in ["serve", "dev", "check"] {
        let ended = run(&mut bare(&[command, "--help"]));
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{ended:?}");
        for name in SETTINGS {
            assert!(ended.stdout.contains(name), "{name} is not in the help of {command}");
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
