//! An error reply that somebody must mend.
//!
//! A server that loads, is busy or fails over does not refuse: this passes by itself, within moments.

use std::fmt;
use std::sync::Arc;

use redis::RedisError;

use crate::Diagnosis;
use crate::reply_remedy::{OTHER_SERVER, answered, code_and_text};
use crate::reply_text;
use crate::role::Role;
use crate::sent::Sent;
use crate::server::Server;

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
    /// The text of the answer, made safe.
    text: String,
    server: Arc<Server>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// The user may not run the command.
    Command,
    /// The user may not use a key of the command.
    Key,
    /// The server lets nobody in with these credentials, or without any.
    Login,
    /// The server has no password, and was given one.
    NoPassword,
    /// The server lets in nobody from other machines.
    Protected,
    /// The server has no database of this number.
    Database,
    /// The server is in a Cluster, where the settings know of none.
    InCluster,
    /// The server is in no Cluster.
    NoCluster,
    /// The server cannot compile the script.
    Old,
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
    /// The error of `server`, where somebody must mend it; `None` for a failure that passes by itself. `sent` tells what
    /// was sent, for a text that does not name it.
    pub(crate) fn of(
        error: &RedisError,
        server: &Arc<Server>,
        sent: impl FnOnce(&str) -> Sent,
    ) -> Option<Self> {
        let (code, text) = code_and_text(error)?;
        let cause = cause(&code, &text)?;
        let code = if matches!(cause, Cause::Command | Cause::Key) { "NOPERM".to_owned() } else { code };
        let sent = if cause == Cause::Login { Sent::new("AUTH", "") } else { sent(&text) };
        let command = quoted_command(&text).or(sent.command).unwrap_or_else(|| "a command".to_owned());
        let keys = if cause == Cause::Key { sent.keys } else { String::new() };
        let text = reply_text::safe(&text);
        Some(Self { command, code, keys, cause, text, server: server.clone() })
    }

    /// A call meant for another server of a Cluster, by links that know one server.
    pub(crate) fn by_member_of_cluster(server: &Arc<Server>) -> Self {
        let (command, code) = ("a command".to_owned(), "MOVED".to_owned());
        let (keys, text, server) = (String::new(), String::new(), server.clone());
        Self { command, code, keys, cause: Cause::OtherServer, text, server }
    }

    /// A name for replies with one remedy, whatever the server and its words.
    pub(crate) fn kind(&self) -> String {
        format!("{} {} {} {:?}", self.code, self.command, self.keys, self.cause)
    }

    /// Whether it may pass by itself: keys expire, or somebody makes room on a disk.
    pub fn may_pass(&self) -> bool {
        self.cause == Cause::Pressure
    }

    /// Whether the server is out of memory.
    pub fn is_of_memory(&self) -> bool {
        self.code == "OOM"
    }

    /// Whether the server knows no such command.
    pub fn is_of_unknown_command(&self) -> bool {
        self.cause == Cause::Unknown
    }

    /// Whether the user lacks a right.
    pub fn is_of_rights(&self) -> bool {
        matches!(self.cause, Cause::Command | Cause::Key)
    }

    /// Whether a Sentinel does not know the master name.
    pub(crate) fn is_of_unknown_master(&self) -> bool {
        self.text.contains("No such master")
    }

    /// The same in three parts.
    pub(crate) fn diagnosis(&self) -> Diagnosis {
        Diagnosis::new(self.server.clone(), self.answered(), self.remedy())
    }

    pub(crate) fn is_of_record(&self) -> bool {
        self.cause == Cause::Record
    }
}

impl fmt::Display for ErrorReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}; {}", self.server, self.answered(), self.remedy())
    }
}

impl ErrorReply {
    fn answered(&self) -> String {
        let keys = if self.keys.is_empty() { String::new() } else { format!(" on {}", self.keys) };
        answered(&self.code, Some(&format!("{}{keys}", self.command)), &self.text)
    }

    fn remedy(&self) -> String {
        let remedy = match self.cause {
            Cause::Login if self.code == "NOAUTH" => {
                return format!("set user and password: {}", self.server.login_settings());
            }
            Cause::Login => return format!("correct user and password in {}", self.server.login_settings()),
            Cause::NoPassword => {
                return format!("it has no password; take the one out of {}", self.server.login_settings());
            }
            Cause::Command if self.command.contains(' ') => {
                "its user lacks the right to a command; `token-gateway check` names it, and docs/operate/redis-users.md has all of them"
            }
            Cause::Command => return format!("grant its user +{}", self.command.to_lowercase()),
            Cause::Key => "grant its user the pattern of the key",
            Cause::Unknown => self.remedy_of_unknown_command(),
            Cause::Protected => "set a password or a user there, or bind it and protected-mode otherwise",
            Cause::Database => "correct the number of the database in REDIS_URL, or raise databases there",
            Cause::InCluster => {
                "it is in a Cluster; let REDIS_URL begin with redis+cluster:// and name no database"
            }
            Cause::NoCluster => "it is in no Cluster; let REDIS_URL begin with redis:// and name one server",
            Cause::Old => "run Redis 7.0 or Valkey 7.2, or newer",
            Cause::OtherServer => OTHER_SERVER,
            Cause::Record => {
                "a key holds something foreign; move away what another program wrote below REDIS_PREFIX"
            }
            Cause::Pressure if self.is_of_memory() => {
                "raise maxmemory, or end sessions; docs/operate/redis-memory.md says how to find their service"
            }
            Cause::Pressure => "its log has the reason; make room on its disk",
            Cause::Other => "its log may have the reason; run Redis 7.0 or Valkey 7.2, or newer",
        };
        remedy.to_owned()
    }

    fn remedy_of_unknown_command(&self) -> &'static str {
        if self.server.role == Role::Sentinel {
            return "it is no Sentinel; let REDIS_URL name Sentinels (port 26379), or begin with redis:// for one server";
        }
        "this server knows no such command; run Redis 7.0 or Valkey 7.2, or newer, without rename-command; \
         if it is a Sentinel, let REDIS_URL begin with redis+sentinel://"
    }
}

fn cause(code: &str, text: &str) -> Option<Cause> {
    let says = |words: &str| text.contains(words);
    match code {
        "NOAUTH" => Some(Cause::Login),
        "ERR" if says("without any password configured") => Some(Cause::NoPassword),
        "ERR" if says("invalid password") => Some(Cause::Login),
        "ERR" if says("DB index") => Some(Cause::Database),
        "ERR" if says("SELECT is not allowed") => Some(Cause::InCluster),
        "ERR" if says("cluster support disabled") => Some(Cause::NoCluster),
        "ERR" if says("compiling script") => Some(Cause::Old),
        "DENIED" => Some(Cause::Protected),
        "WRONGPASS" if !says("max number of clients") => Some(Cause::Login),
        "WRONGTYPE" | "CORRUPT" => Some(Cause::Record),
        "OOM" | "MISCONF" => Some(Cause::Pressure),
        "EXECABORT" | "CROSSSLOT" | "NOPROTO" => Some(Cause::Other),
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
    use crate::address::Address;

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

    fn server(role: Role) -> Arc<Server> {
        let address = Address { host: "10.0.0.1".to_owned(), port: 6379 };
        Arc::new(Server { address, role, over_tls: false, announcer: None })
    }

    fn said(line: &str) -> Option<String> {
        ErrorReply::of(&reply(line), &server(Role::Data), sent).map(|reply| reply.to_string())
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
            (
                "NOAUTH Authentication required.",
                "NOAUTH (Authentication required): set user and password: REDIS_URL",
            ),
            (
                "WRONGPASS invalid username-password pair or user is disabled.",
                "WRONGPASS to AUTH (invalid username-password pair or user is disabled): correct user and password in REDIS_URL",
            ),
            (
                "WRONGTYPE Operation against a key script: 4c9, on @user_script:2.",
                "WRONGTYPE to HSET: a key holds",
            ),
            (
                "OOM command not allowed script: e6a, on @user_script:2.",
                "OOM to HSET (command not allowed): raise maxmemory",
            ),
            (
                "ERR Error compiling script (new function): user_script:2: unexpected symbol",
                "ERR to EVALSHA of create (Error compiling script: run Redis 7.0",
            ),
        ] {
            let found = said(line).unwrap_or_else(|| panic!("{line}"));
            let (answered, remedy) = wanted.split_once(": ").expect("two parts");
            assert!(
                found.starts_with(&format!("Redis at 10.0.0.1:6379 answered {answered}")),
                "{line}: {found}"
            );
            assert!(found.contains(&format!("; {remedy}")), "{line}: {found}");
            assert!(!found.contains("secret"), "{found}");
        }
    }

    /// In the words of Redis 6.2, Redis 7.0 and Sentinel 7.0.
    #[test]
    fn each_mistaken_set_up_has_its_own_remedy() {
        for (role, line, remedy) in [
            (Role::Data, "ERR DB index is out of range", "correct the number of the database"),
            (
                Role::Data,
                "ERR SELECT is not allowed in cluster mode",
                "redis+cluster:// and name no database",
            ),
            (
                Role::Data,
                "ERR This instance has cluster support disabled",
                "let REDIS_URL begin with redis:// ",
            ),
            (Role::Data, "ERR AUTH <password> called without any password configured", "it has no password"),
            (Role::Data, "DENIED Redis is running in protected mode because", "set a password"),
            (Role::Data, "MISCONF Errors writing to the AOF file", "make room on its disk"),
            (Role::Data, "ERR Unsupported option GT", "run Redis 7.0 or Valkey 7.2"),
            (
                Role::Sentinel,
                "ERR unknown command `SENTINEL`, with args beginning with: `MASTER`",
                "it is no Sentinel",
            ),
            (Role::Sentinel, "NOAUTH Authentication required.", "REDIS_SENTINEL_PASSWORD"),
        ] {
            let found = ErrorReply::of(&reply(line), &server(role), |_| Sent::default());
            let found = found.unwrap_or_else(|| panic!("{line}")).to_string();
            assert!(found.contains("10.0.0.1:6379 answered") && found.contains(remedy), "{found}");
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
        let full = ErrorReply::of(&reply("OOM command not allowed"), &server(Role::Data), sent)
            .expect("a lasting error");
        assert!(full.may_pass(), "keys expire");
    }
}
