//! The deployments of the tests act like real ones, behind their proxies too: else nothing follows from the tests.

use std::time::Duration;

use redis::{ErrorKind, RedisError, ServerErrorKind, Value};
use token_gateway_testkit::cluster::Cluster;
use token_gateway_testkit::proxy::Plan;
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::sentinel::Sentinel;
use token_gateway_testkit::wait_for;

/// Disturbs gateways, which concerns nobody else.
fn befall_gateways(servers: &[Redis]) {
    for (seed, server) in (0..).zip(servers) {
        server.proxy().disturb(Plan::everything(seed, 1));
        server.proxy().hold();
    }
}

fn nothing_struck(servers: &[Redis]) -> bool {
    servers.iter().all(|server| server.proxy().struck().is_empty())
}

/// The primary of a server, by its own word.
fn primary_of(server: &Redis) -> Option<u16> {
    server.info("master_port")?.parse().ok()
}

#[test]
fn sentinels_replace_a_killed_primary_while_proxies_hold_gateways_back_and_it_comes_back_as_a_replica() {
    let mut sentinel = Sentinel::behind_proxies();
    befall_gateways(&sentinel.servers);
    let former = sentinel.primary();
    sentinel.servers[former].ask::<String>(&["SET", "key", "value"]);
    sentinel.servers[former].stop();
    let primary = sentinel.wait_for_another(former);
    assert_ne!(primary, former);
    sentinel.servers[primary].ask::<String>(&["SET", "later", "value"]);
    sentinel.servers[former].run();
    sentinel.wait_until_whole();
    assert_eq!(primary_of(&sentinel.servers[former]), Some(sentinel.servers[primary].public_port()));
    wait_for("it has what it missed", Duration::from_secs(10), || {
        sentinel.servers[former].try_ask::<String>(&["GET", "later"])
    });
    assert!(nothing_struck(&sentinel.servers));
}

#[test]
fn a_failover_that_was_asked_for_makes_another_the_primary_of_all() {
    let sentinel = Sentinel::start();
    let former = sentinel.primary();
    let primary = sentinel.fail_over();
    assert_ne!(primary, former);
    sentinel.wait_until_whole();
    assert_eq!(sentinel.primary(), primary);
    let port = sentinel.servers[primary].public_port();
    let others = (0..3).filter(|n| *n != primary);
    assert!(others.map(|n| primary_of(&sentinel.servers[n])).all(|followed| followed == Some(port)));
}

#[test]
fn a_cluster_replaces_a_killed_primary_while_proxies_hold_gateways_back_and_it_comes_back_as_a_replica() {
    let mut cluster = Cluster::behind_proxies();
    befall_gateways(&cluster.servers);
    let (former, key) = (cluster.primary_of("key"), "key");
    let replica = cluster.replica_of(former);
    cluster.servers[former].stop();
    cluster.wait_for_promotion(replica);
    assert_eq!(cluster.primary_of(key), replica);
    wait_for("it takes writes", Duration::from_secs(10), || {
        cluster.servers[replica].try_ask::<String>(&["SET", key, "value"])
    });
    cluster.servers[former].run();
    cluster.wait_until_whole();
    assert_eq!(primary_of(&cluster.servers[former]), Some(cluster.servers[replica].public_port()));
    assert!(nothing_struck(&cluster.servers));
}

/// The redirection from a server without the keys, or with some of them: the word of the error, and the port in it.
fn redirected(server: &Redis, asking: bool, command: &[&str]) -> (ServerErrorKind, Option<u16>) {
    let mut connection = server.connect();
    if asking {
        redis::cmd("ASKING").exec(&mut connection).expect("it may be asked");
    }
    let error: RedisError =
        redis::cmd(command[0]).arg(&command[1..]).query::<Value>(&mut connection).unwrap_err();
    let ErrorKind::Server(kind) = error.kind() else { panic!("{error:?}") };
    let port = error.redirect_node().map(|(address, _)| address.rsplit(':').next().unwrap().parse().unwrap());
    (kind, port)
}

#[test]
fn a_slot_that_is_half_moved_answers_ask_and_tryagain_and_moved_afterwards() {
    let cluster = Cluster::behind_proxies();
    let (gone, here) = ("{alice}:gone", "{alice}:here");
    cluster.key::<Value>(gone, &["MSET", gone, "1", here, "2"]);
    let from = cluster.primary_of(gone);
    let moving = cluster.begin_move(gone);
    moving.carry(gone);
    assert_eq!(moving.left(), [here]);
    let source = &cluster.servers[from];
    let (kind, port) = redirected(source, false, &["GET", gone]);
    assert_eq!(kind, ServerErrorKind::Ask);
    let to = cluster.servers.iter().find(|it| Some(it.public_port()) == port).expect("a proxy's port");
    assert_eq!(redirected(to, true, &["MGET", gone, here]).0, ServerErrorKind::TryAgain);
    assert_eq!(redirected(to, false, &["GET", gone]), (ServerErrorKind::Moved, Some(source.public_port())));
    assert_eq!(source.ask::<String>(&["GET", here]), "2");
    moving.finish();
    assert_eq!(redirected(source, false, &["GET", here]), (ServerErrorKind::Moved, port));
    assert_eq!(to.ask::<Vec<String>>(&["MGET", gone, here]), ["1", "2"]);
}
