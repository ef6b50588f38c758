//! `token-gateway init`: a complete `.env` with fresh secrets.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;

use super::Usage;
use crate::config::{random_password, random_secret};
use crate::gateway::service_keys::NewServiceKey;

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
        // `create_new`: a second `init` must not throw away the secrets that live tokens are signed with.
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&self.output)
            .with_context(|| format!("--output: cannot create {}", self.output.display()))?;
        file.write_all(environment(&issuer, &key.entry).as_bytes())?;
        println!("wrote {}", self.output.display());
        println!("service key of '{}', shown this once: {}", self.service, key.key);
        Ok(ExitCode::SUCCESS)
    }
}

fn environment(issuer: &str, service_keys: &str) -> String {
    format!(
        "\
# Settings of token-gateway; `token-gateway serve --help` explains each. Keep this file secret.
# In a shell: set -a; . ./.env; set +a      For docker-compose.yml: as it is.

# iss of all tokens: the public URL of the gateway.
ISSUER={issuer}

# Signs access tokens (HS256). Whoever holds it can mint access tokens.
SIGNING_SECRET={}

# Signs refresh tokens. No verifier ever needs it.
REFRESH_SECRET={}

# Backends that may call /v1: name[+role+role]=<sha256 of the key>, comma-separated.
# More: token-gateway service-key new <name> [role...]
SERVICE_KEYS={service_keys}

# Where sessions live.
REDIS_URL=redis://127.0.0.1:6379

# Only docker-compose.yml reads these: the passwords of its Redis, of the gateways and of people with redis-cli. There
# the gateways' REDIS_URL is made from the first; the one above is for a Redis of your own. The two below say where
# the stack listens.
REDIS_PASSWORD={}
REDIS_OPERATOR_PASSWORD={}
#PUBLIC_ADDR=127.0.0.1:8080
#INTERNAL_PORT=8081

# The rest, with defaults.
#BIND_ADDR=127.0.0.1:8080
#ADMIN_ADDR=127.0.0.1:9090
#WORKERS=
#REDIS_PREFIX=tg
#REDIS_TIMEOUT_MS=500
#REDIS_MAX_IN_FLIGHT=1024
#REDIS_WAIT_REPLICAS=0
#AUDIENCE=api
#ACCESS_TTL_SECONDS=900
#REFRESH_TTL_SECONDS=604800
#SESSION_MAX_AGE_SECONDS=7776000
#REFRESH_GRACE_SECONDS=0
#REUSE_SCOPE=subject
#MAX_SESSIONS_PER_SUBJECT=100
#TOMBSTONE_TTL_SECONDS=86400
#SHUTDOWN_GRACE_SECONDS=20
#RUST_LOG=info
#LOG_FORMAT=text
",
        random_secret(),
        random_secret(),
        random_password(),
        random_password(),
    )
}
