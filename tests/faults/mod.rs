//! Races, late and doubled calls, Redis gone: several gateway processes on one real Redis.

mod bounds;
mod cluster;
mod connections;
mod crowd;
mod drain;
mod feed;
mod feed_refused;
mod frames;
mod late;
mod log;
mod lost;
mod out_of_memory;
mod out_of_memory_lines;
mod outage;
mod outage_lines;
mod passwords;
mod proxy;
mod races;
mod refusing;
mod rollback;
mod sentinel;
mod supervisor;
mod tls;

use serde_json::json;
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::users::rule_of_the_gateway;

pub use self::outage::replica_of;
use crate::GATEWAY;

/// Lets the user `gateway` in with the password `of-the-tests`, and with its rights in `ops/redis/users.acl`.
pub fn admit_gateway(server: &Redis, also: &[&str]) {
    let rule = rule_of_the_gateway();
    let mut acl = vec!["ACL", "SETUSER", "gateway", ">of-the-tests"];
    acl.extend(rule.iter().map(String::as_str).chain(also.iter().copied()));
    server.ask::<String>(&acl);
}

fn nothing_was_refused(servers: &[Redis]) {
    for server in servers {
        assert_eq!(server.ask::<Vec<redis::Value>>(&["ACL", "LOG"]), []);
    }
}

/// A node without access to Redis answers 503, and `check` ends with 1; the messages of both.
async fn lets_nobody_in(url: &str, settings: &[(&str, &str)]) -> [String; 2] {
    let node = GATEWAY.on(url, settings);
    node.api().issue(&json!({"sub": "alice"})).await.expect_error(503, "temporarily_unavailable");
    let check = GATEWAY.command("check", settings).env("REDIS_URL", url).output().expect("it ends");
    let said = String::from_utf8(check.stdout).expect("text");
    assert_eq!(check.status.code(), Some(1), "{said}");
    [node.log(), said]
}
