//! One server of a Cluster, used as if it were alone. Such a server refuses every key in the slots of others.

use std::sync::LazyLock;

use redis::{Pipeline, cmd};
use token_gateway_redis_link::{SLOT_COUNT, own_slots, tags};

use super::finding::{Finding, Severity};
use super::info::Info;
use super::requirements::Requirements;
use crate::store::redis::layout::Layout;

const CLUSTER_CHECK: &str = "cluster";

/// Tries one key of each slot, up to the first that is elsewhere. Needs no right but `EVAL` and `GET`.
const SCRIPT: &str = include_str!("cluster_member.lua");

/// The answer of a server without a right that the script needs.
const NOT_KNOWN: &str = "?";

/// A tag for each slot.
static TAGS: LazyLock<Vec<String>> = LazyLock::new(tags);

/// Where nothing says that there is a Cluster at all, one slot of so many is tried.
const SAMPLED: usize = 256;

const REMEDY: &str = "let REDIS_URL begin with redis+cluster://";

/// How a server stands to a Cluster of which the settings do not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Membership {
    /// The settings know of the Cluster, or the server is in none.
    Fine,
    /// It belongs to one.
    Member,
    /// It does not say: the user may not ask for `INFO`.
    Open,
}

pub fn membership(info: Option<&Info>, requirements: &Requirements) -> Membership {
    match info {
        _ if requirements.cluster => Membership::Fine,
        Some(info) if info.get("cluster_enabled") == "1" => Membership::Member,
        Some(_) => Membership::Fine,
        None => Membership::Open,
    }
}

/// The question for the slots.
pub fn slots() -> Pipeline {
    let mut all = redis::pipe();
    all.add_command(cmd("CLUSTER").arg("NODES").to_owned());
    all
}

/// The question that decides where the one for the slots is denied.
pub fn keys_of_slots(membership: Membership, keys: &Layout) -> Pipeline {
    let step = if membership == Membership::Member { 1 } else { SAMPLED };
    let tags: Vec<_> = TAGS.iter().step_by(step).map(String::as_str).collect();
    let mut all = redis::pipe();
    all.cmd("EVAL").arg(SCRIPT).arg(0).arg(keys.before_tag()).arg(tags.concat());
    all
}

/// The finding from the answers; `None` stands for a denied question. There is none where no answer tells of a Cluster.
pub fn finding(membership: Membership, nodes: Option<&str>, lacking: Option<&str>) -> Option<Finding> {
    let slots = nodes.map(own_slots);
    if membership == Membership::Open && slots.is_none() && lacking != Some("1") {
        return None;
    }
    let (severity, slots) = match (slots, lacking) {
        (Some(SLOT_COUNT), _) => {
            (Severity::Warning, "has all 16,384 slots; as soon as one moves, its users get 503".to_owned())
        }
        (Some(slots), _) => {
            (Severity::Problem, format!("has {slots} of 16,384 slots: the users of all others get 503"))
        }
        (None, Some("0")) => {
            let tried = "has a key of each of the 16,384 slots; as soon as one moves, its users get 503. The user may \
                         not ask for the slots, so each is tried (+cluster|nodes)";
            (Severity::Warning, tried.to_owned())
        }
        (None, None | Some(NOT_KNOWN)) => {
            let unknown =
                "its slots are not known: the user may not ask for them (+cluster|nodes), nor try them";
            (Severity::Problem, unknown.to_owned())
        }
        (None, _) => {
            let lacks = "lacks slots, whose users get 503; the user may not ask which (+cluster|nodes)";
            (Severity::Problem, lacks.to_owned())
        }
    };
    let message = format!("this server is one of a Cluster, and {slots}; {REMEDY}");
    Some(Finding::new(severity, CLUSTER_CHECK, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(nodes: Option<&str>, lacking: Option<&str>) -> (Severity, String) {
        let finding = finding(Membership::Member, nodes, lacking).expect("a finding");
        (finding.severity, finding.message)
    }

    fn nodes(slots: &str) -> String {
        format!(
            "07c3 127.0.0.1:7001@17001 master - 0 0 2 connected 16383\n\
             e7d1 127.0.0.1:7000@17000 myself,master - 0 0 1 connected {slots}\n"
        )
    }

    #[test]
    fn a_server_with_some_of_the_slots_is_a_problem_and_one_with_all_of_them_a_warning() {
        for (slots, severity, said) in [
            ("0-16383", Severity::Warning, "all 16,384 slots"),
            ("0-8000 8001-16383", Severity::Warning, "all 16,384 slots"),
            ("0-16382", Severity::Problem, "16383 of 16,384 slots"),
            ("0-5460 [93->-292f]", Severity::Problem, "5461 of 16,384 slots"),
            ("7", Severity::Problem, "1 of 16,384 slots"),
            ("", Severity::Problem, "0 of 16,384 slots"),
        ] {
            let (found, message) = found(Some(&nodes(slots)), Some("0"));
            assert_eq!((found, message.contains(said)), (severity, true), "{slots}: {message}");
            assert!(message.contains("redis+cluster://"), "{message}");
        }
    }

    #[test]
    fn where_the_slots_may_not_be_asked_for_some_keys_decide() {
        for (lacking, severity) in [
            (Some("0"), Severity::Warning),
            (Some("1"), Severity::Problem),
            (Some("?"), Severity::Problem),
            (None, Severity::Problem),
        ] {
            let (found, message) = found(None, lacking);
            assert_eq!(found, severity, "{message}");
            assert!(message.contains("+cluster|nodes") && message.contains("redis+cluster://"), "{message}");
        }
    }

    #[test]
    fn a_server_that_tells_nothing_is_a_member_only_by_what_it_answers_otherwise() {
        let found = |nodes, lacking| finding(Membership::Open, nodes, lacking).map(|found| found.severity);
        let lacking = nodes("0-16382");
        assert_eq!(found(Some(&lacking), None), Some(Severity::Problem));
        assert_eq!(found(None, Some("1")), Some(Severity::Problem));
        assert_eq!([found(None, Some("0")), found(None, Some("?")), found(None, None)], [None; 3]);
    }
}
