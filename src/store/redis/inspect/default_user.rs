//! The rights of the user `default`, on which the append-only file depends.
//!
//! While a server loads this file, it checks the commands of each transaction against `default`, even if the user is
//! `off`. The writes of one script are such a transaction. The server skips a command forbidden to `default`, and goes
//! on with the next (redis#14541, valkey#3983). A restart then loses sessions, and brings ended ones back.

use redis::Cmd;
use token_gateway_core::session::{SessionId, Subject};

use super::finding::{Finding, Severity};
use super::info::{Info, version_of};
use crate::store::redis::layout::Layout;

/// The first release of Valkey without checks while it loads. No such release of Redis is known.
const MENDED_VALKEY: (u32, u32, u32) = (9, 1, 2);

const DEFAULT_USER_CHECK: &str = "default-user";

/// The writes of the scripts as the file holds them, key and all. An expired key is deleted in their midst. From Redis
/// 7.2 on, the first transaction of a file begins with `SELECT`.
fn writes(keys: &Layout) -> [Vec<String>; 10] {
    let (subject, session): (Subject, SessionId) =
        ("check".parse().expect("a subject"), "1000000000000000000".parse().expect("an id"));
    let (layout, feed) = (keys.layout(), keys.feed());
    let [record, sessions] = keys.both(&subject, session);
    let line = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    [
        line(&["SELECT", "0"]),
        line(&["SET", &layout, "1"]),
        line(&["HSET", &record, "state", "live"]),
        line(&["HDEL", &record, "scope"]),
        line(&["SADD", &sessions, "1"]),
        line(&["SREM", &sessions, "1"]),
        line(&["PEXPIREAT", &record, "1"]),
        line(&["DEL", &record]),
        line(&["UNLINK", &record]),
        line(&["XADD", &feed, "*", "sid", "1"]),
    ]
}

/// Whether `default` may run all commands that the file may hold.
pub fn questions(keys: &Layout) -> impl Iterator<Item = Cmd> {
    writes(keys).into_iter().map(|words| redis::cmd("ACL").arg("DRYRUN").arg("default").arg(words).to_owned())
}

/// The finding from the answers; `None` stands for a denied question.
pub fn finding(info: &Info, answers: &[Option<String>]) -> Finding {
    let is_mended = version_of(info.get("valkey_version")) >= MENDED_VALKEY;
    let has_file = info.get("aof_enabled") == "1";
    if answers.iter().flatten().any(|answer| answer != "OK") {
        let severity = if has_file && !is_mended { Severity::Problem } else { Severity::Warning };
        let message = "lacks rights: a server that loads its append-only file checks the scripts' writes against this \
                       user, and may skip them: sessions are lost, and ended ones come back. Give the user the rule \
                       `user default off ~* &* +@all`: nobody can log in as it";
        Finding::new(severity, DEFAULT_USER_CHECK, message)
    } else if !answers.contains(&None) {
        Finding::new(Severity::Ok, DEFAULT_USER_CHECK, "may do what the append-only file holds")
    } else if is_mended || !has_file {
        let message = "not known, and of no matter: this server checks nothing against it";
        Finding::new(Severity::Ok, DEFAULT_USER_CHECK, message)
    } else {
        let message = "not known: the gateway's user may not ask whether this user has the rights without which a \
                       restart of Redis loses sessions; grant it +acl|dryrun";
        Finding::new(Severity::Warning, DEFAULT_USER_CHECK, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = "redis_version:7.0.15\r\naof_enabled:1\r\n";

    #[test]
    fn a_default_user_that_lacks_rights_is_named_with_the_rule_that_mends_it() {
        let refused = Some("User default has no permissions to run the 'hset' command".to_owned());
        let said = |info: &str, answers: &[Option<String>]| {
            let finding = finding(&Info(info.to_owned()), answers);
            (finding.severity, finding.message)
        };
        let valkey = |version: &str| format!("{SOUND}valkey_version:{version}\r\n");
        let without_file = SOUND.replace("aof_enabled:1", "aof_enabled:0");
        for (info, severity) in [
            (SOUND, Severity::Problem),
            (&valkey("9.1.1"), Severity::Problem),
            (&valkey("9.1.2"), Severity::Warning),
            (&valkey("10.0.0"), Severity::Warning),
            (&without_file, Severity::Warning),
        ] {
            let (found, message) = said(info, &[Some("OK".to_owned()), refused.clone()]);
            assert_eq!(found, severity, "{info}");
            assert!(message.contains("`user default off ~* &* +@all`"), "{message}");
        }
        for (info, severity) in
            [(SOUND, Severity::Warning), (&valkey("9.1.2"), Severity::Ok), (&without_file, Severity::Ok)]
        {
            let (found, message) = said(info, &[None]);
            assert_eq!(
                (found, message.contains("+acl|dryrun")),
                (severity, severity != Severity::Ok),
                "{info}"
            );
        }
    }
}
