//! The text of the `.env`.

use super::env_value::EnvValue;
use super::files::Owner;
use crate::config::catalog;

/// The values that differ from one `.env` to another.
pub struct Values {
    pub issuer: EnvValue,
    pub signing_keys: EnvValue,
    pub refresh_secret_file: EnvValue,
    pub service_keys_file: EnvValue,
    /// The user of the stack's gateways.
    pub owner: Owner,
}

/// All settings, those with a default as comments, and no secret: a container's environment can be inspected.
pub fn text(values: &Values) -> String {
    let first = first(values);
    let is_there =
        |name: &str| [format!("{name}="), format!("{name}_FILE=")].iter().any(|it| first.contains(it));
    let rest = catalog::settings().into_iter().filter(|setting| !is_there(&setting.name));
    let rest: String = rest.map(|setting| setting.env_line()).collect();
    first + &rest
}

/// The settings that a new deployment looks at, each with a word.
fn first(values: &Values) -> String {
    let Values { issuer, signing_keys, refresh_secret_file, service_keys_file, owner: (user, group) } =
        values;
    format!(
        "\
# Settings of token-gateway; `token-gateway serve --help` explains each. Secrets are in secrets/, a file each.
# In a shell: set -a; . ./.env; set +a      For docker-compose.yml: as it is.

# iss of all tokens: the public URL of the gateway.
ISSUER={issuer}

# The keys that sign access tokens. `token-gateway keys list` shows them, `keys rotate` replaces the active one; nodes
# notice. A relative path begins at the folder in which the gateway starts.
SIGNING_KEYS={signing_keys}
# Instead: a file with one secret that verifiers share (HS256). Its holders can mint access tokens.
#SIGNING_SECRET_FILE=

# Signs refresh tokens. No verifier ever needs it.
REFRESH_SECRET_FILE={refresh_secret_file}

# Backends that may call /v1: name[+role+role]=<sha256 of the key>, comma-separated.
# More: token-gateway service-key new <name> [role...]
SERVICE_KEYS_FILE={service_keys_file}

# Where sessions live. With a password in it: a file, and REDIS_URL_FILE.
REDIS_URL=redis://127.0.0.1:6379

# Only docker-compose.yml reads these. There REDIS_URL comes from secrets/redis_url; the one above is for a Redis of your
# own. The gateways run as the user and group that may read secrets/ and the keys.
GATEWAY_USER={user}:{group}
# The address and port on which the stack listens, and a port that is always on 127.0.0.1.
#PUBLIC_ADDR=127.0.0.1:8080
#INTERNAL_PORT=8081
# A second checkout on the same machine needs values of its own for those two and for these two. STACK_SUBNET is the first
# three numbers of the inner network's addresses, a /24, without a dot at the end.
#COMPOSE_PROJECT_NAME=token-gateway
#STACK_SUBNET=10.83.64

# The rest, with defaults.
"
    )
}
