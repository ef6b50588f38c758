//! The settings by subject, and each in a few words, for `-h`. `--help` and docs/reference/settings.md have the whole text, from the
//! declarations.

/// A heading of `-h` and `--help`, and its settings with their summaries.
pub struct Group {
    pub heading: &'static str,
    pub settings: &'static [(&'static str, &'static str)],
}

/// Every setting that is a flag, once.
pub const GROUPS: [Group; 7] = [
    Group {
        heading: "Server",
        settings: &[
            ("BIND_ADDR", "Listening address"),
            ("PORT", "Without BIND_ADDR: listen on 0.0.0.0:PORT"),
            ("ADMIN_ADDR", "Address of /metrics and of /readyz in full"),
            ("API_DOCS", "The address with /docs and /openapi.json"),
            ("TRUSTED_PROXIES", "Proxies whose X-Forwarded-For is believed"),
            ("WORKERS", "HTTP worker threads"),
            ("SHUTDOWN_GRACE_SECONDS", "Time for requests in flight at the end"),
        ],
    },
    Group {
        heading: "Redis",
        settings: &[
            ("STORE", "Where sessions live"),
            ("REDIS_PREFIX", "Prefix of every Redis key"),
            ("REDIS_TIMEOUT_MS", "Deadline of a request's store part"),
            ("REDIS_TLS_CA", "CA of Redis's certificate, PEM"),
            ("REDIS_TLS_CERT", "Certificate shown to Redis, PEM"),
            ("REDIS_TLS_KEY", "Private key of that certificate, PEM"),
            ("REDIS_SENTINEL_USERNAME", "User name for Sentinels"),
            ("REDIS_MAX_IN_FLIGHT", "Store calls in flight"),
            ("REDIS_WAIT_REPLICAS", "Replicas to acknowledge an ended session"),
        ],
    },
    Group {
        heading: "Tokens",
        settings: &[
            ("ISSUER", "`iss` of all tokens, the gateway's public URL"),
            ("AUDIENCE", "`aud` where a session names none"),
            ("TYP_JWT_AUDIENCES", "Audiences that get the header `typ: JWT`"),
            ("ME_AUDIENCES", "Audiences that open /v1/me"),
            ("ACCESS_TTL_SECONDS", "Lifetime of access tokens"),
            ("REFRESH_TTL_SECONDS", "Lifetime of refresh tokens"),
        ],
    },
    Group {
        heading: "Keys",
        settings: &[
            ("SIGNING_KEYS", "The key set that signs access tokens"),
            ("JWKS_MAX_AGE_SECONDS", "Time for which verifiers keep the keys"),
        ],
    },
    Group {
        heading: "Sessions",
        settings: &[
            ("SESSION_MAX_AGE_SECONDS", "Lifetime of a session; 0 = no limit"),
            ("REFRESH_GRACE_SECONDS", "Grace window of a superseded token"),
            ("REUSE_SCOPE", "The sessions that end at a reuse"),
            ("MAX_SESSIONS_PER_SUBJECT", "Live sessions of one subject"),
            ("TOMBSTONE_TTL_SECONDS", "Time for which an ended session is kept"),
        ],
    },
    Group {
        heading: "Revocation feed",
        settings: &[
            ("VERIFY_MAX_STALE_SECONDS", "Lag at which the feed is stale"),
            ("VERIFY_WHEN_STALE", "Answer of /verify while it is stale"),
        ],
    },
    Group {
        heading: "Log",
        settings: &[
            ("RUST_LOG", "Log lines to write"),
            ("LOG_FORMAT", "Log lines for people or for machines"),
        ],
    },
];

/// Heading and summary of a setting.
pub fn group_of(name: &str) -> Option<(&'static str, &'static str)> {
    let mut all = GROUPS.iter().flat_map(|group| group.settings.iter().map(|it| (group.heading, it)));
    all.find(|(_, (own, _))| *own == name).map(|(heading, (_, summary))| (heading, *summary))
}
