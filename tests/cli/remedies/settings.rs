//! Wrong settings. Each message has the setting, what is wrong, and what is right.

use token_gateway_testkit::gateway::SIGNING_SECRET;
use token_gateway_testkit::tls::Certificates;

use crate::GATEWAY;
use crate::cli::refusals::expect_refusal;
use crate::cli::{bare, file, run};

/// One mistake. The settings stand beside good ones.
pub struct Case {
    settings: Vec<(&'static str, String)>,
    /// The setting, the mistake and the remedy.
    says: &'static [&'static str],
    hides: &'static [&'static str],
}

fn case<const N: usize>(settings: [(&'static str, &str); N], says: &'static [&'static str]) -> Case {
    Case { settings: settings.map(|(name, value)| (name, value.to_owned())).into(), says, hides: &[] }
}

impl Case {
    fn hiding(mut self, hides: &'static [&'static str]) -> Self {
        self.hides = hides;
        self
    }

    pub fn try_it(&self) {
        let settings: Vec<_> = self.settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let line = expect_refusal(&run(&mut GATEWAY.command("serve", &settings)), self.says[0]);
        for word in self.says {
            assert!(line.contains(word), "'{word}' is not in: {line}");
        }
        for word in self.hides {
            assert!(!line.contains(word), "'{word}' is in: {line}");
        }
    }
}

fn numbers_and_choices() -> Vec<Case> {
    vec![
        case([("PORT", "8080/tcp")], &["PORT: must be a port", "such as 8080", "not '8080/tcp'"]),
        case([("WORKERS", "auto")], &["WORKERS: must be a whole number from 1 to 1024", "not 'auto'"]),
        case(
            [("REDIS_TIMEOUT_MS", "0.5s")],
            &["REDIS_TIMEOUT_MS: must be milliseconds, a whole", "such as 500"],
        ),
        case(
            [("REDIS_MAX_IN_FLIGHT", "0")],
            &["REDIS_MAX_IN_FLIGHT: must be a whole number from 1 to", "not '0'"],
        ),
        case([("REFRESH_GRACE_SECONDS", "120")], &["REFRESH_GRACE_SECONDS: must be seconds", "from 0 to 60"]),
        case([("SHUTDOWN_GRACE_SECONDS", "20s")], &["SHUTDOWN_GRACE_SECONDS: must be seconds", "such as 20"]),
        case(
            [("MAX_SESSIONS_PER_SUBJECT", "unlimited")],
            &["MAX_SESSIONS_PER_SUBJECT: must be", "from 1 to 1000"],
        ),
        case([("REFRESH_TTL_SECONDS", "1e6")], &["REFRESH_TTL_SECONDS: must be seconds", "such as 604800"]),
        case([("STORE", "memory")], &["STORE: must be redis or embedded; not 'memory'"]),
        case([("REUSE_SCOPE", "user")], &["REUSE_SCOPE: must be subject or session; not 'user'"]),
        case([("LOG_FORMAT", "JSON")], &["LOG_FORMAT: must be text or json; not 'JSON'"]),
        case([("VERIFY_WHEN_STALE", "allow")], &["VERIFY_WHEN_STALE: must be refuse or accept; not 'allow'"]),
        case(
            [("RUST_LOG", "verbose")],
            &["RUST_LOG: 'verbose' is neither a level", "off, error, warn, info"],
        ),
        case(
            [("ACCESS_TTL_SECONDS", "86400"), ("REFRESH_TTL_SECONDS", "3600")],
            &["ACCESS_TTL_SECONDS: 86400 must not exceed REFRESH_TTL_SECONDS, which is 3600", "lower it"],
        ),
    ]
}

fn names_and_addresses() -> Vec<Case> {
    vec![
        case(
            [("ADMIN_ADDR", "localhost:9090")],
            &["ADMIN_ADDR: must be an IP address", "not 'localhost:9090'"],
        ),
        case([("BIND_ADDR", "0.0.0.0")], &["BIND_ADDR: must be an IP address and a port", "0.0.0.0:8080"]),
        case(
            [("ISSUER", "auth.example.com")],
            &["ISSUER: must be an http(s) URL", "https://auth.example.com"],
        ),
        case(
            [("ISSUER", "https://auth.example.com/?t=1")],
            &["ISSUER: must be", "without query and fragment"],
        ),
        case(
            [("ISSUER", "https://me:hunter2@auth.example.com")],
            &["ISSUER: must be", "without user and password"],
        )
        .hiding(&["hunter2"]),
        case(
            [("AUDIENCE", "my api")],
            &["AUDIENCE: must be 1 to 255 visible ASCII characters; not 'my api'"],
        ),
        case([("REDIS_PREFIX", "{tg}")], &["REDIS_PREFIX: must be 1 to 32 of A-Z a-z 0-9 : _ -; not '{tg}'"]),
        case(
            [("SIGNING_KEYS", "/nowhere/keys.json")],
            &["SIGNING_KEYS: /nowhere/keys.json: No such", "keys new"],
        ),
    ]
}

fn secrets() -> Vec<Case> {
    let key = format!("web=tgk{}", "cd".repeat(32));
    let role = format!("web+admin={}", "ab".repeat(32));
    vec![
        case(
            [("SIGNING_SECRET", "hunter2")],
            &["SIGNING_SECRET: has 7 bytes", "32", "openssl rand -base64 32"],
        )
        .hiding(&["hunter2"]),
        case([("REFRESH_SECRET", SIGNING_SECRET)], &["SIGNING_SECRET", "must differ"])
            .hiding(&[SIGNING_SECRET]),
        case([("SERVICE_KEYS", &key)], &["SERVICE_KEYS: entry 1", "64 hex digits, the SHA-256 of the key"])
            .hiding(&["cdcd"]),
        case([("SERVICE_KEYS", &role)], &["SERVICE_KEYS: entry 1", "issue, introspect, manage or feed"])
            .hiding(&["abab"]),
        case(
            [("REDIS_URL", "redis+sentinel://one/main"), ("REDIS_SENTINEL_USERNAME", "watcher")],
            &["REDIS_SENTINEL_PASSWORD: is missing", "REDIS_SENTINEL_USERNAME", "set both, or neither"],
        ),
        case(
            [("SERVICE_KEYS", ""), ("SERVICE_KEYS_FILE", "/nowhere/keys")],
            &["SERVICE_KEYS_FILE: cannot be read: No such", "name an existing file"],
        ),
    ]
}

fn urls() -> Vec<Case> {
    vec![
        case([("REDIS_URL", "redis:6379")], &["REDIS_URL: must be redis://"]),
        case(
            [("REDIS_URL", "unix:///run/redis.sock")],
            &["REDIS_URL: names a Unix socket", "redis://127.0.0.1:6379"],
        ),
        case(
            [("REDIS_URL", "redis://redis:0")],
            &["REDIS_URL: a port must be a whole number from 1 to 65535"],
        ),
        case([("REDIS_URL", "redis://::1:6379")], &["REDIS_URL: a host", "brackets", "redis://[::1]:6379"]),
        case(
            [("REDIS_URL", "redis://hunter2@redis")],
            &["REDIS_URL: names a user without a password", ":password@"],
        )
        .hiding(&["hunter2"]),
        case([("REDIS_URL", "redis://redis/sessions")], &["REDIS_URL: the database must be a whole number"]),
        case(
            [("REDIS_URL", "redis+sentinel://one,two")],
            &["REDIS_URL: the master's name is missing", "/master-name"],
        ),
        case(
            [("REDIS_URL", "redis+cluster://one/3")],
            &["REDIS_URL: a Cluster has only database 0", "leave the path"],
        ),
        case(
            [("REDIS_URL", "rediss://one,redis://two")],
            &["REDIS_URL: names servers with different schemes"],
        ),
        case(
            [("REDIS_URL", "redis://redis?protocol=3")],
            &["REDIS_URL: holds '?' behind the host", "leave it out"],
        ),
        case([("REDIS_URL", "redis://:hunter2%@redis")], &["REDIS_URL:", "percent-encode it, as %25"])
            .hiding(&["hunter2"]),
    ]
}

pub fn cases() -> Vec<Case> {
    [numbers_and_choices(), names_and_addresses(), secrets(), urls()].into_iter().flatten().collect()
}

#[test]
fn a_duration_with_a_unit_is_answered_with_seconds_and_an_example() {
    for (name, example) in [("ACCESS_TTL_SECONDS", "900"), ("JWKS_MAX_AGE_SECONDS", "300")] {
        case([(name, "15m")], &["must be seconds, a whole number", "not '15m'"]).try_it();
        let ended = run(&mut GATEWAY.command("serve", &[(name, "15m")]));
        assert!(expect_refusal(&ended, name).contains(&format!("such as {example}")), "{ended:?}");
    }
    let flags: [(&[&str], &str); 4] = [
        (&["keys", "rotate", "--delay-seconds", "5m"], "--delay-seconds: must be seconds, a whole number"),
        (&["sessions", "list", "--limit", "all"], "--limit: must be a whole number of 1 or more"),
        (&["stats", "--sample", "10%"], "--sample: must be a whole number from 0 to 1000000"),
        (
            &["serve", "--access-ttl-seconds", "15m"],
            "--access-ttl-seconds (ACCESS_TTL_SECONDS): must be seconds",
        ),
    ];
    for (args, says) in flags {
        expect_refusal(&run(&mut bare(args)), says);
    }
}

#[test]
fn a_port_alone_is_answered_with_an_address_and_a_port() {
    for command in ["serve", "check", "dev", "healthcheck"] {
        for value in ["8080", ":8080"] {
            let ended = run(bare(&[command]).env("BIND_ADDR", value));
            let line =
                expect_refusal(&ended, "BIND_ADDR: must be an IP address and a port, such as 127.0.0.1:8080");
            assert!(line.contains("write 0.0.0.0:8080"), "{line}");
        }
    }
}

#[test]
fn all_missing_settings_are_named_at_once_with_init_as_the_remedy() {
    let all = ["ISSUER", "SIGNING_SECRET or SIGNING_KEYS", "REFRESH_SECRET", "SERVICE_KEYS"];
    let line = expect_refusal(&run(&mut bare(&["serve"])), "are missing; `token-gateway init`");
    assert!(all.iter().all(|name| line.contains(name)), "{line}");
    let some = [("REFRESH_SECRET", ""), ("SERVICE_KEYS", "")];
    let line = expect_refusal(
        &run(&mut GATEWAY.command("serve", &some)),
        "REFRESH_SECRET, SERVICE_KEYS: are missing",
    );
    assert!(!line.contains("ISSUER") && !line.contains("SIGNING"), "{line}");
}

#[test]
fn wrong_and_missing_settings_are_named_together_and_none_twice() {
    let mut serve = bare(&["serve"]);
    serve.envs([("ACCESS_TTL_SECONDS", "15m"), ("BIND_ADDR", "8080"), ("AUDIENCE", "'api'")]);
    serve.envs([
        ("SIGNING_SECRET", "hunter2"),
        ("REDIS_URL", "redis://:hunter2"),
        ("SERVICE_KEYS", "hunter2"),
    ]);
    let line = expect_refusal(&run(&mut serve), "ACCESS_TTL_SECONDS: must be");
    for name in [
        "BIND_ADDR:",
        "AUDIENCE:",
        "SIGNING_SECRET:",
        "REDIS_URL:",
        "SERVICE_KEYS:",
        "ISSUER,",
        "REFRESH_SECRET:",
    ] {
        assert_eq!(line.matches(name).count(), 1, "{name} in {line}");
    }
    assert!(!line.contains("hunter2"), "{line}");
    let line = expect_refusal(&run(bare(&["serve"]).env("ISSUER", "x")), "ISSUER: must be an http(s) URL");
    assert!(line.contains("SERVICE_KEYS") && line.matches("ISSUER").count() == 1, "{line}");
    let (_dir, path) = file("too short");
    let files =
        [("SIGNING_SECRET", ""), ("SIGNING_SECRET_FILE", path.to_str().unwrap()), ("SERVICE_KEYS", "")];
    let line = expect_refusal(&run(&mut GATEWAY.command("serve", &files)), "SIGNING_SECRET: has 9 bytes");
    assert!(line.contains("SERVICE_KEYS: is missing"), "{line}");
}

/// A folder with good files, and with what is taken for them by mistake.
fn tls_files() -> (Certificates, Certificates) {
    let (own, others) = (Certificates::make(), Certificates::make());
    let read = |name: &str| std::fs::read_to_string(own.path(name)).expect("a file");
    let ca = read("ca.pem");
    let base64: String = ca.lines().filter(|line| !line.starts_with("---")).collect();
    use base64::Engine as _;
    let der = base64::engine::general_purpose::STANDARD.decode(base64).expect("base64");
    let key = read("client.key");
    for (name, content) in [
        ("empty", b"\n".to_vec()),
        ("text", b"the CA of the tests".to_vec()),
        ("der", der),
        ("binary", vec![0xff, 0xfe, 0]),
        ("cut", ca.as_bytes()[..ca.len() / 2].to_vec()),
        ("changed", ca.replacen("MII", "MIA", 1).into_bytes()),
        ("request", ca.replace("CERTIFICATE", "CERTIFICATE REQUEST").into_bytes()),
        ("trusted", ca.replace("CERTIFICATE", "TRUSTED CERTIFICATE").into_bytes()),
        ("indented", ca.replace("-----BEGIN", "  -----BEGIN").into_bytes()),
        ("label", ca.replace("CERTIFICATE", "X509 CERTIFICATE").into_bytes()),
        ("encrypted", key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY").into_bytes()),
        ("cut.key", key.as_bytes()[..key.len() / 2].to_vec()),
    ] {
        std::fs::write(own.path(name), content).expect("a file");
    }
    (own, others)
}

#[test]
fn a_tls_file_with_other_content_is_refused_by_its_own_setting() {
    let (own, others) = tls_files();
    let (certificate, key) = (own.path("client.pem"), own.path("client.key"));
    let with_key = |path: String| vec![("REDIS_TLS_CERT", path), ("REDIS_TLS_KEY", key.clone())];
    let with_certificate =
        |path: String| vec![("REDIS_TLS_CERT", certificate.clone()), ("REDIS_TLS_KEY", path)];
    let ca = |name: &str| vec![("REDIS_TLS_CA", own.path(name))];
    let folder = own.path("");
    for (settings, says) in [
        (ca("empty"), &["REDIS_TLS_CA: ", "is empty", "name the PEM file with the CA's certificate"][..]),
        (ca("text"), &["REDIS_TLS_CA: ", "holds no PEM", "BEGIN CERTIFICATE"]),
        (
            ca("client.key"),
            &["REDIS_TLS_CA: ", "holds a private key, and no certificate", "the CA's certificate"],
        ),
        (ca("der"), &["REDIS_TLS_CA: ", "is DER", "openssl x509 -inform der"]),
        (ca("binary"), &["REDIS_TLS_CA: ", "is no text", "name a PEM file"]),
        (ca("cut"), &["REDIS_TLS_CA: ", "certificate 1 in it cannot be read"]),
        (ca("changed"), &["REDIS_TLS_CA: ", "certificate 1 in it cannot be read"]),
        (ca("request"), &["REDIS_TLS_CA: ", "a certificate request, which no CA has signed yet"]),
        (ca("trusted"), &["REDIS_TLS_CA: ", "openssl x509 -in FILE -out PEM"]),
        (ca("indented"), &["REDIS_TLS_CA: ", "begin with white space"]),
        (ca("label"), &["REDIS_TLS_CA: ", "another label than CERTIFICATE", "BEGIN CERTIFICATE"]),
        (ca("nowhere"), &["REDIS_TLS_CA: cannot read ", "No such file", "name an existing PEM file"]),
        (vec![("REDIS_TLS_CA", folder)], &["REDIS_TLS_CA: ", "is a folder", "name a PEM file in it"]),
        (with_key(own.path("empty")), &["REDIS_TLS_CERT: ", "is empty", "the client's certificate"]),
        (with_key(key.clone()), &["REDIS_TLS_CERT: ", "holds a private key, and no certificate"]),
        (
            with_certificate(certificate.clone()),
            &["REDIS_TLS_KEY: ", "holds a certificate, and no private key"],
        ),
        (with_certificate(own.path("encrypted")), &["REDIS_TLS_KEY: ", "encrypted", "openssl pkey -in FILE"]),
        (with_certificate(own.path("cut.key")), &["REDIS_TLS_KEY: ", "cannot be read", "PKCS #8"]),
        (
            with_certificate(others.path("client.key")),
            &["REDIS_TLS_KEY: ", "the private key of another certificate"],
        ),
        (
            vec![("REDIS_TLS_CERT", certificate.clone())],
            &["REDIS_TLS_KEY: is missing", "name the file of the key"],
        ),
        (
            vec![("REDIS_TLS_KEY", key.clone())],
            &["REDIS_TLS_CERT: is missing", "name the file of the certificate"],
        ),
    ] {
        let mut serve = GATEWAY.command("serve", &[("REDIS_URL", "rediss://localhost")]);
        let ended = run(serve.envs(settings));
        let line = expect_refusal(&ended, says[0]);
        assert!(says.iter().all(|word| line.contains(word)), "{says:?}: {line}");
        let secret = std::fs::read_to_string(&key).expect("a key");
        assert!(secret.lines().skip(1).take(1).all(|secret| !line.contains(secret)), "{line}");
    }
}

#[test]
fn each_tls_file_that_is_wrong_is_named_in_one_run_and_so_is_tls_without_rediss() {
    let (own, _) = tls_files();
    let wrong = [("REDIS_TLS_CA", "text"), ("REDIS_TLS_CERT", "empty"), ("REDIS_TLS_KEY", "encrypted")];
    let mut serve = GATEWAY.command("serve", &[("REDIS_URL", "rediss://localhost:0")]);
    let line =
        expect_refusal(&run(serve.envs(wrong.map(|(name, it)| (name, own.path(it))))), "REDIS_TLS_CA: ");
    let others = ["REDIS_TLS_CERT: ", "REDIS_TLS_KEY: ", "REDIS_URL: a port"];
    assert!(others.iter().all(|name| line.contains(name)), "{line}");
    let mut serve = GATEWAY.command("serve", &[("REDIS_URL", "redis://localhost")]);
    let line =
        expect_refusal(&run(serve.env("REDIS_TLS_CA", own.path("ca.pem"))), "REDIS_TLS_CA: has no effect");
    assert!(line.contains("let REDIS_URL begin with rediss"), "{line}");
}
