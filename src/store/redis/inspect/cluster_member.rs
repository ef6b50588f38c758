//! One server of a Cluster, used as if it were alone. Such a server refuses every key in the slots of others.

use redis::Pipeline;
use token_gateway_redis_link::{SLOT_COUNT, own_slots};

use super::finding::{Finding, Severity};
use super::info::Info;
use super::requirements::Requirements;
use crate::store::redis::layout::Layout;

const CLUSTER_CHECK: &str = "cluster";

/// Tries one key of each range of slots. Needs no right but `EVAL` and `GET`.
const SCRIPT: &str = include_str!("cluster_member.lua");

const REMEDY: &str = "let REDIS_URL begin with redis+cluster://";

/// Whether a server belongs to a Cluster of which the settings do not know.
pub fn is_unknown_member(info: &Info, requirements: &Requirements) -> bool {
    info.get("cluster_enabled") == "1" && !requirements.cluster
}

/// The questions to such a server, for its slots.
pub fn questions(keys: &Layout) -> Pipeline {
    let mut all = redis::pipe();
    all.cmd("CLUSTER").arg("NODES");
    all.cmd("EVAL").arg(SCRIPT).arg(0).arg(keys.feeds());
    all
}

/// The finding from the answers; `None` stands for a denied question.
pub fn finding(answers: &[Option<String>]) -> Finding {
    let slots = answers.first().and_then(Option::as_deref).map(own_slots);
    let lacking = answers.get(1).and_then(Option::as_deref);
    let (severity, slots) = match (slots, lacking) {
        (Some(SLOT_COUNT), _) => {
            (Severity::Warning, "has all 16,384 slots; as soon as one moves, its users get 503".to_owned())
        }
        (Some(slots), _) => {
            (Severity::Problem, format!("has {slots} of 16,384 slots: the users of all others get 503"))
        }
        (None, Some("0")) => {
            let unknown =
                "has the slots that were tried; the user may not ask for all of them (+cluster|nodes)";
            (Severity::Warning, unknown.to_owned())
        }
        (None, _) => {
            let lacks = "lacks slots, whose users get 503; the user may not ask which (+cluster|nodes)";
            (Severity::Problem, lacks.to_owned())
        }
    };
    Finding::new(severity, CLUSTER_CHECK, format!("this server is one of a Cluster, and {slots}; {REMEDY}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(nodes: Option<&str>, lacking: Option<&str>) -> (Severity, String) {
        let finding = finding(&[nodes, lacking].map(|answer| answer.map(str::to_owned)));
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
        for (lacking, severity) in
            [(Some("0"), Severity::Warning), (Some("5"), Severity::Problem), (None, Severity::Problem)]
        {
            let (found, message) = found(None, lacking);
            assert_eq!(found, severity, "{message}");
            assert!(message.contains("+cluster|nodes") && message.contains("redis+cluster://"), "{message}");
        }
    }
}
