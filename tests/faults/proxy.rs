//! The fault proxy does to calls of scripts what it says, and nothing to anything else.

use redis::{Connection, RedisResult};

use crate::support::proxy::{Fault, Plan, Proxy};
use crate::support::redis::Redis;

const COUNT: &str = "return redis.call('INCR', KEYS[1])";

fn connect(proxy: &Proxy) -> Connection {
    let connection = redis::Client::open(proxy.url()).expect("a URL").get_connection().expect("a connection");
    connection.set_read_timeout(Some(std::time::Duration::from_millis(300))).expect("a limit");
    connection
}

fn count(connection: &mut Connection) -> RedisResult<u64> {
    redis::cmd("EVAL").arg(COUNT).arg(1).arg("calls").query(connection)
}

/// What the caller hears of the second of two calls when it meets the fault, and how often Redis carried them out.
fn second_call(fault: Fault) -> (RedisResult<u64>, u64) {
    let redis = Redis::start_with(&["--appendonly", "no"]);
    let proxy = Proxy::before(redis.port());
    let mut connection = connect(&proxy);
    proxy.strike(fault, 2);
    assert_eq!(count(&mut connection), Ok(1));
    let answer = count(&mut connection);
    if fault == Fault::CloseAfter {
        crate::support::wait_for("Redis has it", std::time::Duration::from_secs(5), || {
            (redis.ask::<u64>(&["GET", "calls"]) == 2).then_some(())
        });
    }
    assert_eq!(proxy.struck().values().sum::<u64>(), 1);
    (answer, redis.ask(&["GET", "calls"]))
}

#[test]
fn a_call_that_was_carried_out_may_not_be_answered() {
    for fault in [Fault::SwallowReply, Fault::CutReply, Fault::CloseAfter] {
        let (answer, calls) = second_call(fault);
        assert!(answer.is_err(), "{fault:?}: {answer:?}");
        assert_eq!(calls, 2, "{fault:?}");
    }
}

#[test]
fn a_call_may_not_arrive() {
    for fault in [Fault::CloseBefore, Fault::BlackHole] {
        let (answer, calls) = second_call(fault);
        assert!(answer.is_err(), "{fault:?}: {answer:?}");
        assert_eq!(calls, 1, "{fault:?}");
    }
}

#[test]
fn a_call_may_arrive_twice_or_be_answered_late() {
    assert_eq!(second_call(Fault::Double), (Ok(2), 3));
    assert_eq!(second_call(Fault::Delay(20)), (Ok(2), 2));
}

#[test]
fn what_is_no_script_passes_and_a_plan_is_followed_until_it_is_called_off() {
    let redis = Redis::start_with(&["--appendonly", "no"]);
    let proxy = Proxy::before(redis.port());
    proxy.disturb(Plan { seed: 1, per_thousand: vec![(Fault::CloseBefore, 1000)] });
    let mut connection = connect(&proxy);
    for n in 1..=100 {
        assert_eq!(redis::cmd("INCR").arg("others").query(&mut connection), Ok(n));
    }
    assert!(count(&mut connection).is_err() && count(&mut connect(&proxy)).is_err());
    proxy.calm();
    assert_eq!(count(&mut connect(&proxy)), Ok(1));
    assert_eq!((proxy.calls(), proxy.struck()["closed before"]), (3, 2));
}

#[test]
fn a_replica_follows_its_master_through_the_proxy() {
    let redis = Redis::start_with(&["--appendonly", "no"]);
    let proxy = Proxy::before(redis.port());
    proxy.disturb(Plan::everything(1, 1));
    let replica = Redis::start_with(&["--replicaof", "127.0.0.1", &proxy.port().to_string()]);
    redis.ask::<String>(&["SET", "key", "value"]);
    crate::support::wait_for("the replica has it", std::time::Duration::from_secs(30), || {
        (replica.ask::<Option<String>>(&["GET", "key"]).as_deref() == Some("value")).then_some(())
    });
}
