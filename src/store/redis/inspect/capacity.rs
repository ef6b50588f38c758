//! Whether a primary takes what is new, and how much memory it has left for that.

use redis::Pipeline;
use token_gateway_redis_link::address::Address;
use token_gateway_redis_link::{Call, LinkError, Script};

use super::finding::{Finding, Severity};
use super::info::Info;

static SCRIPT: Script = Script::new(include_str!("take_login.lua"));

const WRITES_CHECK: &str = "writes";
const MEMORY_CHECK: &str = "maxmemory";

/// From this share of `maxmemory` on, in percent, there is a warning.
const SCARCE_PERCENT: u64 = 80;

const REMEDY: &str =
    "raise maxmemory, or end sessions; docs/operate/redis-memory.md says how to find their service";

/// Whether a danger is that of a primary which refuses writes.
pub fn is_of_refused_writes(danger: &str) -> bool {
    is_of(WRITES_CHECK, danger)
}

/// Whether a danger is that of scarce memory.
pub fn is_of_scarce_memory(danger: &str) -> bool {
    is_of(MEMORY_CHECK, danger)
}

fn is_of(check: &str, danger: &str) -> bool {
    danger.strip_prefix(check).is_some_and(|rest| rest.starts_with(": "))
}

/// The question for its memory.
pub fn memory_question() -> Pipeline {
    let mut all = redis::pipe();
    all.cmd("INFO").arg("memory");
    all
}

/// The question whether a primary takes logins.
pub fn question() -> Call {
    Call::new(&SCRIPT, &[])
}

/// The finding from the answer. There is none where the node sent no question, and a missing right has findings of its
/// own.
pub fn writes<T>(answer: Result<T, LinkError>) -> Option<Finding> {
    let problem = |lost, cause| Finding::new(Severity::Problem, WRITES_CHECK, format!("{lost}: {cause}"));
    Some(match answer {
        Ok(_) => Finding::new(Severity::Ok, WRITES_CHECK, "taken"),
        Err(LinkError::Overloaded) => return None,
        Err(LinkError::Replied(reply)) if reply.is_of_rights() || reply.is_of_unknown_command() => {
            return None;
        }
        Err(LinkError::Replied(reply)) if reply.is_of_memory() => problem(
            "logins and changes of claims get 503, while refreshes and logouts go on",
            reply.to_string(),
        ),
        Err(error) => problem("every login, refresh and logout gets 503", error.cause()),
    })
}

/// The share of `maxmemory` in use, as Redis counts it before it refuses a write: without the buffers for replicas and
/// for the append-only file. There is no finding where no limit is set, or none is known.
pub fn memory(info: &Info, address: &Address) -> Option<Finding> {
    let bytes = |name| info.get(name).parse::<u64>().ok();
    let limit = bytes("maxmemory").filter(|limit| *limit > 0)?;
    let used = bytes("used_memory")?.saturating_sub(bytes("mem_not_counted_for_evict").unwrap_or(0));
    let percent = u128::from(used) * 100 / u128::from(limit);
    let share = format!("Redis at {address} has used {percent} % of maxmemory, {used} of {limit} bytes");
    Some(if percent < u128::from(SCARCE_PERCENT) {
        Finding::new(Severity::Ok, MEMORY_CHECK, share)
    } else {
        let message = format!("{share}; at 100 % logins get 503; {REMEDY}");
        Finding::new(Severity::Warning, MEMORY_CHECK, message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(used: u64, not_counted: u64, limit: u64) -> Option<(Severity, String)> {
        let info = Info(format!(
            "used_memory:{used}\r\nused_memory_human:1M\r\nmaxmemory:{limit}\r\nmem_not_counted_for_evict:{not_counted}\r\n"
        ));
        let address = Address { host: "10.0.0.5".to_owned(), port: 6379 };
        memory(&info, &address).map(|finding| (finding.severity, finding.message))
    }

    #[test]
    fn memory_is_scarce_from_four_fifths_on_as_redis_counts_and_never_without_a_limit() {
        for (used, not_counted, severity, percent) in [
            (799, 0, Severity::Ok, "79 %"),
            (800, 0, Severity::Warning, "80 %"),
            (1100, 301, Severity::Ok, "79 %"),
            (1100, 300, Severity::Warning, "80 %"),
            (2500, 0, Severity::Warning, "250 %"),
            (100, 200, Severity::Ok, "0 %"),
        ] {
            let (found, message) = found(used, not_counted, 1000).expect("a finding");
            assert_eq!((found, message.contains(percent)), (severity, true), "{message}");
            let counted = used.saturating_sub(not_counted);
            assert!(message.starts_with("Redis at 10.0.0.5:6379 has used "), "{message}");
            assert!(message.contains(&format!(", {counted} of 1000 bytes")), "{message}");
        }
        assert_eq!(found(u64::MAX, 0, 0), None);
        assert_eq!(memory(&Info(String::new()), &Address { host: String::new(), port: 1 }), None);
    }

    #[test]
    fn a_danger_is_known_by_its_subject() {
        assert!(is_of_refused_writes("writes: every login") && !is_of_refused_writes("writes of some"));
        assert!(is_of_scarce_memory("maxmemory: x") && !is_of_scarce_memory("maxmemory-policy: x"));
    }
}
