//! The text of the `.env`.

use super::files::Owner;
use crate::config::catalog;

/// Path of the key set, relative to the folder of the `.env`.
pub const KEY_SET_FILE: &str = "keys/signing.json";

/// Folder of the secrets, relative to the same folder. Each has its own file, under its name in docker-compose.yml.
pub const SECRETS_FOLDER: &str = "secrets";

/// All settings, those with a default as comments, and no secret: a container's environment can be inspected.
pub fn text(issuer: &str, owner: Owner) -> String {
    let first = first(issuer, owner);
    let is_there =
        |name: &str| [format!("{name}="), format!("{name}_FILE=")].iter().any(|it| first.contains(it));
    let rest = catalog::settings().into_iter().filter(|setting| !is_there(&setting.name));
    let rest: String = rest.map(|setting| setting.env_line()).collect();
    first + &rest
}

/// The settings that a new deployment looks at, each with a word.
fn first(issuer: &str, (user, group): Owner) -> String {
    format!(
        "\
# Settings of token-gateway; `token-gateway serve --help` explains each. Secrets are in {SECRETS_FOLDER}/, a file each.
# In a shell: set -a; . ./.env; set +a      For docker-compose.yml: as it is.

# iss of all tokens: the public URL of the gateway.
ISSUER={issuer}

# The keys that sign access tokens, from the folder in which the gateway starts. `token-gateway keys list` shows them,
# `keys rotate` replaces the active one; nodes notice.
SIGNING_KEYS={KEY_SET_FILE}
# Instead: a file with one secret that verifiers share (HS256). Its holders can mint access tokens.
#SIGNING_SECRET_FILE=

# Signs refresh tokens. No verifier ever needs it.
REFRESH_SECRET_FILE={SECRETS_FOLDER}/refresh_secret

# Backends that may call /v1: name[+role+role]=<sha256 of the key>, comma-separated.
# More: token-gateway service-key new <name> [role...]
SERVICE_KEYS_FILE={SECRETS_FOLDER}/service_keys

# Where sessions live. With a password in it: a file, and REDIS_URL_FILE.
REDIS_URL=redis://127.0.0.1:6379

# Only docker-compose.yml reads these. There REDIS_URL comes from {SECRETS_FOLDER}/redis_url; the one above is for a Redis of your
# own. The gateways run as the user and group that may read {SECRETS_FOLDER}/ and the keys.
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
