//! Verbs that other tools have for a command, and that are not like its name.

/// Command, verb, and the line that was meant.
const ALIASES: [(&str, &[&str], &str); 12] = [
    ("token-gateway", &["start", "run", "server", "up"], "token-gateway serve"),
    ("token-gateway", &["version"], "token-gateway --version"),
    ("token-gateway", &["doctor", "validate", "verify"], "token-gateway check"),
    ("token-gateway", &["health", "ping", "ready"], "token-gateway healthcheck"),
    ("token-gateway", &["logout", "revoke"], "token-gateway sessions end"),
    ("keys", &["add", "create", "generate"], "token-gateway keys new"),
    ("keys", &["remove", "delete", "rm", "revoke"], "token-gateway keys retire"),
    ("keys", &["ls", "show"], "token-gateway keys list"),
    ("sessions", &["ls"], "token-gateway sessions list"),
    ("sessions", &["rm", "remove", "delete", "kill", "revoke", "logout"], "token-gateway sessions end"),
    ("sessions", &["get"], "token-gateway sessions show"),
    ("service-key", &["create", "add", "generate", "make"], "token-gateway service-key new"),
];

/// The line that this verb of another tool means behind the command.
pub fn meant(command: &str, verb: &str) -> Option<&'static str> {
    let found = ALIASES.iter().find(|(name, verbs, _)| *name == command && verbs.contains(&verb));
    found.map(|(_, _, line)| *line)
}
