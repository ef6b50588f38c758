//! Where Redis is: the forms of `REDIS_URL`, and how one server is dialled.
//!
//! | `REDIS_URL` | deployment |
//! |---|---|
//! | `redis://[user:password@]host[:port][/db]` | one server, or a name of the primary |
//! | `redis+sentinel://[user:password@]host[:port],host[:port]/master-name[/db]` | the primary named by Sentinels; user and password are the data servers' |
//! | `redis+cluster://[user:password@]host[:port],host[:port]`, or several `redis://` servers, comma-separated | a Cluster, by some of its servers |
//!
//! With `rediss` in place of `redis` everything goes over TLS, connections to Sentinels included.

use std::fmt;

use redis::io::tcp::TcpSettings;
use redis::{
    Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo,
    RedisError, TlsCertificates,
};
use secrecy::{ExposeSecret, SecretString};

use crate::role::Role;

/// The port of Redis, where a URL names none.
const REDIS_PORT: u16 = 6379;

/// The port of Sentinels, where a URL names none.
const SENTINEL_PORT: u16 = 26379;

/// A server's host and port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// The host.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// How the servers of a deployment stand to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topology {
    /// One server.
    Standalone(Address),
    /// Servers that Sentinels watch.
    Sentinel {
        /// Some of the Sentinels.
        sentinels: Vec<Address>,
        /// The name under which they know the primary.
        master_name: String,
    },
    /// A Cluster, by some of its servers.
    Cluster {
        /// Some of the servers.
        seeds: Vec<Address>,
    },
}

/// PEM texts for TLS: an own CA in place of the system's, a certificate and its key to show to the server.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// The CA that signed the server's certificate.
    pub ca: Option<String>,
    /// The certificate shown to the server, and its key.
    pub certificate: Option<(String, SecretString)>,
}

impl Tls {
    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        self.ca.is_none() && self.certificate.is_none()
    }
}

/// Opens connections to the servers of a deployment.
#[derive(Clone)]
pub struct Dialer {
    pub(crate) redis: RedisConnectionInfo,
    pub(crate) tls: Option<TlsCertificates>,
    pub(crate) role: Role,
}

/// The contents of `REDIS_URL`.
pub struct Parsed {
    /// How the servers stand to each other.
    pub topology: Topology,
    /// User, password and database.
    pub redis: RedisConnectionInfo,
    /// Whether connections go over TLS.
    pub tls: bool,
}

/// The right forms; never the URL, because it may hold a password.
const URL_FORMS: &str = "must be redis://[user:password@]host[:port][/db], redis+sentinel://host:port,host:port/master-name \
                     or redis+cluster://host:port,host:port; rediss in place of redis for TLS";

/// No user and no password of Redis has one. It came from a file with a line end, which was then encoded.
const CONTROL_CHARACTER: &str =
    "the user or the password holds a control character, such as %0A, a line end; leave it out";

/// Reads `REDIS_URL`. Line ends at its end are no part of it.
///
/// # Errors
///
/// The right forms; never the URL, because it may hold a password.
pub fn parse(url: &str) -> Result<Parsed, &'static str> {
    let (scheme, rest) = url.trim_end_matches(['\r', '\n']).split_once("://").ok_or(URL_FORMS)?;
    let (tls, kind) = match scheme.strip_prefix("rediss") {
        Some(kind) => (true, kind),
        None => (false, scheme.strip_prefix("redis").ok_or(URL_FORMS)?),
    };
    let (servers, path) = rest.split_once('/').map_or((rest, ""), |(servers, path)| (servers, path));
    // redis://one,redis://two: everything behind the first comma is a list, too.
    let repeated = format!(",{scheme}://");
    let (whole, path) = match rest.split(&repeated).collect::<Vec<_>>().as_slice() {
        [_] => (servers.to_owned(), path),
        several => (without_repeated_users(several)?, ""),
    };
    let (user, hosts) = whole.rsplit_once('@').map_or(("", whole.as_str()), |(user, hosts)| (user, hosts));
    let port = if kind == "+sentinel" { SENTINEL_PORT } else { REDIS_PORT };
    let infos = hosts.split(',').map(|host| server(user, host.trim_end_matches('/'), port));
    let infos = infos.collect::<Option<Vec<_>>>().ok_or(URL_FORMS)?;
    let addresses = infos.iter().map(|info| address(info).ok_or(URL_FORMS)).collect::<Result<Vec<_>, _>>()?;
    let (topology, db) = match (kind, path.split_once('/').unwrap_or((path, ""))) {
        ("", (db, "")) if addresses.len() == 1 => (Topology::Standalone(addresses[0].clone()), db),
        ("" | "+cluster", ("" | "0", "")) => (Topology::Cluster { seeds: addresses }, ""),
        ("", _) | ("+cluster", _) => return Err("a Cluster has only database 0: leave the path away"),
        ("+sentinel", ("", _)) => {
            return Err("the master's name is missing: redis+sentinel://host:port,host:port/master-name");
        }
        ("+sentinel", (master_name, db)) => {
            (Topology::Sentinel { sentinels: addresses, master_name: master_name.to_owned() }, db)
        }
        _ => return Err(URL_FORMS),
    };
    let db = if db.is_empty() { 0 } else { db.parse::<u16>().map_err(|_| URL_FORMS)? };
    // Connections do not give the client library's name: a user with the least rights may not, and each time
    // `ACL LOG` would note it.
    let redis = infos[0].redis_settings().clone().set_db(db.into()).set_skip_set_lib_name();
    if [redis.username(), redis.password()].into_iter().flatten().any(|text| text.contains(char::is_control))
    {
        return Err(CONTROL_CHARACTER);
    }
    Ok(Parsed { topology, redis, tls })
}

/// `user@one,two` of `user@one` and `user@two`.
fn without_repeated_users(servers: &[&str]) -> Result<String, &'static str> {
    let user_of = |server: &str| server.rsplit_once('@').map(|(user, _)| user.to_owned());
    let first = user_of(servers[0]);
    if servers.iter().any(|server| user_of(server).is_some_and(|user| Some(user) != first)) {
        return Err("several servers must be named with the same user and password");
    }
    let hosts = servers[1..].iter().map(|server| server.rsplit_once('@').map_or(*server, |(_, host)| host));
    let all = std::iter::once(servers[0]).chain(hosts).map(|server| server.trim_end_matches('/'));
    Ok(all.collect::<Vec<_>>().join(","))
}

/// One server, read by the client library, because it decodes user and password.
fn server(user: &str, host: &str, port: u16) -> Option<ConnectionInfo> {
    let names_port =
        host.rsplit_once(':').is_some_and(|(before, _)| !before.contains(':') || before.ends_with(']'));
    let port = if names_port { String::new() } else { format!(":{port}") };
    let at = if user.is_empty() { "" } else { "@" };
    if host.is_empty() || host.contains(['/', '?', '#']) {
        return None;
    }
    format!("redis://{user}{at}{host}{port}").into_connection_info().ok()
}

fn address(info: &ConnectionInfo) -> Option<Address> {
    match info.addr() {
        ConnectionAddr::Tcp(host, port) => Some(Address { host: host.clone(), port: *port }),
        _ => None,
    }
}

impl Dialer {
    /// Connections as the URL says.
    pub fn new(parsed: &Parsed, tls: &Tls) -> Self {
        let tls = parsed.tls.then(|| certificates(tls));
        Self { redis: parsed.redis.clone(), tls, role: Role::Data }
    }

    /// The same way to Sentinels, with their user.
    pub fn to_sentinels(&self, username: Option<&str>, password: Option<&SecretString>) -> Self {
        let mut redis = RedisConnectionInfo::default().set_skip_set_lib_name();
        if let Some(username) = username {
            redis = redis.set_username(username);
        }
        if let Some(password) = password {
            redis = redis.set_password(password.expose_secret());
        }
        Self { redis, tls: self.tls.clone(), role: Role::Sentinel }
    }

    /// Whether certificates and key can be read.
    pub fn check(&self) -> Result<(), RedisError> {
        self.connection_info(&Address { host: "localhost".to_owned(), port: REDIS_PORT }).map(drop)
    }

    /// How the server is dialled, without the login and the database: `dialing.rs` sends these itself, because the
    /// library keeps the server's words to itself.
    pub(crate) fn connection_info(&self, address: &Address) -> Result<ConnectionInfo, RedisError> {
        let (host, port) = (address.host.clone(), address.port);
        let addr = match &self.tls {
            None => ConnectionAddr::Tcp(host, port),
            Some(_) => ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None },
        };
        let settings = RedisConnectionInfo::default().set_skip_set_lib_name();
        let info = addr.into_connection_info()?.set_redis_settings(settings);
        let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        match &self.tls {
            None => Ok(info),
            Some(certificates) => {
                Ok(Client::build_with_tls(info, certificates.clone())?.get_connection_info().clone())
            }
        }
    }
}

fn certificates(tls: &Tls) -> TlsCertificates {
    let client_tls = tls.certificate.as_ref().map(|(certificate, key)| ClientTlsConfig {
        client_cert: certificate.clone().into_bytes(),
        client_key: key.expose_secret().as_bytes().to_vec(),
    });
    TlsCertificates { client_tls, root_cert: tls.ca.clone().map(String::into_bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> (Topology, bool, i64) {
        let parsed = parse(url).unwrap();
        (parsed.topology, parsed.tls, parsed.redis.db())
    }

    fn at(host: &str, port: u16) -> Address {
        Address { host: host.to_owned(), port }
    }

    #[test]
    fn one_server_several_and_sentinels_are_told_apart() {
        assert_eq!(read("redis://one"), (Topology::Standalone(at("one", 6379)), false, 0));
        assert_eq!(read("rediss://:p%40@[::1]:7000/3"), (Topology::Standalone(at("::1", 7000)), true, 3));
        let cluster = Topology::Cluster { seeds: vec![at("one", 7000), at("two", 6379)] };
        for url in [
            "redis+cluster://u:p@one:7000,two",
            "redis://u:p@one:7000,two",
            "redis://one:7000,redis://two/",
            "redis://u:p@one:7000,redis://u:p@two",
        ] {
            assert_eq!(read(url), (cluster.clone(), false, 0), "{url}");
        }
        let sentinel = Topology::Sentinel {
            sentinels: vec![at("one", 26379), at("two", 5000)],
            master_name: "m".into(),
        };
        assert_eq!(read("rediss+sentinel://one,two:5000/m/2"), (sentinel, true, 2));
        let redis = parse("redis+cluster://us%2Cer:p%40ss@one,two").unwrap().redis;
        assert_eq!((redis.username(), redis.password()), (Some("us,er"), Some("p@ss")));
    }

    #[test]
    fn line_ends_at_the_end_are_no_part_of_the_url_and_control_characters_no_part_of_a_password() {
        for ends in ["\n", "\r\n", "\n\n"] {
            let topology = Topology::Standalone(at("one", 6379));
            assert_eq!(read(&format!("redis://one/3{ends}")), (topology, false, 3));
        }
        for url in ["redis://:p%0A@one", "redis://u%00:p@one", "redis+sentinel://u:p%7f@one/m"] {
            assert_eq!(parse(url).err(), Some(CONTROL_CHARACTER), "{url}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_the_url() {
        for url in [
            "",
            "one:6379",
            "http://one",
            "redis://",
            "redis://one,",
            "redis://one/x",
            "redis+other://one",
            "redis+cluster://one/1",
            "redis+sentinel://one",
            "redis+sentinel://one/",
            "redis+sentinel://one/m/x",
            "redis://one:99999",
            "redis+cluster://one,/",
            "redis://u:p@one,redis://other:p@two",
        ] {
            assert!(parse(url).is_err(), "{url}");
        }
    }
}
