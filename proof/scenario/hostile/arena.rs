//! Redis, nodes, perhaps nginx in front, and honest and hostile clients before them.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use reqwest::Method;
use token_gateway_testkit::api::{Api, Tokens};
use token_gateway_testkit::gateway::{Descriptors, Gateway};
use token_gateway_testkit::hostile::{Footprint, Target};
use token_gateway_testkit::nginx::{Nginx, Rates};
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::wait_for;

use super::attack::Attack;
use crate::GATEWAY;
use crate::client::Fleet;
use crate::scenario::{QUIET, Run};

/// The time for which an honest client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// MiB of Redis for the honest clients' sessions.
const LEAST_MEMORY: u64 = 8;

/// The subject of the login hammer.
const HAMMERED: &str = "hammered";

/// Loopback addresses of the honest and of the hostile clients, where nginx counts by address.
const HONEST_SOURCES: u8 = 32;
const HOSTILE_SOURCES: u8 = 30;
const NEWCOMER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 3, 1));

pub struct Arena {
    pub fleet: Arc<Fleet>,
    pub target: Target,
    nginx: Option<Nginx>,
    nodes: Vec<Gateway>,
    redis: Redis,
}

impl Arena {
    pub async fn prepare(run: &Run, attack: &Attack) -> Self {
        token_gateway_testkit::raise_descriptor_limit(16 * 1024);
        let redis = Redis::start_with(&["--appendfsync", "no"]);
        hold_ends(&redis, run.part(attack.ends));
        let nodes: Vec<_> = (0..attack.nodes).map(|_| node(run, &redis, attack)).collect();
        let nginx = attack
            .is_behind_nginx
            .then(|| Nginx::before([nodes[0].address(), nodes[nodes.len() - 1].address()], Rates::STACK));
        let fleet = fleet(&nodes, nginx.as_ref());
        let target = target(run, attack, &nodes, nginx.as_ref()).await;
        if attack.maxmemory > 0 {
            let memory = format!("{}mb", run.part(attack.maxmemory).max(LEAST_MEMORY));
            redis.ask::<String>(&["CONFIG", "SET", "maxmemory", &memory]);
        }
        Self { fleet, target, nginx, nodes, redis }
    }

    /// The cost of all nodes together.
    pub fn footprint(&self) -> Footprint {
        let all = self.nodes.iter().map(Footprint::of);
        all.reduce(|one, other| Footprint {
            resident: one.resident + other.resident,
            kernel: one.kernel + other.kernel,
            processor: one.processor + other.processor,
        })
        .expect("a node")
    }

    /// Requests and connections of anybody that the nodes' metrics count as refused at a bound of honest refreshes.
    pub async fn at_bounds(&self) -> u64 {
        let metrics = join_all(self.nodes.iter().map(metrics)).await;
        metrics.iter().flat_map(|metrics| metrics.lines()).filter_map(refused_at_a_bound).sum()
    }

    /// A client that was never here.
    pub fn newcomer(&self) -> Api {
        match &self.nginx {
            None => self.nodes[0].api(),
            Some(nginx) => nginx.public_from(NEWCOMER),
        }
    }

    /// Warnings and errors but for the alarms, for a report on a broken promise.
    pub fn log(&self) -> String {
        let mut log: String = self.nodes.iter().map(Gateway::log).collect();
        log.extend(self.nginx.as_ref().map(Nginx::log));
        let is_told = |line: &&str| {
            [" WARN ", " ERROR ", "[alert]"].iter().any(|level| line.contains(level))
                && !line.contains("refresh token reused")
        };
        log.lines().filter(is_told).take(20).collect::<Vec<_>>().join("\n")
    }

    /// Redis has room again, as after its operator has ended the filler's sessions.
    pub fn make_room(&self) {
        self.redis.ask::<String>(&["CONFIG", "SET", "maxmemory", "0"]);
    }
}

/// None where the node does not answer; then its bounds account for nothing.
async fn metrics(node: &Gateway) -> String {
    let admin = Api::new(&node.admin());
    let answer = admin.try_send(admin.request(Method::GET, "/metrics")).await;
    answer.map(|answer| answer.text).unwrap_or_default()
}

fn refused_at_a_bound(line: &str) -> Option<u64> {
    const BOUNDS: [&str; 2] = [
        r#"token_gateway_overloads_total{bound="store"} "#,
        r#"token_gateway_connections_closed_total{cause="refused"} "#,
    ];
    BOUNDS.iter().find_map(|bound| line.strip_prefix(bound))?.parse().ok()
}

fn node(run: &Run, redis: &Redis, attack: &Attack) -> Gateway {
    let cap = attack.sessions.max(100).to_string();
    let settings = [
        ("ADMIN_ADDR", "127.0.0.1:0"),
        ("API_DOCS", "public"),
        ("MAX_SESSIONS_PER_SUBJECT", cap.as_str()),
        ("RUST_LOG", QUIET),
        ("TRUSTED_PROXIES", "127.0.0.1"),
        ("WORKERS", "2"),
    ];
    let descriptors = match attack.descriptors {
        Descriptors::AtMost(descriptors) => Descriptors::AtMost(descriptors),
        Descriptors::AtFirst(descriptors) => Descriptors::AtFirst(run.part(descriptors)),
    };
    GATEWAY.with_descriptors(descriptors, &redis.url(), &settings)
}

fn fleet(nodes: &[Gateway], nginx: Option<&Nginx>) -> Arc<Fleet> {
    let direct: Vec<Api> = nodes.iter().map(Gateway::api).collect();
    let Some(nginx) = nginx else { return Fleet::patient(direct.clone(), direct, PATIENCE) };
    let public = loopback(2, HONEST_SOURCES).into_iter().map(|source| nginx.public_from(source));
    Fleet::patient(public.collect(), vec![nginx.internal()], PATIENCE)
}

async fn target(run: &Run, attack: &Attack, nodes: &[Gateway], nginx: Option<&Nginx>) -> Target {
    let api = nodes[0].api();
    let mut access = Vec::new();
    for n in 0..run.part(attack.accounts.0) {
        access.push(log_in(&api, &format!("hostile-{n}"), attack.accounts.1).await.access);
    }
    if attack.sessions > 0 {
        log_in(&api, HAMMERED, attack.sessions).await;
    }
    let (front, sources) = match nginx {
        None => (nodes.iter().map(|node| node.address().to_owned()).collect(), Vec::new()),
        Some(nginx) => (vec![nginx.public_address().to_owned()], loopback(1, HOSTILE_SOURCES)),
    };
    Target { nodes: front, sources, access, subject: HAMMERED.to_owned() }
}

fn loopback(net: u8, count: u8) -> Vec<IpAddr> {
    (1..=count).map(|n| Ipv4Addr::new(127, 0, net, n).into()).collect()
}

/// So many logins of a subject; the tokens of the last one.
async fn log_in(api: &Api, subject: &str, logins: u64) -> Tokens {
    let tokens = stream::iter(0..logins).map(|_| api.login(subject)).buffer_unordered(16);
    tokens.collect::<Vec<_>>().await.pop().expect("a login")
}

/// Puts ends of unknown sessions into the feed, as nodes would.
fn hold_ends(redis: &Redis, ends: u64) {
    const SCRIPT: &str = "for n = ARGV[1], ARGV[2] - 1 do
        redis.call('XADD', 'tg:revocations', '*', 'sid', string.format('4830719265%09d', n),
            'sub', string.format('c0ffee00-aaaa-4bbb-8ccc-%012d', n), 'reason', 'logout')
    end return redis.status_reply('OK')";
    for first in (0..ends).step_by(5000) {
        let (first, last) = (first.to_string(), (first + 5000).min(ends).to_string());
        redis.ask::<String>(&["EVAL", SCRIPT, "0", &first, &last]);
    }
    wait_for("the ends are there", Duration::from_secs(5), || {
        (redis.ask::<u64>(&["XLEN", "tg:revocations"]) == ends).then_some(())
    });
}
