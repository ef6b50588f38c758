//! The text of the `.env`.

use super::files::Owner;
use super::{KEYS, SECRETS};

/// All settings; those with a default stand in comments. The text holds no secret, because a container's environment
/// can be inspected.
pub fn text(issuer: &str, (user, group): Owner) -> String {
    format!(
        "\
# Settings of token-gateway; `token-gateway serve --help` explains each. Secrets are in {SECRETS}/, a file each.
# In a shell: set -a; . ./.env; set +a      For docker-compose.yml: as it is.

# iss of all tokens: the public URL of the gateway.
ISSUER={issuer}

# The keys that sign access tokens, from the folder in which the gateway starts. `token-gateway keys list` shows them,
# `keys rotate` replaces the active one; nodes notice.
SIGNING_KEYS={KEYS}
# Instead: a file with one secret that verifiers share (HS256). Whoever holds it can mint access tokens.
#SIGNING_SECRET_FILE=

# Signs refresh tokens. No verifier ever needs it.
REFRESH_SECRET_FILE={SECRETS}/refresh_secret

# Backends that may call /v1: name[+role+role]=<sha256 of the key>, comma-separated.
# More: token-gateway service-key new <name> [role...]
SERVICE_KEYS_FILE={SECRETS}/service_keys

# Where sessions live. With a password in it: a file, and REDIS_URL_FILE.
REDIS_URL=redis://127.0.0.1:6379

# Only docker-compose.yml reads these. There REDIS_URL comes from {SECRETS}/redis_url; the one above is for a Redis of your
# own. The gateways run as the user and group that may read {SECRETS}/ and the keys.
GATEWAY_USER={user}:{group}
# The address and port on which the stack listens, and a port that is always on 127.0.0.1.
#PUBLIC_ADDR=127.0.0.1:8080
#INTERNAL_PORT=8081
# A second checkout on the same machine needs values of its own for those two and for these two. STACK_SUBNET is the first
# three numbers of the inner network's addresses, a /24, without a dot at the end.
#COMPOSE_PROJECT_NAME=token-gateway
#STACK_SUBNET=10.83.64

# The rest, with defaults.
#BIND_ADDR=127.0.0.1:8080
#ADMIN_ADDR=127.0.0.1:9090
#WORKERS=
#REDIS_PREFIX=tg
#REDIS_TLS_CA=
#REDIS_TLS_CERT=
#REDIS_TLS_KEY=
#REDIS_SENTINEL_USERNAME=
#REDIS_SENTINEL_PASSWORD_FILE=
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
"
    )
}
