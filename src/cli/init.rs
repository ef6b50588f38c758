//! `token-gateway init`: a complete `.env` with fresh secrets, and the first key of a key set.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;

use super::Usage;
use crate::config::{random_password, random_secret};
use crate::gateway::service_keys::NewServiceKey;
use crate::token::jwk::Alg;
use crate::token::key_set::KeySet;

/// Where the key set goes, from the folder of the `.env`.
const KEYS: &str = "keys/signing.json";

/// Whom the stack's gateways run as when `init` is run by root: a container is never root.
const NOBODY_ELSE: u32 = 10001;

#[derive(Debug, Args)]
pub struct Init {
    /// The file to write; an existing one is never touched
    #[arg(long, default_value = ".env")]
    output: PathBuf,
    /// The public URL of the gateway
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    issuer: String,
    /// The name of the first service
    #[arg(long, default_value = "login")]
    service: String,
}

impl Init {
    pub fn run(&self) -> Result<ExitCode> {
        let key = NewServiceKey::generate(&self.service, &[])
            .map_err(|error| Usage(format!("--service: {error}")))?;
        let issuer =
            crate::config::issuer(&self.issuer).map_err(|error| Usage(format!("--issuer: {error}")))?;
        let keys = self.output.with_file_name(KEYS);
        for path in [&self.output, &keys] {
            // A second `init` must not throw away what live tokens are signed with.
            if path.symlink_metadata().is_ok() {
                bail!("--output: cannot create {}, because it is there already", path.display());
            }
        }
        let owner =
            write_keys(&keys).with_context(|| format!("--output: cannot create {}", keys.display()))?;
        write_new(&self.output, &environment(&issuer, &key.entry, owner))
            .with_context(|| format!("--output: cannot create {}", self.output.display()))?;
        println!("wrote {} and {}", self.output.display(), keys.display());
        println!("service key of '{}', shown this once: {}", self.service, key.key);
        Ok(ExitCode::SUCCESS)
    }
}

/// User and group of the file: the stack's gateways run as these, so that they can read it.
fn write_keys(path: &Path) -> Result<(u32, u32)> {
    let folder = path.parent().context("it has a folder")?;
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    write_new(path, &KeySet::generate(Alg::Es256).to_text())?;
    if fs::metadata(path)?.uid() == 0 {
        for owned in [folder, path] {
            chown(owned, Some(NOBODY_ELSE), Some(NOBODY_ELSE))?;
        }
    }
    let file = fs::metadata(path)?;
    Ok((file.uid(), file.gid()))
}

fn write_new(path: &Path, text: &str) -> Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    Ok(file.write_all(text.as_bytes())?)
}

fn environment(issuer: &str, service_keys: &str, (user, group): (u32, u32)) -> String {
    format!(
        "\
# Settings of token-gateway; `token-gateway serve --help` explains each. Keep this file secret.
# In a shell: set -a; . ./.env; set +a      For docker-compose.yml: as it is.

# iss of all tokens: the public URL of the gateway.
ISSUER={issuer}

# The keys that sign access tokens, from the folder in which the gateway starts. `token-gateway keys list` shows them,
# `keys rotate` replaces the active one; nodes notice.
SIGNING_KEYS={KEYS}
# Instead: one secret that verifiers share (HS256). Whoever holds it can mint access tokens.
#SIGNING_SECRET=

# Signs refresh tokens. No verifier ever needs it.
REFRESH_SECRET={}

# Backends that may call /v1: name[+role+role]=<sha256 of the key>, comma-separated.
# More: token-gateway service-key new <name> [role...]
SERVICE_KEYS={service_keys}

# Where sessions live.
REDIS_URL=redis://127.0.0.1:6379

# Only docker-compose.yml reads these: the passwords of its Redis, of the gateways and of people with redis-cli. There
# the gateways' REDIS_URL is made from the first; the one above is for a Redis of your own. The gateways run as the user
# and group that may read the keys. The two below say where the stack listens.
REDIS_PASSWORD={}
REDIS_OPERATOR_PASSWORD={}
GATEWAY_USER={user}:{group}
#PUBLIC_ADDR=127.0.0.1:8080
#INTERNAL_PORT=8081

# The rest, with defaults.
#BIND_ADDR=127.0.0.1:8080
#ADMIN_ADDR=127.0.0.1:9090
#WORKERS=
#REDIS_PREFIX=tg
#REDIS_TLS_CA=
#REDIS_TLS_CERT=
#REDIS_TLS_KEY=
#REDIS_SENTINEL_USERNAME=
#REDIS_SENTINEL_PASSWORD=
#REDIS_TIMEOUT_MS=500
#REDIS_MAX_IN_FLIGHT=1024
#REDIS_WAIT_REPLICAS=0
#AUDIENCE=api
#TYP_JWT_AUDIENCES=
#JWKS_MAX_AGE_SECONDS=300
#ACCESS_TTL_SECONDS=900
#REFRESH_TTL_SECONDS=604800
#SESSION_MAX_AGE_SECONDS=7776000
#REFRESH_GRACE_SECONDS=0
#REUSE_SCOPE=subject
#MAX_SESSIONS_PER_SUBJECT=100
#TOMBSTONE_TTL_SECONDS=86400
#VERIFY_MAX_STALE_SECONDS=10
#VERIFY_WHEN_STALE=refuse
#SHUTDOWN_GRACE_SECONDS=20
#RUST_LOG=info
#LOG_FORMAT=text
",
        random_secret(),
        random_password(),
        random_password(),
    )
}
