//! Secret settings: from the environment or from a file, never from a flag.

use std::path::PathBuf;

use anyhow::{Result, anyhow, bail};
use base64_simd::STANDARD;
use token_gateway_core::token::{Secret, without_line_ends};

use super::file_access::explained;
use super::invalid_value::{InvalidValue, check_secret, check_value};
use super::setting::{Setting, parted};
use super::settings_error::SettingsError;
use crate::shown_value::{no_path, shown_path};

/// A secret setting. Clap does not know these.
pub struct SecretSetting {
    pub name: &'static str,
    /// Its lines in the help; the last one ends with the default in brackets.
    pub help: &'static [&'static str],
    /// Whether commands that only look into the store need it.
    reaches_redis: bool,
}

impl SecretSetting {
    pub(super) fn as_setting(&self) -> Setting {
        let (help, default) = parted(&self.help.join(" "));
        Setting { name: self.name.to_owned(), default, help, is_secret: true }
    }
}

/// All of them.
pub const SECRET_SETTINGS: [SecretSetting; 6] = [
    SecretSetting {
        name: "REDIS_URL",
        help: &[
            "redis://host:port, redis+sentinel://host:port,host:port/master-name or",
            "redis+cluster://host:port,host:port; rediss for TLS; may hold user:password@, percent-encoded",
            "[default: redis://127.0.0.1:6379]",
        ],
        reaches_redis: true,
    },
    SecretSetting {
        name: "REDIS_SENTINEL_PASSWORD",
        help: &["for Sentinels with a password [default: none]"],
        reaches_redis: true,
    },
    SecretSetting {
        name: "SIGNING_SECRET",
        help: &[
            "signs access tokens (HS256) until a key of SIGNING_KEYS does: at least 32 bytes, plain or",
            "base64:... [required without SIGNING_KEYS]",
        ],
        reaches_redis: false,
    },
    SecretSetting {
        name: "REFRESH_SECRET",
        help: &["signs refresh tokens; differs from SIGNING_SECRET [required]"],
        reaches_redis: false,
    },
    SecretSetting {
        name: "REFRESH_SECRET_PREVIOUS",
        help: &["still accepted while REFRESH_SECRET is replaced [default: none]"],
        reaches_redis: false,
    },
    SecretSetting {
        name: "SERVICE_KEYS",
        help: &[
            "name[+role+role][+confidential]=<sha256 of the key, hex>, comma-separated; the roles are issue,",
            "introspect, manage, feed and events (reserved: nothing serves it yet); none means all. The mark",
            "confidential: sessions of this client are refreshed and revoked with its key alone [required]",
        ],
        reaches_redis: false,
    },
];

pub fn secret_names() -> impl Iterator<Item = &'static str> {
    SECRET_SETTINGS.iter().map(|secret| secret.name)
}

/// The secrets for signatures.
const SIGNING_SECRETS: [&str; 3] = ["SIGNING_SECRET", "REFRESH_SECRET", "REFRESH_SECRET_PREVIOUS"];

/// The end of `serve --help`.
pub fn secrets_help() -> String {
    let all = help_of(|_| true);
    format!("{all}\nAn empty variable counts as unset. `token-gateway init` writes a complete .env.")
}

/// The same for commands that need no other secret.
pub fn redis_url_help() -> String {
    help_of(|secret| secret.reaches_redis).trim_end().to_owned()
}

fn help_of(wanted: impl Fn(&SecretSetting) -> bool) -> String {
    let mut help =
        "Secrets, from the environment only; each may come as a file instead, named by <NAME>_FILE:\n"
            .to_owned();
    for secret in SECRET_SETTINGS.iter().filter(|secret| wanted(secret)) {
        for (n, line) in secret.help.iter().enumerate() {
            help += &format!("  {:<24} {line}\n", if n == 0 { secret.name } else { "" });
        }
    }
    help
}

/// A secret from the variable `NAME`, or from the file named by `NAME_FILE`. Line ends at its end are no part of it, however
/// it comes.
pub fn secret(name: &str) -> Result<Option<String>> {
    let text = secret_text(name)?.map(|text| without_line_ends(&text).to_owned());
    Ok(text.filter(|text| !text.is_empty()))
}

/// A secret for signatures. Those by the whole text, line ends included, are accepted, because another node may have made
/// them.
pub fn signing_secret(name: &str) -> Result<Option<Secret>> {
    let text = secret_text(name)?.filter(|text| !without_line_ends(text).is_empty());
    text.map(|text| Secret::parse(&text).map_err(|error| anyhow!("{name}: {error}"))).transpose()
}

/// Warnings of secrets for signatures whose variable ends with line ends. A file usually has one.
pub fn line_end_warnings() -> Vec<String> {
    let ends = |value: &String| without_line_ends(value) != value && !value.starts_with("base64:");
    let has_line_end = |name: &&str| variable(name).ok().flatten().as_ref().is_some_and(ends);
    let warning = |name: &str| {
        format!(
            "{name}: ends with a line end, which is no part of the secret; tokens that a build before 0.1.0 signed with it are \
             still accepted. Take it away REFRESH_TTL_SECONDS after the last such node has stopped"
        )
    };
    SIGNING_SECRETS.iter().filter(|name| has_line_end(name)).map(|name| warning(name)).collect()
}

/// The text of a secret, with the line ends at its end.
fn secret_text(name: &str) -> Result<Option<String>> {
    let file = format!("{name}_FILE");
    match (variable(name)?, path_variable(&file)?) {
        (Some(_), Some(_)) => bail!("{file}: set either this or {name}, not both"),
        (Some(value), None) => {
            check_secret(without_line_ends(&value)).map_err(|error| anyhow!("{name}: {error}"))?;
            Ok(Some(value))
        }
        (None, None) => Ok(None),
        (None, Some(path)) => {
            let text = std::fs::read_to_string(&path).map_err(|error| {
                let is_closed = error.kind() == std::io::ErrorKind::PermissionDenied;
                let error = explained(path.as_ref(), error, "name an existing file of text by its path");
                // The secret itself may stand there by mistake.
                let named = shown_path(path.as_ref())
                    .filter(|path| !is_closed && path.contains('/') && !path.contains(' '));
                let named = named.map(|path| format!("; the path is {path}")).unwrap_or_default();
                anyhow!("{file}: cannot be read: {error}{named}")
            })?;
            if without_line_ends(&text).is_empty() {
                bail!("{file}: the file is empty");
            }
            check_secret(without_line_ends(&text)).map_err(|error| anyhow!("{file}: the file {error}"))?;
            Ok(Some(text))
        }
    }
}

/// The files that hold secrets, each with the setting that names it.
pub fn secret_files() -> Vec<(String, PathBuf)> {
    let names = SECRET_SETTINGS.iter().map(|secret| format!("{}_FILE", secret.name));
    let named = names.map(|name| (path_variable(&name), name));
    named.filter_map(|(path, name)| Some((name, path.ok()??.into()))).collect()
}

/// Checks the characters of all secrets, whether anything needs them or not.
pub fn check_secrets() -> SettingsError {
    let mut wrong = SettingsError::default();
    for setting in &SECRET_SETTINGS {
        wrong.note(secret(setting.name));
    }
    wrong
}

/// Whether a secret is set, by value or as a file.
pub fn variable_is_set(name: &str) -> bool {
    let is_set = |name: &str| {
        variable(name).is_ok_and(|value| value.is_some_and(|it| !without_line_ends(&it).is_empty()))
    };
    is_set(name) || is_set(&format!("{name}_FILE"))
}

fn path_variable(name: &str) -> Result<Option<String>> {
    let path = variable(name)?;
    if let Some(error) = path.as_deref().and_then(no_path) {
        bail!("{name}: {error}");
    }
    path.iter().try_for_each(|path| check_value(path)).map_err(|error| anyhow!("{name}: {error}"))?;
    Ok(path)
}

fn variable(name: &str) -> Result<Option<String>> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => bail!("{name}: {}", InvalidValue::NotUtf8),
    }
}

/// A fresh secret of 256 bits, in the form for settings.
pub fn random_secret() -> String {
    format!("base64:{}", STANDARD.encode_to_string(random_bytes()))
}

/// A fresh password of 256 bits, in letters and digits: these need no escape in a URL or a shell.
pub fn random_password() -> String {
    random_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn random_bytes() -> [u8; 32] {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}
