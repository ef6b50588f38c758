//! The replicas of a primary, beside those that the settings count on.

use super::finding::{Finding, Severity};
use super::info::Info;
use super::requirements::Requirements;

/// Whether there are as many replicas as the settings count on.
pub fn replicas(info: &Info, requirements: &Requirements) -> Finding {
    let (connected, waits) = (info.replicas(), requirements.wait_replicas);
    if connected < waits {
        let message = format!(
            "{connected}, but REDIS_WAIT_REPLICAS is {waits}: every logout is answered 503; \
             attach replicas, or lower REDIS_WAIT_REPLICAS"
        );
        Finding::new(Severity::Problem, "replicas", message)
    } else if connected == 0 && requirements.successor {
        let message = "0: nobody takes over when this primary is lost; attach a replica, better two";
        Finding::new(Severity::Warning, "replicas", message)
    } else {
        Finding::new(Severity::Ok, "replicas", connected.to_string())
    }
}

/// Whether a primary without its replicas stops taking writes. With fewer than two replicas there is no finding: after
/// a failover, the new primary would wait for one that is not there.
pub fn min_replicas(info: &Info) -> Option<Finding> {
    const NAME: &str = "min-replicas-to-write";
    // In `INFO` only where both settings are more than 0.
    if !info.get("min_slaves_good_slaves").is_empty() {
        return Some(Finding::new(Severity::Ok, NAME, "in force"));
    }
    let message = "not in force: a primary that was cut off goes on acknowledging what a failover throws away; \
                   set min-replicas-to-write 1 and min-replicas-max-lag 10";
    (info.replicas() > 1).then(|| Finding::new(Severity::Warning, NAME, message))
}
