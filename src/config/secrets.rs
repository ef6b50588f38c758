//! Secret settings: from the environment or from a file, never from a flag.

use anyhow::{Context, Result, bail};
use base64_simd::STANDARD;

/// For `serve --help`: clap does not know these.
pub const SECRETS_HELP: &str = "\
Secrets, from the environment only; each may come as a file instead, named by <NAME>_FILE:
  REDIS_URL                redis://host:port, redis+sentinel://host:port,host:port/master-name or
                           redis+cluster://host:port,host:port; rediss for TLS; may hold user:password@
                           [default: redis://127.0.0.1:6379]
  REDIS_SENTINEL_PASSWORD  for Sentinels that want one [default: none]
  SIGNING_SECRET           signs access tokens (HS256) until a key of SIGNING_KEYS does: at least 32 bytes, plain or
                           base64:... [required without SIGNING_KEYS]
  REFRESH_SECRET           signs refresh tokens; differs from SIGNING_SECRET [required]
  REFRESH_SECRET_PREVIOUS  still accepted while REFRESH_SECRET is replaced [default: none]
  SERVICE_KEYS             name[+role+role]=<sha256 of the key, hex>, comma-separated [required]

An empty variable counts as unset. `token-gateway init` writes a complete .env.";

/// The same for commands that need no other secret.
pub const REDIS_URL_HELP: &str = "\
Secrets, from the environment only; each may come as a file instead, named by <NAME>_FILE:
  REDIS_URL                redis://host:port, redis+sentinel://host:port,host:port/master-name or
                           redis+cluster://host:port,host:port; rediss for TLS; may hold user:password@
                           [default: redis://127.0.0.1:6379]
  REDIS_SENTINEL_PASSWORD  for Sentinels that want one [default: none]";

/// A secret from the variable `NAME`, or from the file named by `NAME_FILE`. Line ends at the end of the file are no
/// part of the secret.
pub fn secret(name: &str) -> Result<Option<String>> {
    let file = format!("{name}_FILE");
    match (variable(name)?, variable(&file)?) {
        (Some(_), Some(_)) => bail!("{file}: set either this or {name}, not both"),
        (Some(value), None) => Ok(Some(value)),
        (None, None) => Ok(None),
        (None, Some(path)) => {
            let text = std::fs::read_to_string(&path).with_context(|| format!("{file}: cannot be read"))?;
            let text = text.trim_end_matches(['\r', '\n']);
            if text.is_empty() {
                bail!("{file}: the file is empty");
            }
            Ok(Some(text.to_owned()))
        }
    }
}

/// Whether a secret is set, by value or as a file.
pub fn variable_is_set(name: &str) -> bool {
    [name.to_owned(), format!("{name}_FILE")].iter().any(|name| matches!(variable(name), Ok(Some(_))))
}

fn variable(name: &str) -> Result<Option<String>> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => bail!("{name}: is no UTF-8"),
    }
}

/// A fresh secret of 256 bits, in the form for settings.
pub fn random() -> String {
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
