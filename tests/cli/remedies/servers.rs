//! Servers that cannot be reached, or are not the ones that the settings mean.

use std::any::Any;

use reqwest::Method;
use token_gateway_testkit::api::Api;
use token_gateway_testkit::cluster::Cluster;
use token_gateway_testkit::free_port;
use token_gateway_testkit::imitation::Imitation;
use token_gateway_testkit::redis::{Login, Redis};
use token_gateway_testkit::sentinel::Sentinel;
use token_gateway_testkit::tls::{Certificates, borrowed};

use crate::GATEWAY;
use crate::cli::check::check;
use crate::cli::{operator_at, run};
use crate::faults::replica_of;

/// In each URL with a password.
const PASSWORD: &str = "hunter2hunter2";

/// A mistaken set-up, and the three parts of its message.
pub struct Case {
    what: &'static str,
    url: String,
    settings: Vec<(&'static str, String)>,
    /// The server that was tried.
    address: String,
    /// In the words of Redis or of the system.
    cause: &'static str,
    remedy: &'static str,
    /// `check` finds it.
    check: bool,
    /// A node says it, too, in its log and at `/readyz`.
    node: bool,
    /// A deadline may come before the cause is known.
    may_be_late: bool,
    /// The servers of it.
    _kept: Vec<Box<dyn Any>>,
}

impl Case {
    fn new(
        what: &'static str,
        url: String,
        address: String,
        cause: &'static str,
        remedy: &'static str,
    ) -> Self {
        Self {
            what,
            url,
            settings: Vec::new(),
            address,
            cause,
            remedy,
            check: true,
            node: false,
            may_be_late: false,
            _kept: Vec::new(),
        }
    }

    fn or_late(mut self) -> Self {
        self.may_be_late = true;
        self
    }

    fn with(mut self, settings: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        self.settings.extend(settings);
        self
    }

    fn said_by_a_node(mut self) -> Self {
        self.node = true;
        self
    }

    /// Without a write, nobody notices.
    fn said_by_a_node_only(mut self) -> Self {
        (self.check, self.node) = (false, true);
        self
    }

    pub async fn try_it(&self) {
        let settings = borrowed(&self.settings);
        if self.check {
            let ended = check(&self.url, &settings, false);
            assert_eq!(ended.code, 1, "{}: {ended:?}", self.what);
            names_the_remedy(self, "check", &ended.stdout);
        }
        if self.node {
            is_said_by_a_node(self, &settings).await;
        }
        if self.node && settings.is_empty() {
            let ended = run(&mut operator_at(&self.url, &["sessions", "end", "alice", "--all", "--yes"]));
            assert_eq!(ended.code, 1, "{}: {ended:?}", self.what);
            names_the_remedy(self, "sessions end", &ended.stderr);
        }
    }

    fn keeping(mut self, kept: impl Any) -> Self {
        self._kept.push(Box::new(kept));
        self
    }
}

/// All of them. Their servers run until they are dropped.
pub fn cases() -> Vec<Case> {
    [nobody_there(), other_programs(), logins(), topologies(), sentinels(), certificates()]
        .into_iter()
        .flatten()
        .collect()
}

fn nobody_there() -> Vec<Case> {
    let (gone, frozen) = (format!("127.0.0.1:{}", free_port()), Redis::start());
    frozen.freeze();
    let unknown = "redis.invalid:6379".to_owned();
    vec![
        Case::new(
            "nobody listens",
            url(&gone),
            gone,
            "Connection refused",
            "start it, or correct the host and the port in REDIS_URL",
        )
        .said_by_a_node(),
        Case::new("an unknown host", url(&unknown), unknown, "failed to lookup address", "DNS")
            .said_by_a_node()
            .or_late(),
        Case::new("a frozen server", frozen.url(), frozen.address(), "gave no answer", "is it frozen")
            .said_by_a_node()
            .keeping(frozen),
    ]
}

fn other_programs() -> Vec<Case> {
    let web = Imitation::saying(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    let closing = Imitation::saying(b"");
    let old = imitation_of_redis_6();
    let denied = Imitation::start(|_| {
        Some("-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the default user.\r\n".to_owned())
    });
    let loading =
        Imitation::start(|_| Some("-LOADING Redis is loading the dataset in memory\r\n".to_owned()));
    let parrot = Imitation::start(|word| Some(format!("-ERR what is {word} u {PASSWORD}, sorry\r\n")));
    let content = Imitation::start(|_| Some("+OK\r\n".to_owned()));
    let full = Redis::start_with(&["--maxclients", "1"]);
    let only_client = full.connect();
    let at = |server: &Imitation| (url(&server.address()), server.address());
    let case =
        |what, server: &Imitation, cause, remedy| Case::new(what, at(server).0, at(server).1, cause, remedy);
    vec![
        case("a web server", &web, "does not speak the protocol of Redis", "another program listens there")
            .said_by_a_node(),
        case("a server that hangs up", &closing, "closed the connection", "Its log has the reason"),
        case("Redis 6.2 (an imitation)", &old, "Redis 6.2.14 is too old", "run Redis 7.0 or newer"),
        case("a protected server (an imitation)", &denied, "DENIED", "set a password or a user"),
        Case::new(
            "a program that repeats the password",
            format!("redis://u:{PASSWORD}@{}", parrot.address()),
            parrot.address(),
            "answered ERR to AUTH",
            "its log may have the reason",
        )
        .said_by_a_node(),
        case(
            "a program that is content with everything",
            &content,
            "answered a script as Redis never does",
            "let REDIS_URL lead to Redis itself",
        )
        .said_by_a_node_only(),
        case("a server that loads (an imitation)", &loading, "LOADING", "wait until it has loaded its data")
            .said_by_a_node(),
        Case::new(
            "a server with too many clients",
            full.url(),
            full.address(),
            "max number of clients reached",
            "raise maxclients",
        )
        .keeping(only_client)
        .keeping(full),
    ]
}

fn logins() -> Vec<Case> {
    let guarded = Redis::start_on(free_port(), Login::Password("of-the-tests"), &[]);
    let (open, address) = (Redis::start(), guarded.address());
    let wrong = format!("redis://:{PASSWORD}@{address}");
    vec![
        Case::new(
            "no password",
            url(&address),
            address.clone(),
            "NOAUTH (Authentication required",
            "set user and password: REDIS_URL",
        )
        .said_by_a_node(),
        Case::new("a wrong password", wrong, address, "WRONGPASS", "correct user and password in REDIS_URL")
            .said_by_a_node()
            .keeping(guarded),
        Case::new(
            "a password for a server without one",
            format!("redis://:{PASSWORD}@{}", open.address()),
            open.address(),
            "without any password configured",
            "it has no password; take the one out of REDIS_URL",
        )
        .keeping(open),
    ]
}

fn topologies() -> Vec<Case> {
    let (plain, cluster) = (Redis::start(), Cluster::start());
    let member = cluster.servers[0].address();
    let user = cluster.servers[0].url();
    let primary = Redis::start();
    let replica = replica_of(&primary);
    let (slotless, nowhere) = (Redis::start_with(&["--cluster-enabled", "yes"]), free_port());
    let announcing = announcing_cluster(nowhere);
    let lonely = Redis::start_with(&["--min-replicas-to-write", "1"]);
    let cluster_url = |address: &str| format!("redis+cluster://{address}");
    vec![
        Case::new(
            "a database that is not there",
            format!("{}/99", plain.url()),
            plain.address(),
            "DB index is out of range",
            "correct the number of the database",
        ),
        Case::new(
            "a Cluster that is none",
            cluster_url(&plain.address()),
            plain.address(),
            "cluster support disabled",
            "let REDIS_URL begin with redis://",
        )
        .said_by_a_node()
        .keeping(plain),
        Case::new(
            "one server of a Cluster",
            user.clone(),
            member.clone(),
            "one of a Cluster",
            "let REDIS_URL begin with redis+cluster://",
        ),
        Case::new(
            "a database of a Cluster",
            format!("{user}/3"),
            member,
            "SELECT is not allowed in cluster mode",
            "redis+cluster:// and name no database",
        )
        .keeping(cluster),
        Case::new(
            "a Cluster without slots",
            cluster_url(&slotless.address()),
            slotless.address(),
            "knows of no primary",
            "redis-cli --cluster check",
        )
        .keeping(slotless),
        Case::new(
            "a Cluster that announces a wrong address",
            cluster_url(&announcing.address()),
            format!("127.0.0.1:{nowhere}, announced by the Cluster's server at {}", announcing.address()),
            "Connection refused",
            "the address that the Cluster announces (cluster-announce-ip",
        )
        .said_by_a_node()
        .keeping(announcing),
        Case::new(
            "a replica",
            replica.url(),
            replica.address(),
            "role is 'slave'",
            "let REDIS_URL point at the primary",
        )
        .keeping((replica, primary)),
        Case::new(
            "a primary that wants replicas",
            lonely.url(),
            lonely.address(),
            "NOREPLICAS",
            "start its replicas, or lower min-replicas-to-write",
        )
        .said_by_a_node_only()
        .keeping(lonely),
    ]
}

fn sentinels() -> Vec<Case> {
    let (data, guarded) = (Redis::start(), Sentinel::with_passwords());
    let mut sentinel = Sentinel::start();
    let watcher = sentinel
        .gateway_url()
        .trim_start_matches("redis+sentinel://")
        .split(',')
        .next()
        .expect("one")
        .to_owned();
    let primary = sentinel.primary();
    let lost = sentinel.servers[primary].address();
    let guarded_url = guarded.gateway_url();
    let guarded_watcher =
        guarded_url.rsplit_once('@').expect("a user").1.split(',').next().expect("one").to_owned();
    let mut behind = Sentinel::start();
    (1..3).for_each(|watcher| behind.stop_watcher(watcher));
    let frozen = &behind.servers[behind.primary()];
    frozen.freeze();
    let frozen_address = format!("{}, announced by the Sentinel at ", frozen.address());
    let mut cases = vec![
        Case::new(
            "a frozen server that a Sentinel names",
            behind.gateway_url(),
            frozen_address,
            "gave no answer",
            "is it frozen",
        )
        .said_by_a_node()
        .keeping(behind),
        Case::new(
            "Sentinels that are none",
            format!("redis+sentinel://{}/mymaster", data.address()),
            data.address(),
            "unknown command 'SENTINEL'",
            "it is no Sentinel",
        )
        .keeping(data),
        Case::new(
            "a Sentinel in place of a server",
            url(&watcher),
            watcher.clone(),
            "this is a Sentinel",
            "let REDIS_URL begin with redis+sentinel://",
        ),
        Case::new(
            "an unknown master",
            format!("redis+sentinel://{watcher}/main"),
            watcher,
            "does not know the master 'main'",
            "it knows 'mymaster'; correct the master name",
        )
        .said_by_a_node(),
        Case::new(
            "Sentinels that want a password",
            guarded_url.clone(),
            guarded_watcher.clone(),
            "NOAUTH",
            "REDIS_SENTINEL_PASSWORD",
        ),
        Case::new(
            "a wrong password for Sentinels",
            guarded_url,
            guarded_watcher,
            "WRONGPASS",
            "REDIS_SENTINEL_PASSWORD",
        )
        .with([("REDIS_SENTINEL_PASSWORD", PASSWORD.to_owned())])
        .keeping(guarded),
        Case::new(
            "Sentinels that cannot fail over",
            sentinel.gateway_url(),
            format!("{lost}, announced by the Sentinel at "),
            "Connection refused",
            "SENTINEL CKQUORUM mymaster",
        )
        .said_by_a_node(),
    ];
    (1..3).for_each(|watcher| sentinel.stop_watcher(watcher));
    sentinel.servers[primary].stop();
    let last = cases.pop().expect("one").keeping(sentinel);
    cases.push(last);
    cases
}

fn certificates() -> Vec<Case> {
    let (own, others) = (Certificates::make(), Certificates::make());
    let elsewhere = Certificates::make_for(&["redis.example"], None);
    let expired = Certificates::make_for(&["127.0.0.1"], Some((2020, 1, 1)));
    let start = |certificates: &Certificates| Redis::start_over_tls(free_port(), certificates, &[]);
    let (plain, server, named, old) = (Redis::start(), start(&own), start(&elsewhere), start(&expired));
    let at = |server: &Redis| format!("127.0.0.1:{}", server.public_port());
    let case = |what, server: &Redis, cause, remedy| {
        Case::new(what, format!("rediss://{}", at(server)), at(server), cause, remedy)
    };
    let ca = |certificates: &Certificates| ("REDIS_TLS_CA", certificates.path("ca.pem"));
    let foreign = others.node_settings();
    vec![
        case("TLS asked of a plain port", &plain, "answered without TLS", "this port speaks no TLS")
            .said_by_a_node()
            .keeping(plain),
        Case::new(
            "a TLS port asked without TLS",
            url(&at(&server)),
            at(&server),
            "closed the connection",
            "does this port speak TLS (rediss instead of redis)",
        ),
        case("an unknown CA", &server, "invalid peer certificate", "let REDIS_TLS_CA name the CA")
            .with([ca(&others)])
            .said_by_a_node(),
        case(
            "no certificate for the server",
            &server,
            "CertificateRequired",
            "set REDIS_TLS_CERT and REDIS_TLS_KEY",
        )
        .with([ca(&own)]),
        case(
            "a certificate of another CA",
            &server,
            "received fatal alert",
            "it does not trust the CA of REDIS_TLS_CERT",
        )
        .with([ca(&own), foreign[1].clone(), foreign[2].clone()])
        .keeping(server),
        case(
            "a certificate for another name",
            &named,
            "not valid for name",
            "let REDIS_URL name a host of the certificate",
        )
        .with(elsewhere.node_settings())
        .keeping((named, elsewhere)),
        case("an expired certificate", &old, "expired", "renew the server's certificate")
            .with(expired.node_settings())
            .keeping((old, expired, own, others)),
    ]
}

fn url(address: &str) -> String {
    format!("redis://{address}")
}

/// One server with all slots. It gives a port at which nobody listens.
fn announcing_cluster(port: u16) -> Redis {
    let (port, bus) = (port.to_string(), free_port().to_string());
    let options =
        ["--cluster-enabled", "yes", "--cluster-announce-ip", "127.0.0.1", "--cluster-announce-port", &port];
    let redis = Redis::start_with(
        &[&options[..], &["--cluster-announce-bus-port", &bus, "--cluster-port", &bus]].concat(),
    );
    redis.ask::<String>(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    redis
}

/// No such server can be installed here: its answers to the gateway's questions, in its words.
fn imitation_of_redis_6() -> Imitation {
    const INFO: &str = "redis_version:6.2.14\r\nredis_mode:standalone\r\nrole:master\r\nmaxmemory_policy:noeviction\r\naof_enabled:1\r\n";
    Imitation::start(|command| {
        Some(match command {
            "INFO" => format!("${}\r\n{INFO}\r\n", INFO.len()),
            "TIME" => "*2\r\n$10\r\n1764460800\r\n$1\r\n0\r\n".to_owned(),
            "GET" => "$-1\r\n".to_owned(),
            "EVAL" | "EVALSHA" => {
                "-ERR Error compiling script (new function): user_script:1: unexpected symbol near '#'\r\n"
                    .to_owned()
            }
            _ => "-ERR unknown command\r\n".to_owned(),
        })
    })
}

/// In place of a cause, where a deadline comes first: while a host is looked up, or a server is silent.
const LATE: &str = "no answer within ";

/// Whether a text has the three parts, and no password.
#[track_caller]
fn names_the_remedy(case: &Case, place: &str, text: &str) {
    let has = |line: &str, parts: &[&str]| parts.iter().all(|part| line.contains(part));
    let parts = [case.address.as_str(), case.cause, case.remedy];
    let late = [case.address.as_str(), LATE, "frozen"];
    let found = text.lines().any(|line| has(line, &parts) || case.may_be_late && has(line, &late));
    assert!(found, "{}, {place}: {parts:?} in\n{text}", case.what);
    assert!(!text.contains(PASSWORD) && !text.contains("of-the-tests"), "{}, {place}: {text}", case.what);
}

async fn is_said_by_a_node(case: &Case, settings: &[(&str, &str)]) {
    let admin_settings = [("ADMIN_ADDR", "127.0.0.1:0"), ("WORKERS", "1")];
    let node = GATEWAY.on(&case.url, &[settings, &admin_settings].concat());
    let admin = Api::new(&node.admin());
    let ready = admin.send(admin.request(Method::GET, "/readyz")).await;
    assert_eq!(ready.status, 503, "{}: {ready:?}", case.what);
    names_the_remedy(case, "/readyz", &ready.text);
    let log = node.log();
    names_the_remedy(case, "the log", &log);
    assert_eq!(log.matches("not ready: ").count(), 1, "{}: {log}", case.what);
}
