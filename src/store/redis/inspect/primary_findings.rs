//! The findings about one primary, from its answer to `INFO`.

use redis::Pipeline;

use super::finding::{Finding, Severity};
use super::info::{Info, version_of};
use super::requirements::Requirements;
use super::{default_user, replication, rights};
use crate::store::redis::layout::Layout;

/// A Sentinel in place of a server with data.
const SENTINEL: &str =
    "this is a Sentinel; let REDIS_URL begin with redis+sentinel://, and end with the master name";

/// The questions to each primary, asked in one round trip. The answers to `INFO`, and about the rights, come first.
pub fn questions(keys: &Layout, requirements: &Requirements) -> Pipeline {
    let mut all = redis::pipe();
    all.cmd("INFO").add_command(rights::question(keys, requirements));
    default_user::questions(keys).for_each(|question| _ = all.add_command(question));
    all
}

/// The findings from the answers. Without an answer to `INFO` they are those about the rights alone.
pub fn findings(answers: &[Option<String>], keys: &Layout, requirements: &Requirements) -> Vec<Finding> {
    let [info, of_rights, of_default_user @ ..] = answers else { return Vec::new() };
    if info_of(info.as_deref()).is_some_and(|info| info.get("redis_mode") == "sentinel") {
        return vec![Finding::new(Severity::Problem, "role", SENTINEL)];
    }
    let mut findings = rights::findings(of_rights.as_deref(), keys, requirements);
    if let Some(info) = info_of(info.as_deref()) {
        findings.extend(of_info(&info, of_default_user, requirements));
    }
    findings
}

/// The answer to `INFO`, where the server gave one.
pub fn info_of(answer: Option<&str>) -> Option<Info> {
    answer.map(|info| Info(info.to_owned())).filter(|info| !info.get("redis_version").is_empty())
}

fn of_info(info: &Info, of_default_user: &[Option<String>], requirements: &Requirements) -> Vec<Finding> {
    let mut findings = vec![
        version(info),
        role(info),
        eviction(info),
        persistence(info),
        default_user::finding(info, of_default_user),
        replication::replicas(info, requirements),
    ];
    findings.extend(replication::min_replicas(info));
    findings
}

fn version(info: &Info) -> Finding {
    let (redis, valkey) = (info.get("redis_version"), info.get("valkey_version"));
    let (name, found, needed) =
        if valkey.is_empty() { ("Redis", redis, (7, 0, 0)) } else { ("Valkey", valkey, (7, 2, 0)) };
    if version_of(found) >= needed {
        Finding::new(Severity::Ok, "version", format!("{name} {found}"))
    } else {
        let message = format!("{name} {found} is too old; run {name} {}.{} or newer", needed.0, needed.1);
        Finding::new(Severity::Problem, "version", message)
    }
}

fn role(info: &Info) -> Finding {
    let role = info.get("role");
    if role == "master" {
        return Finding::new(Severity::Ok, "role", "master");
    }
    let message = format!("this server's role is '{role}'; let REDIS_URL point at the primary");
    Finding::new(Severity::Problem, "role", message)
}

fn eviction(info: &Info) -> Finding {
    let policy = info.get("maxmemory_policy");
    if policy == "noeviction" {
        return Finding::new(Severity::Ok, "maxmemory-policy", "noeviction");
    }
    let message = format!(
        "maxmemory-policy '{policy}' silently throws sessions and logouts away; set it to noeviction"
    );
    Finding::new(Severity::Problem, "maxmemory-policy", message)
}

fn persistence(info: &Info) -> Finding {
    if info.get("aof_enabled") == "1" {
        return Finding::new(Severity::Ok, "appendonly", "yes");
    }
    let message = "off: a restart of Redis loses what happened since its last snapshot; set appendonly yes";
    Finding::new(Severity::Warning, "appendonly", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = "redis_version:7.0.15\r\nrole:master\r\nmaxmemory_policy:noeviction\r\naof_enabled:1\r\n\
                         connected_slaves:0\r\n";

    const ALONE: Requirements =
        Requirements { wait_replicas: 0, successor: false, cluster: false, database: false, user: None };

    fn dangers_with(change: (&str, &str), requirements: &Requirements) -> Vec<String> {
        of(&SOUND.replace(change.0, change.1), requirements)
    }

    /// The dangers of a server whose user `default` may do everything.
    fn of(info: &str, requirements: &Requirements) -> Vec<String> {
        let (info, answers) = (Info(info.to_owned()), ["OK", "OK"].map(|answer| Some(answer.to_owned())));
        let found = of_info(&info, &answers, requirements).into_iter();
        found.filter(|it| it.severity != Severity::Ok).map(|it| it.to_string()).collect()
    }

    #[test]
    fn a_sound_server_is_no_danger_and_of_one_that_tells_nothing_only_the_rights_are_known() {
        assert_eq!(of(SOUND, &ALONE), [""; 0]);
        for info in [None, Some(String::new())] {
            let found = findings(&[info, None], &Layout::new("tg"), &ALONE);
            assert_eq!(found.iter().map(|it| it.subject).collect::<Vec<_>>(), ["rights"]);
        }
    }

    #[test]
    fn a_server_that_is_too_old_is_named_with_what_to_run() {
        let valkey = "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:";
        for (found, said) in [
            ("redis_version:6.2.14", "version: Redis 6.2.14 is too old; run Redis 7.0 or newer"),
            (&format!("{valkey}7.1.0"), "version: Valkey 7.1.0 is too old; run Valkey 7.2 or newer"),
        ] {
            assert_eq!(dangers_with(("redis_version:7.0.15", found), &ALONE), [said]);
        }
        for found in ["redis_version:7.2.0", "redis_version:10.0.1", &format!("{valkey}8.0.1")] {
            assert_eq!(dangers_with(("redis_version:7.0.15", found), &ALONE), [""; 0], "{found}");
        }
    }

    #[test]
    fn a_server_that_is_no_primary_is_named() {
        let [said] = &dangers_with(("role:master", "role:slave"), &ALONE)[..] else { panic!("one danger") };
        assert!(said.starts_with("role: ") && said.contains("'slave'"), "{said}");
    }

    #[test]
    fn a_primary_with_several_replicas_should_want_one_of_them_and_a_single_one_is_no_reason() {
        let with = |count: &str| dangers_with(("connected_slaves:0", count), &ALONE);
        assert_eq!((with("connected_slaves:0"), with("connected_slaves:1")), (vec![], vec![]));
        let [said] = &with("connected_slaves:2")[..] else { panic!("one danger") };
        assert!(said.starts_with("min-replicas-to-write: not in force"), "{said}");
        assert_eq!(with("connected_slaves:2\r\nmin_slaves_good_slaves:2"), [""; 0]);
    }

    #[test]
    fn a_primary_without_replicas_is_a_danger_where_one_is_counted_on() {
        let successor = Requirements { successor: true, ..ALONE };
        let waiting = Requirements { wait_replicas: 1, successor: true, ..ALONE };
        for (requirements, said) in [
            (&successor, "replicas: 0: nobody takes over"),
            (&waiting, "replicas: 0, but REDIS_WAIT_REPLICAS is 1"),
        ] {
            let [found] = &of(SOUND, requirements)[..] else { panic!("one danger") };
            assert!(found.starts_with(said), "{found}");
        }
        assert_eq!(dangers_with(("connected_slaves:0", "connected_slaves:1"), &successor), [""; 0]);
    }
}
