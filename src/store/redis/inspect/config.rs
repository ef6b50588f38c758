//! The findings about one primary, from its answers to `CONFIG GET`. A denied question leads to no finding.

use redis::aio::MultiplexedConnection;

use super::finding::{Finding, Severity};

/// Smallest `hash-max-listpack-value`, in bytes, that keeps a session with claims compact.
const LISTPACK_VALUE: u64 = 2048;

pub async fn listpack(connection: &mut MultiplexedConnection) -> Option<Finding> {
    const NAME: &str = "hash-max-listpack-value";
    let value: u64 = setting(connection, NAME).await?.parse().ok()?;
    Some(if value >= LISTPACK_VALUE {
        Finding::new(Severity::Ok, NAME, value.to_string())
    } else {
        let message =
            format!("{value}: claims above that double the memory of a session; set it to {LISTPACK_VALUE}");
        Finding::new(Severity::Warning, NAME, message)
    })
}

pub async fn coverage(connection: &mut MultiplexedConnection) -> Option<Finding> {
    const NAME: &str = "cluster-require-full-coverage";
    Some(if setting(connection, NAME).await? == "no" {
        Finding::new(Severity::Ok, NAME, "no")
    } else {
        let message = "yes: while one primary is down the users of all others get 503, too; set it to no";
        Finding::new(Severity::Warning, NAME, message)
    })
}

/// The answer to `CONFIG GET`; `None` where it is denied.
async fn setting(connection: &mut MultiplexedConnection, name: &str) -> Option<String> {
    let answer: Result<Vec<String>, _> =
        redis::cmd("CONFIG").arg("GET").arg(name).query_async(connection).await;
    answer.ok()?.into_iter().nth(1)
}
