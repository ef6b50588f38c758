//! Each fault of the proxy, against a real server: the caller's answer, and the effect in Redis.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError, Script};
use token_gateway_testkit::proxy::{Fault, Plan, Proxy};
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::wait_for;

/// A server, and a client behind the proxy; scripts count themselves in `n`.
struct Setup {
    redis: Redis,
    proxy: Proxy,
}

impl Setup {
    fn start() -> Self {
        let redis = Redis::start();
        let proxy = Proxy::before(redis.port());
        Self { redis, proxy }
    }

    /// A connection after its first script, so Redis knows the script.
    async fn connect(&self) -> MultiplexedConnection {
        let client = Client::open(self.proxy.url()).expect("a valid URL");
        let settings = AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(2)));
        let connection = client.get_multiplexed_async_connection_with_config(&settings).await;
        let mut connection = connection.expect("Redis is reachable");
        count(&mut connection).await.expect("nothing strikes yet");
        connection
    }

    /// How often the script has run; asked past the proxy.
    fn ran(&self) -> u64 {
        self.redis.ask(&["GET", "n"])
    }

    fn wait_until_ran(&self, times: u64) {
        wait_for("Redis carries it out", Duration::from_secs(5), || (self.ran() == times).then_some(()));
    }
}

async fn count(connection: &mut MultiplexedConnection) -> Result<u64, RedisError> {
    count_for("nobody", connection).await
}

async fn count_for(subject: &str, connection: &mut MultiplexedConnection) -> Result<u64, RedisError> {
    Script::new("return redis.call('INCR', 'n')").arg(subject).invoke_async(connection).await
}

/// The connection broke; the error is no answer of Redis.
#[track_caller]
fn lost<T: std::fmt::Debug>(answer: Result<T, RedisError>) {
    let error = answer.expect_err("the call is lost");
    assert!(error.is_unrecoverable_error() && error.code().is_none(), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_fault_calls_pass_and_are_counted() {
    let setup = Setup::start();
    let mut connection = setup.connect().await;
    let before = setup.proxy.calls();
    assert_eq!(count(&mut connection).await.unwrap(), 2);
    assert_eq!(setup.proxy.calls() - before, 1);
    assert!(setup.proxy.struck().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reply_of_the_nth_script_is_swallowed_and_redis_has_run_it_once() {
    let setup = Setup::start();
    let mut connection = setup.connect().await;
    setup.proxy.strike(Fault::SwallowReply, 3);
    assert_eq!(count(&mut connection).await.unwrap(), 2);
    assert_eq!(count(&mut connection).await.unwrap(), 3);
    lost(count(&mut connection).await);
    assert_eq!(setup.ran(), 4);
    assert_eq!(setup.proxy.struck()["reply swallowed"], 1);
    assert_eq!(count(&mut setup.connect().await).await.unwrap(), 6, "a new connection works");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_connection_is_closed_before_never_reaches_redis() {
    let setup = Setup::start();
    let mut connection = setup.connect().await;
    setup.proxy.strike(Fault::CloseBefore, 1);
    lost(count(&mut connection).await);
    assert_eq!(count(&mut setup.connect().await).await.unwrap(), 3, "one to connect, and itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_connection_is_closed_after_is_carried_out_every_time() {
    let setup = Setup::start();
    for round in 1..=100 {
        let mut connection = setup.connect().await;
        setup.proxy.strike(Fault::CloseAfter, 1);
        lost(count(&mut connection).await);
        setup.wait_until_ran(2 * round);
    }
    assert_eq!(setup.proxy.struck()["closed after"], 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_black_hole_is_silent_and_never_reaches_redis() {
    let setup = Setup::start();
    let mut connection = setup.connect().await;
    setup.proxy.strike(Fault::BlackHole, 1);
    let error = count(&mut connection).await.expect_err("nothing comes back");
    assert!(error.is_timeout(), "open, hence no error but one's own patience: {error:?}");
    let ping = redis::cmd("PING").query_async::<String>(&mut connection).await.expect_err("it stays one");
    assert!(ping.is_timeout(), "{ping:?}");
    assert_eq!(setup.ran(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_black_hole_ends_when_its_client_closes_it() {
    let setup = Setup::start();
    let connected = || setup.redis.ask::<String>(&["CLIENT", "LIST", "TYPE", "normal"]).lines().count();
    let mut connection = setup.connect().await;
    let before = connected();
    setup.proxy.strike(Fault::BlackHole, 1);
    count(&mut connection).await.expect_err("nothing comes back");
    assert_eq!(connected(), before);
    drop(connection);
    wait_for("Redis sees it go", Duration::from_secs(5), || (connected() < before).then_some(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delayed_reply_comes_later_and_delays_what_is_behind_it() {
    let setup = Setup::start();
    let mut connection = setup.connect().await;
    let delay = Fault::Delay(300);
    setup.proxy.strike(delay, 1);
    let (mut other, began) = (connection.clone(), Instant::now());
    let behind = tokio::spawn(async move { (count(&mut other).await, Instant::now()) });
    let first = count(&mut connection).await.expect("it comes");
    let (second, arrived) = behind.await.unwrap();
    assert_eq!(first + second.expect("it comes, too"), 2 + 3);
    assert!(began.elapsed().min(arrived - began) >= Duration::from_millis(300), "either waits");
    assert_eq!(setup.proxy.struck()["delayed"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_cut_reply_the_caller_can_make_nothing() {
    let setup = Setup::start();
    let mut connection = setup.connect().await;
    setup.proxy.strike(Fault::CutReply, 1);
    lost(count(&mut connection).await);
    assert_eq!(setup.ran(), 2);
    assert_eq!(setup.proxy.struck()["reply cut"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doubled_call_runs_twice_and_later_answers_go_to_their_askers() {
    let setup = Setup::start();
    let mut connection = setup.connect().await;
    setup.proxy.strike(Fault::Double, 1);
    let mut both = redis::pipe();
    both.cmd("EVAL").arg("return redis.call('INCR', 'n')").arg(0).cmd("ECHO").arg("mine");
    let answers: (u64, String) = both.query_async(&mut connection).await.unwrap();
    assert_eq!(answers, (2, "mine".to_owned()), "the first reply, and the echo its own");
    assert_eq!(setup.ran(), 3);
}

/// Calls one after the other, each on a connection of its own if the last one broke.
async fn follow(seed: u64) -> (Vec<bool>, BTreeMap<&'static str, u64>) {
    let setup = Setup::start();
    let mut connection = setup.connect().await;
    let delay = Fault::Delay(1);
    let per_thousand = [(Fault::SwallowReply, 100), (delay, 200), (Fault::Double, 100)].to_vec();
    setup.proxy.disturb(Plan { seed, per_thousand });
    let mut answered = Vec::new();
    while answered.len() < 100 {
        let answer = count(&mut connection).await.is_ok();
        answered.push(answer);
        while !answer && count(&mut connection).await.is_err() {
            connection = connect_plainly(&setup.proxy).await;
        }
    }
    let struck = setup.proxy.struck();
    setup.proxy.calm();
    for _ in 0..100 {
        count(&mut setup.connect().await).await.expect("the plan has ended");
    }
    assert_eq!(setup.proxy.struck(), struck);
    (answered, struck)
}

async fn connect_plainly(proxy: &Proxy) -> MultiplexedConnection {
    let client = Client::open(proxy.url()).expect("a valid URL");
    client.get_multiplexed_async_connection().await.expect("Redis is reachable")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_strikes_the_same_calls_under_the_same_seed_and_others_under_another() {
    let (one, again, other) = (follow(7).await, follow(7).await, follow(8).await);
    assert_eq!(one, again);
    assert_ne!(one.0, other.0);
    assert_eq!(one.1.len(), 3, "every kind struck: {:?}", one.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_script_passes_whatever_the_plan() {
    let setup = Setup::start();
    let mut connection = setup.connect().await;
    setup.proxy.disturb(Plan::everything(1, 1));
    for n in 1..=100 {
        let incremented = redis::cmd("INCR").arg("others").query_async::<u64>(&mut connection).await;
        assert_eq!(incremented.unwrap(), n);
    }
    assert!(setup.proxy.struck().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_gone_is_gone_behind_the_proxy_too_and_comes_back() {
    let mut setup = Setup::start();
    let mut connection = setup.connect().await;
    setup.redis.stop();
    lost(count(&mut connection).await);
    let client = Client::open(setup.proxy.url()).expect("a valid URL");
    assert!(client.get_multiplexed_async_connection().await.is_err());
    setup.redis.run();
    assert_eq!(count(&mut setup.connect().await).await.unwrap(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_values_and_a_thousand_calls_at_once_pass_unchanged() {
    let setup = Setup::start();
    let connection = setup.connect().await;
    let calls = (0..1000).map(|n| {
        let mut connection = connection.clone();
        let text = format!("{n}\r\n$3\r\n").repeat(1 + n % 1000);
        async move {
            let script = Script::new("return {ARGV[1], {#ARGV[1]}}");
            let echoed: (String, (usize,)) = script.arg(&text).invoke_async(&mut connection).await.unwrap();
            assert_eq!(echoed, (text.clone(), (text.len(),)));
        }
    });
    futures_util::future::join_all(calls).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_links_and_follows_through_the_proxy_whatever_befalls_gateways() {
    let setup = Setup::start();
    setup.proxy.disturb(Plan::everything(1, 1));
    setup.proxy.hold();
    let port = setup.proxy.port().to_string();
    let replica = Redis::start_with(&["--replicaof", "127.0.0.1", &port]);
    wait_for("the replica is linked", Duration::from_secs(20), || {
        replica.info("master_link_status").filter(|it| it == "up")
    });
    let value = "x".repeat(1_000_000);
    setup.redis.ask::<String>(&["SET", "large", &value]);
    wait_for("it gets through", Duration::from_secs(10), || {
        replica.try_ask::<String>(&["GET", "large"]).filter(|it| *it == value)
    });
    assert!(setup.proxy.struck().is_empty());
}

/// More than Redis reads at a time: it answers the first calls before it has seen the last, which meets the fault.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_closed_after_is_carried_out_however_much_is_before_it() {
    let setup = Setup::start();
    let subject = "x".repeat(8_000);
    for round in 1..=50 {
        let connection = setup.connect().await;
        setup.proxy.strike(Fault::CloseAfter, 20);
        let calls = (0..20).map(|_| {
            let (mut connection, subject) = (connection.clone(), &subject);
            async move { count_for(subject, &mut connection).await }
        });
        let answers = futures_util::future::join_all(calls).await;
        assert!(answers.iter().any(Result::is_err), "{answers:?}");
        setup.wait_until_ran(21 * round);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_black_hole_stays_silent_when_the_server_goes() {
    let mut setup = Setup::start();
    let mut connection = setup.connect().await;
    setup.proxy.strike(Fault::BlackHole, 1);
    let mut other = connection.clone();
    let call = tokio::spawn(async move { count(&mut other).await });
    wait_for("it strikes", Duration::from_secs(5), || (!setup.proxy.struck().is_empty()).then_some(()));
    setup.redis.stop();
    let error = call.await.unwrap().expect_err("nothing comes back");
    assert!(error.is_timeout(), "nobody may hear that the server is gone: {error:?}");
    assert!(count(&mut connection).await.expect_err("it stays one").is_timeout());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_strikes_those_who_read_the_feed_too() {
    let setup = Setup::start();
    let mut connection = setup.connect().await;
    setup.proxy.disturb(Plan { seed: 1, per_thousand: vec![(Fault::CloseBefore, 1000)] });
    let mut read = redis::cmd("XREAD");
    read.arg(&["BLOCK", "1", "STREAMS", "feed", "$"]);
    lost(read.query_async::<redis::Value>(&mut connection).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_to_strike_but_did_not_is_not_counted() {
    let mut setup = Setup::start();
    let mut connection = setup.connect().await;
    setup.redis.freeze();
    setup.proxy.strike(Fault::SwallowReply, 1);
    count(&mut connection).await.expect_err("Redis is frozen");
    setup.redis.stop();
    drop(connection);
    assert_eq!(setup.proxy.struck(), BTreeMap::new(), "there was no reply");
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_resp_pass_as_they_are() {
    let setup = Setup::start();
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", setup.proxy.port())).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    std::io::Write::write_all(&mut stream, b"PING\n").unwrap();
    let mut answer = [0; 7];
    std::io::Read::read_exact(&mut stream, &mut answer).unwrap();
    assert_eq!(&answer, b"+PONG\r\n");
}
