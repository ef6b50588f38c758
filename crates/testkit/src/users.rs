//! The users of `ops/redis/users.acl`, with passwords known to the tests.

use std::path::PathBuf;

pub const GATEWAY: (&str, &str) = ("gateway", "password-of-the-gateway");
pub const OPERATOR: (&str, &str) = ("operator", "password-of-the-operator");

/// More rights of the gateway's user, for a Cluster, as docs/operate/redis-users.md has it.
const IN_A_CLUSTER: &str = "+asking +cluster|nodes";

fn rules() -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../ops/redis/users.acl");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().filter(|line| line.starts_with("user ")).map(|line| format!("{line}\n")).collect()
}

/// The rule of the gateway's user.
pub fn rule_of_the_gateway() -> Vec<String> {
    let rules = rules();
    let rule = rules.lines().find_map(|line| line.strip_prefix("user gateway ")).expect("its rule");
    rule.split(' ').map(str::to_owned).collect()
}

/// A file for `--aclfile`.
pub fn file() -> String {
    let (gateway, operator) = (format!(">{}", GATEWAY.1), format!(">{}", OPERATOR.1));
    let with = |line: &str| match line.split(' ').nth(1) {
        Some("gateway") => format!("{line} {IN_A_CLUSTER} {gateway}\n"),
        Some("operator") => format!("{line} {operator}\n"),
        _ => format!("{line}\n"),
    };
    rules().lines().map(with).collect()
}

/// A user in a URL: `user:password@`.
pub fn login((name, password): (&str, &str)) -> String {
    format!("{name}:{password}@")
}
