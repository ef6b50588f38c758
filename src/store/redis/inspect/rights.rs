//! The rights of the gateway's own user, as the server itself decides on them (Redis: `redis.acl_check_cmd`).

mod table;

use std::iter;

use redis::Cmd;

use self::table::{KEY, Need, RIGHTS, Right};
use super::finding::{Finding, Severity};
use super::requirements::Requirements;
use crate::store::redis::layout::{KeyKind, Layout};

const RIGHTS_CHECK: &str = "rights";

/// Needs no right but `EVAL`, and runs none of the commands.
const SCRIPT: &str = include_str!("rights.lua");

/// The script's character for a command that the user may run.
const GRANTED: char = '+';

/// Its character for a command unknown to the server.
const UNKNOWN: char = '?';

/// The answer in place of the script's, from a server without `EVAL`.
pub const NO_EVAL: &str = "no EVAL";

/// The question for all rights in one script.
pub fn question(keys: &Layout, requirements: &Requirements) -> Cmd {
    let mut eval = redis::cmd("EVAL");
    eval.arg(SCRIPT).arg(0);
    for (_, _, words) in asked(keys, requirements) {
        eval.arg(words.len()).arg(words);
    }
    eval
}

/// A finding for each missing right; `None` where the server refused the question itself.
pub fn findings(answer: Option<&str>, keys: &Layout, requirements: &Requirements) -> Vec<Finding> {
    let Some(answer) = answer.filter(|answer| *answer != NO_EVAL) else {
        return vec![no_eval(answer.is_none(), keys, requirements)];
    };
    let answers = answer.chars().map(Some).chain(iter::repeat(None));
    let all: Vec<_> = asked(keys, requirements).zip(answers).collect();
    let found = needed(requirements).filter_map(|right| {
        let own = all.iter().filter(|((asked, ..), _)| asked.command == right.command);
        let refused = own.filter(|(_, answer)| *answer != Some(GRANTED));
        let refused: Vec<_> = refused.map(|((_, kind, _), answer)| (*kind, *answer)).collect();
        missing(right, &refused, keys, requirements)
    });
    let found: Vec<_> = found.collect();
    if found.is_empty() {
        let all = format!(
            "user '{}' may run all {} commands of a node",
            requirements.user(),
            needed(requirements).count()
        );
        return vec![Finding::new(Severity::Ok, RIGHTS_CHECK, all)];
    }
    found
}

/// Sentinels that name no replicas.
pub fn unnamed_replicas(error: &str) -> Finding {
    let message = format!("Sentinels name no replicas, so a deposed primary is noticed later: {error}");
    Finding::new(Severity::Problem, RIGHTS_CHECK, message)
}

/// A right, the kind of the key in question, and the command.
type Asked = (&'static Right, Option<KeyKind>, Vec<String>);

/// Whether every server was asked about the rights, and granted them all.
pub fn are_complete(findings: &[Finding]) -> bool {
    let mut own = findings.iter().filter(|finding| finding.subject == RIGHTS_CHECK).peekable();
    own.peek().is_some() && own.all(|finding| finding.severity == Severity::Ok)
}

fn needed(requirements: &Requirements) -> impl Iterator<Item = &'static Right> {
    RIGHTS.iter().filter(|right| match right.need {
        Need::Always => true,
        Need::Replicas => requirements.wait_replicas > 0,
        Need::Cluster => requirements.cluster,
        Need::Database => requirements.database,
    })
}

/// Each command as it is asked about, with some keys of each kind.
fn asked(keys: &Layout, requirements: &Requirements) -> impl Iterator<Item = Asked> {
    needed(requirements).flat_map(move |right| {
        let of_kind = |kind: &KeyKind| {
            let samples = keys.samples(*kind, requirements.cluster).into_iter();
            samples.map(|key| (Some(*kind), key)).collect::<Vec<_>>()
        };
        let keyless = right.keys.is_empty().then(|| (None, String::new()));
        right
            .keys
            .iter()
            .flat_map(of_kind)
            .chain(keyless)
            .map(move |(kind, key)| (right, kind, words(right, &key)))
    })
}

fn words(right: &Right, key: &str) -> Vec<String> {
    let word = |word: &&str| if *word == KEY { key.to_owned() } else { (*word).to_owned() };
    right.words.iter().map(word).collect()
}

/// `refused` has the kind of each key that was not granted, and the answer; `None` for none.
fn missing(
    right: &Right,
    refused: &[(Option<KeyKind>, Option<char>)],
    keys: &Layout,
    requirements: &Requirements,
) -> Option<Finding> {
    if refused.is_empty() {
        return None;
    }
    let kinds = refused.iter().filter_map(|(kind, _)| *kind);
    let mut patterns: Vec<_> = kinds.map(|kind| keys.pattern(kind, requirements.cluster)).collect();
    patterns.dedup();
    let (user, command, lost) = (requirements.user(), right.command, right.lost);
    let on = if patterns.is_empty() { String::new() } else { format!(" on {}", patterns.join(", ")) };
    let problem = if refused.iter().any(|(_, answer)| *answer == Some(UNKNOWN)) {
        unknown(right)
    } else {
        format!("user '{user}' may not run {command}{on}: {lost}; {}", remedy(right, keys))
    };
    Some(Finding::new(Severity::Problem, RIGHTS_CHECK, problem))
}

fn remedy(right: &Right, keys: &Layout) -> String {
    let key = (!right.keys.is_empty()).then(|| format!("~{}", keys.all()));
    let words: Vec<_> = iter::once(format!("+{}", right.command.to_lowercase())).chain(key).collect();
    format!("grant it {}", words.join(" "))
}

fn unknown(right: &Right) -> String {
    let (command, lost) = (right.command, right.lost);
    format!("the server knows no {command}, perhaps by rename-command: {lost}; let it keep its name")
}

/// Without `EVAL` no other right can be asked about.
fn no_eval(is_known: bool, keys: &Layout, requirements: &Requirements) -> Finding {
    let (user, eval) = (requirements.user(), &RIGHTS[0]);
    let (command, lost, all, remedy) = (eval.command, eval.lost, keys.all(), remedy(eval, keys));
    let problem = if is_known {
        format!("user '{user}' may not run {command} on {all}: {lost}; {remedy}")
    } else {
        unknown(eval)
    };
    let message = format!("{problem}. The other rights are not known without it");
    Finding::new(Severity::Problem, RIGHTS_CHECK, message)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::store::redis::scripts;

    const ALONE: Requirements =
        Requirements { wait_replicas: 0, successor: false, cluster: false, database: false, user: None };

    /// The commands of connections. All others are called by scripts.
    const OF_CONNECTIONS: [&str; 10] =
        ["EVAL", "EVALSHA", "TIME", "INFO", "WAIT", "XRANGE", "XREAD", "ASKING", "CLUSTER|NODES", "SELECT"];

    fn commands(needs: &[Need]) -> BTreeSet<String> {
        let rights = RIGHTS.iter().filter(|right| needs.contains(&right.need));
        rights.map(|right| right.command.to_owned()).collect()
    }

    /// The rights of a rule: `~tg:* +eval +acl|dryrun`.
    fn granted(rule: &str) -> BTreeSet<String> {
        rule.split_whitespace().filter_map(|word| word.strip_prefix('+')).map(str::to_uppercase).collect()
    }

    fn line_of<'a>(text: &'a str, beginning: &str) -> &'a str {
        text.lines().find(|line| line.starts_with(beginning)).expect("its line")
    }

    #[test]
    fn the_table_has_the_commands_of_scripts_and_connections_and_no_others() {
        let mut called: BTreeSet<String> = OF_CONNECTIONS.map(str::to_owned).into();
        for script in scripts::ALL {
            let calls = script.lua.source().split(".call('").skip(1);
            called.extend(calls.map(|rest| rest.split('\'').next().expect("a name").to_owned()));
        }
        assert_eq!(commands(&[Need::Always, Need::Replicas, Need::Cluster, Need::Database]), called);
    }

    #[test]
    fn the_table_is_the_rule_of_the_stack_and_of_the_page() {
        let mut needed = commands(&[Need::Always, Need::Replicas]);
        needed.insert("ACL|DRYRUN".to_owned()); // optional: see `default_user.rs`
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operate/redis-users.md"); // not in the image's build context
        let page = std::fs::read_to_string(page).expect("the page");
        let stack = include_str!("../../../../ops/redis/users.acl");
        assert_eq!(granted(line_of(&page, "~tg:* +eval")), needed);
        assert_eq!(granted(line_of(stack, "user gateway ")), needed);
        let cluster = line_of(&page, "- In a Cluster also `").replace('`', " ");
        assert_eq!(granted(&cluster.replace(". ", " ").replace(" .", " ")), commands(&[Need::Cluster]));
    }

    #[test]
    fn each_missing_right_is_named_with_its_keys_and_the_loss() {
        let keys = Layout::new("tg:eu");
        let all: Vec<_> = asked(&keys, &ALONE).collect();
        let answer_without = |command: &str, mark: char| {
            all.iter()
                .map(|(right, ..)| if right.command == command { mark } else { '+' })
                .collect::<String>()
        };
        for (command, mark, said) in [
            (
                "HDEL",
                '-',
                "user 'default' may not run HDEL on tg:eu:{*}:session:*: every logout is 503; \
                 grant it +hdel ~tg:eu:*",
            ),
            ("TIME", '-', "user 'default' may not run TIME: every call of a node is 503; grant it +time"),
            (
                "PEXPIRE",
                '-',
                "user 'default' may not run PEXPIRE on tg:eu:{*}:session:*, tg:eu:{*}:sessions: every login, \
                 refresh and logout is 503; grant it +pexpire ~tg:eu:*",
            ),
            (
                "HDEL",
                '?',
                "the server knows no HDEL, perhaps by rename-command: every logout is 503; let it keep its name",
            ),
        ] {
            let found = findings(Some(&answer_without(command, mark)), &keys, &ALONE);
            assert_eq!(found, [Finding::new(Severity::Problem, "rights", said)]);
        }
        let sound = findings(Some(&answer_without("", '-')), &keys, &ALONE);
        assert_eq!(sound[0].severity, Severity::Ok);
    }

    #[test]
    fn an_answer_that_is_too_short_is_no_grant() {
        let found = findings(Some("+"), &Layout::new("tg"), &ALONE);
        assert_eq!(found.len(), needed(&ALONE).count());
        assert!(found.iter().all(|finding| finding.severity == Severity::Problem));
    }
}
