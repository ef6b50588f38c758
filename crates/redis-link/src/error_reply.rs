//! An error reply that somebody must mend.
//!
//! A server that loads, is busy or fails over does not refuse: this passes by itself, within moments.

use std::fmt;

use redis::{ErrorKind, RedisError};

use crate::sent::Sent;

/// The error in place of an answer to a command, where somebody must mend something first. Holds no argument of the
/// command, and no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorReply {
    /// The command, such as `HDEL`, `CLUSTER|NODES` or `EVALSHA of rotate`.
    pub command: String,
    /// The code of the answer. `NOPERM` also where a script may not run one of its commands.
    pub code: String,
    /// The patterns of the keys, where one of them may not be used.
    keys: String,
    cause: Cause,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// The user may not run the command.
    Command,
    /// The user may not use a key of the command.
    Key,
    /// The server lets nobody in with these credentials.
    Login,
    /// The server does not know the command.
    Unknown,
    /// A key is on another server of a Cluster.
    OtherServer,
    /// A key holds something foreign.
    Record,
    /// The server is full, or cannot write to its disk.
    Pressure,
    Other,
}

impl ErrorReply {
    /// The error, where somebody must mend it, from the client library; `None` for a failure that passes by itself.
    /// `sent` tells what was sent, for a text that does not name it.
    pub(crate) fn of(error: &RedisError, sent: impl FnOnce(&str) -> Sent) -> Option<Self> {
        let (code, text) = code_and_text(error)?;
        let cause = cause(&code, &text)?;
        let code = if matches!(cause, Cause::Command | Cause::Key) { "NOPERM".to_owned() } else { code };
        let sent = if cause == Cause::Login { Sent::new("AUTH", "") } else { sent(&text) };
        let command = quoted_command(&text).or(sent.command).unwrap_or_else(|| "a command".to_owned());
        let keys = if cause == Cause::Key { sent.keys } else { String::new() };
        Some(Self { command, code, keys, cause })
    }

    /// A call meant for another server of a Cluster, by links that know one server.
    pub(crate) fn by_member_of_cluster() -> Self {
        let (command, code) = ("a command".to_owned(), "MOVED".to_owned());
        Self { command, code, keys: String::new(), cause: Cause::OtherServer }
    }

    /// Whether it may pass by itself: keys expire, or somebody makes room on a disk.
    pub fn may_pass(&self) -> bool {
        self.cause == Cause::Pressure
    }

    /// Whether the server knows no such command.
    pub fn is_of_unknown_command(&self) -> bool {
        self.cause == Cause::Unknown
    }

    /// Whether the user lacks a right.
    pub fn is_of_rights(&self) -> bool {
        matches!(self.cause, Cause::Command | Cause::Key)
    }

    pub(crate) fn is_of_record(&self) -> bool {
        self.cause == Cause::Record
    }
}

impl fmt::Display for ErrorReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (code, command) = (&self.code, &self.command);
        match self.cause {
            Cause::Login => write!(f, "Redis answered {code} (user and password: REDIS_URL)"),
            Cause::Command if command.contains(' ') => {
                write!(f, "Redis answered {code} to {command}: its user lacks the right to a command")
            }
            Cause::Command => {
                write!(f, "Redis answered {code} to {command}: grant its user +{}", command.to_lowercase())
            }
            Cause::Key => {
                let on = if self.keys.is_empty() { String::new() } else { format!(" on {}", self.keys) };
                write!(f, "Redis answered {code} to {command}{on}: grant its user the pattern of the key")
            }
            Cause::Unknown => {
                write!(f, "Redis answered {code} to {command}: this server knows no such command")
            }
            Cause::OtherServer => write!(f, "Redis answered {code}: {OTHER_SERVER}"),
            Cause::Record => write!(f, "Redis answered {code} to {command}: a key holds something foreign"),
            Cause::Pressure | Cause::Other => write!(f, "Redis answered {code} to {command}"),
        }
    }
}

/// The remedy where a server says that another one has the key.
pub(crate) const OTHER_SERVER: &str =
    "another server of the Cluster has the key; let REDIS_URL begin with redis+cluster://";

/// Code and text of an error reply. For commands sent together: those of the first failure.
fn code_and_text(error: &RedisError) -> Option<(String, String)> {
    if error.kind() == ErrorKind::AuthenticationFailed {
        return Some(("WRONGPASS".to_owned(), error.to_string()));
    }
    let text = error.detail().map(str::to_owned);
    let of_several = || {
        let first = error.clone().into_server_errors()?.first()?.1.clone();
        Some((first.code().to_owned(), first.details().unwrap_or_default().to_owned()))
    };
    let alone =
        error.code().filter(|_| text.is_some()).map(|code| (code.to_owned(), text.unwrap_or_default()));
    alone.or_else(of_several).or_else(|| Some((error.code()?.to_owned(), String::new())))
}

fn cause(code: &str, text: &str) -> Option<Cause> {
    let says = |words: &str| text.contains(words);
    match code {
        "NOAUTH" => Some(Cause::Login),
        "WRONGPASS" if !says("max number of clients") => Some(Cause::Login),
        "WRONGTYPE" | "CORRUPT" => Some(Cause::Record),
        "OOM" | "MISCONF" => Some(Cause::Pressure),
        "DENIED" | "EXECABORT" | "CROSSSLOT" | "NOPROTO" => Some(Cause::Other),
        "NOPERM" | "ERR" => cause_of_text(code, text),
        _ => None,
    }
}

/// Servers word the same reply differently, and a script refused a right answers with `ERR`.
fn cause_of_text(code: &str, text: &str) -> Option<Cause> {
    let says = |words: &str| text.contains(words);
    if says("can't access at least one of the keys") || says("ermissions to access") {
        return Some(Cause::Key);
    }
    if code == "NOPERM" || says("ermissions to run") || says("can't run this command") || says("ACL failure")
    {
        return Some(Cause::Command);
    }
    if says("nknown command") || says("nknown Redis command") || says("nknown subcommand") {
        return Some(Cause::Unknown);
    }
    let passes = ["max number of clients", "is busy", "non local key", "is down", "oading"];
    (!passes.into_iter().any(says)).then_some(Cause::Other)
}

/// The command that the server names: `… to run the 'hdel' command`, `unknown command 'HDEL', …`.
fn quoted_command(text: &str) -> Option<String> {
    let before = text.rsplit_once("' command").map(|(before, _)| before);
    let named = before.and_then(|before| before.rsplit_once('\'')).map(|(_, name)| name);
    let unknown = text.split_once("unknown command '").and_then(|(_, rest)| rest.split_once('\''));
    let name = named.or(unknown.map(|(name, _)| name))?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'|' | b'-' | b'_');
    (!name.is_empty() && name.len() <= 32 && name.bytes().all(is_name)).then(|| name.to_uppercase())
}

#[cfg(test)]
mod tests {
    use redis::{Value, from_redis_value};

    use super::*;

    /// The error of a reply as a server sends it.
    fn reply(line: &str) -> RedisError {
        let value = redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).expect("a reply");
        match value {
            Value::ServerError(error) => error.into(),
            value => panic!("{:?}", from_redis_value::<String>(value)),
        }
    }

    /// Lines 2 and 3 of the script call these commands.
    fn sent(text: &str) -> Sent {
        let commands = [("@user_script:2.", "HSET"), ("@user_script:3.", "HDEL")];
        let command = commands.iter().find(|(line, _)| text.contains(line)).map(|(_, command)| *command);
        Sent::new(command.unwrap_or("EVALSHA of create"), "tg:{*}:sessions")
    }

    fn said(line: &str) -> Option<String> {
        ErrorReply::of(&reply(line), sent).map(|reply| reply.to_string())
    }

    /// In the words of Redis 7.0, Redis 8 and Valkey 9.
    #[test]
    fn a_reply_names_its_command_whatever_the_words_of_the_server() {
        for (line, wanted) in [
            (
                "ERR The user executing the script can't run this command or subcommand script: a64, on @user_script:3.",
                "NOPERM to HDEL: grant its user +hdel",
            ),
            (
                "ERR ACL failure in script: User g has no permissions to run the 'hdel' command script: a64, on @user_script:3.",
                "NOPERM to HDEL: grant its user +hdel",
            ),
            (
                "ERR ACL failure in script: User g has no permissions to run the 'hset' command script: on @user_script:2.",
                "NOPERM to HSET: grant its user +hset",
            ),
            (
                "ERR The user executing the script can't access at least one of the keys mentioned in the command \
                 arguments script: 3b0, on @user_script:2.",
                "NOPERM to HSET on tg:{*}:sessions: grant its user the pattern of the key",
            ),
            (
                "ERR ACL failure in script: No permissions to access a key script: on @user_script:2.",
                "NOPERM to HSET on tg:{*}:sessions: grant its user the pattern of the key",
            ),
            (
                "ERR Unknown Redis command called from script script: 8dd, on @user_script:3.",
                "ERR to HDEL: this server",
            ),
            ("ERR Unknown command called from script script: on @user_script:3.", "ERR to HDEL: this server"),
            (
                "NOPERM this user has no permissions to run the 'evalsha' command",
                "NOPERM to EVALSHA: grant its user +evalsha",
            ),
            (
                "NOPERM User g has no permissions to run the 'cluster|nodes' command",
                "NOPERM to CLUSTER|NODES: grant its user +cluster|nodes",
            ),
            (
                "NOPERM No permissions to access a key",
                "NOPERM to EVALSHA of create on tg:{*}:sessions: grant its user the pattern of the key",
            ),
            (
                "NOPERM this user has no permissions to access one of the keys used as arguments",
                "NOPERM to EVALSHA of create on tg:{*}:sessions: grant its user the pattern of the key",
            ),
            (
                "ERR unknown command 'WAIT', with args beginning with: '1' 'secret' ",
                "ERR to WAIT: this server knows no such command",
            ),
            ("NOAUTH Authentication required.", "NOAUTH (user and password: REDIS_URL)"),
            (
                "WRONGPASS invalid username-password pair or user is disabled.",
                "WRONGPASS (user and password: REDIS_URL)",
            ),
            (
                "WRONGTYPE Operation against a key script: 4c9, on @user_script:2.",
                "WRONGTYPE to HSET: a key holds",
            ),
            ("OOM command not allowed script: e6a, on @user_script:2.", "OOM to HSET"),
            (
                "ERR Error compiling script (new function): user_script:2: unexpected symbol",
                "ERR to EVALSHA of create",
            ),
        ] {
            let found = said(line).unwrap_or_else(|| panic!("{line}"));
            assert!(found.starts_with(&format!("Redis answered {wanted}")), "{line}: {found}");
            assert!(!found.contains("secret"), "{found}");
        }
    }

    #[test]
    fn what_passes_by_itself_is_no_lasting_error() {
        for line in [
            "LOADING Redis is loading the dataset in memory",
            "BUSY Redis is busy running a script.",
            "READONLY You can't write against a read only replica.",
            "MASTERDOWN Link with MASTER is down",
            "NOREPLICAS Not enough good replicas to write.",
            "CLUSTERDOWN The cluster is down",
            "TRYAGAIN Multiple keys request during rehashing of slot",
            "MOVED 1 127.0.0.1:7001",
            "ERR max number of clients reached",
            "ERR Script attempted to access a non local key in a cluster node script: 4c9, on @user_script:2.",
        ] {
            assert_eq!(said(line), None, "{line}");
        }
        let full = ErrorReply::of(&reply("OOM command not allowed"), sent).expect("a lasting error");
        assert!(full.may_pass(), "keys expire");
    }
}
