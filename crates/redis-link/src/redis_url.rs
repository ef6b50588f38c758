//! The forms of `REDIS_URL`.
//!
//! | `REDIS_URL` | deployment |
//! |---|---|
//! | `redis://[user:password@]host[:port][/db]` | one server, or a name of the primary |
//! | `redis+sentinel://[user:password@]host[:port],host[:port]/master-name[/db]` | the primary named by Sentinels; user and password are the data servers' |
//! | `redis+cluster://[user:password@]host[:port],host[:port]`, or several `redis://` servers, comma-separated | a Cluster, by some of its servers |
//!
//! With `rediss` in place of `redis` everything goes over TLS, connections to Sentinels included.
//!
//! The last `@` ends user and password. A `/`, `?` or `#` before it would end them for every other reader of URLs, so it
//! must be percent-encoded.

mod invalid_url;
mod servers;
mod userinfo;

pub use self::invalid_url::InvalidUrl;
use self::servers::{Servers, address};
use crate::address::{Address, Parsed, Topology};

/// The port of Redis, where a URL names none.
const REDIS_PORT: u16 = 6379;

/// The port of Sentinels, where a URL names none.
const SENTINEL_PORT: u16 = 26379;

/// The deployment that a scheme stands for, where one server is named.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Standalone,
    Sentinel,
    Cluster,
}

/// Reads `REDIS_URL`. Line ends at its end are no part of it.
///
/// # Errors
///
/// The wrong part, and the right form.
pub fn parse(url: &str) -> Result<Parsed, InvalidUrl> {
    let url = url.trim_end_matches(['\r', '\n']);
    let (scheme, rest) = url.split_once("://").ok_or_else(|| without_scheme(url))?;
    let (tls, kind) = kind_of(scheme)?;
    let servers = Servers::read(scheme, rest)?;
    let port = if kind == Kind::Sentinel { SENTINEL_PORT } else { REDIS_PORT };
    let addresses = servers.hosts.iter().map(|host| address(host, port)).collect::<Result<Vec<_>, _>>()?;
    let (topology, db) = deployment(kind, addresses, servers.path)?;
    // Connections do not give the client library's name: a user with the least rights may not, and each time
    // `ACL LOG` would note it.
    let redis = userinfo::read(servers.user)?.set_db(database(db)?.into()).set_skip_set_lib_name();
    Ok(Parsed { topology, redis, tls })
}

fn kind_of(scheme: &str) -> Result<(bool, Kind), InvalidUrl> {
    let (tls, kind) = match scheme.strip_prefix("rediss") {
        Some(kind) => (true, kind),
        None => (false, scheme.strip_prefix("redis").ok_or_else(|| without_scheme(scheme))?),
    };
    match kind {
        "" => Ok((tls, Kind::Standalone)),
        "+sentinel" => Ok((tls, Kind::Sentinel)),
        "+cluster" => Ok((tls, Kind::Cluster)),
        kind => Err(without_scheme(kind.trim_start_matches(['+', '-']))),
    }
}

fn without_scheme(text: &str) -> InvalidUrl {
    let is_socket = text.starts_with(['/', '.']) || text.starts_with("unix") || text.starts_with("socket");
    if is_socket { InvalidUrl::UnixSocket } else { InvalidUrl::Scheme }
}

/// The deployment, and the text of the database's number.
fn deployment(kind: Kind, mut addresses: Vec<Address>, path: &str) -> Result<(Topology, &str), InvalidUrl> {
    match kind {
        Kind::Standalone if addresses.len() == 1 => Ok((Topology::Standalone(addresses.remove(0)), path)),
        Kind::Standalone | Kind::Cluster if matches!(path, "" | "0") => {
            Ok((Topology::Cluster { seeds: addresses }, ""))
        }
        Kind::Standalone | Kind::Cluster => Err(InvalidUrl::ClusterDatabase),
        Kind::Sentinel => {
            let (name, db) = path.split_once('/').unwrap_or((path, ""));
            if name.is_empty() {
                return Err(InvalidUrl::NoMasterName);
            }
            Ok((Topology::Sentinel { sentinels: addresses, master_name: name.to_owned() }, db))
        }
    }
}

fn database(text: &str) -> Result<u16, InvalidUrl> {
    match text {
        "" => Ok(0),
        _ if !text.bytes().all(|b| b.is_ascii_digit()) => Err(InvalidUrl::Database),
        _ => text.parse().map_err(|_| InvalidUrl::Database),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> (Topology, bool, i64) {
        let parsed = parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
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
            "redis://u:p@one:7000,redis://two/0",
        ] {
            assert_eq!(read(url), (cluster.clone(), false, 0), "{url}");
        }
        let sentinel = Topology::Sentinel {
            sentinels: vec![at("one", 26379), at("two", 5000)],
            master_name: "m".into(),
        };
        for url in
            ["rediss+sentinel://one,two:5000/m/2", "rediss+sentinel://one,rediss+sentinel://two:5000/m/2/"]
        {
            assert_eq!(read(url), (sentinel.clone(), true, 2), "{url}");
        }
    }

    #[test]
    fn user_and_password_end_at_the_last_at_sign_and_are_decoded() {
        for (url, user, password) in [
            ("redis+cluster://us%2Cer:p%40ss@one,two", Some("us,er"), Some("p@ss")),
            ("redis://u:p@:s@one", Some("u"), Some("p@:s")),
            ("redis://:%2F%3f%23%25%20@one", None, Some("/?#% ")),
            ("redis+sentinel://u:p,q\\@one/m", Some("u"), Some("p,q\\")),
            ("redis://:@one", None, None),
            ("redis://@one", None, None),
        ] {
            let redis = parse(url).unwrap_or_else(|error| panic!("{url}: {error}")).redis;
            assert_eq!((redis.username(), redis.password()), (user, password), "{url}");
        }
    }

    #[test]
    fn line_ends_at_the_end_are_no_part_of_the_url_and_control_characters_no_part_of_a_password() {
        for ends in ["\n", "\r\n", "\n\n"] {
            let topology = Topology::Standalone(at("one", 6379));
            assert_eq!(read(&format!("redis://one/3{ends}")), (topology, false, 3));
        }
        for url in ["redis://:p%0A@one", "redis://u%00:p@one", "redis+sentinel://u:p%7f@one/m"] {
            assert_eq!(parse(url).err(), Some(InvalidUrl::ControlCharacter), "{url}");
        }
    }

    #[test]
    fn each_mistake_has_its_own_words() {
        use InvalidUrl::*;
        for (error, urls) in [
            (
                Scheme,
                &["", "one:6379", "http://one", "valkey://one", "redis+other://one", "redis+rediss://one"][..],
            ),
            (
                UnixSocket,
                &["unix:///run/redis.sock", "/run/redis.sock", "redis+unix:///run/s", "redis+socket:///s"],
            ),
            (MixedSchemes, &["redis://one,rediss://two", "rediss://u:p@one,redis://u:p@two"]),
            (
                Raw('/'),
                &["redis://u:p/q@one", "redis+sentinel://user:26379/S3cret@h:26379/0", "redis://u/v:p@one"],
            ),
            (Raw('#'), &["redis://:p#q@one", "redis+cluster://u:p#@one,two"]),
            (Raw('?'), &["redis://:?p@one/3", "redis://:p@one,redis://:p?@one"]),
            (Raw(' '), &["redis://:p q@one"]),
            (
                BrokenEscape,
                &["redis://:100%@one", "redis://u%:p@one", "redis://:p%4@one", "redis://:p%zz@one"],
            ),
            (NotUtf8, &["redis://:p%ff@one"]),
            (NoPassword, &["redis://user@one", "redis://user:@one"]),
            (SeveralUsers, &["redis://u:p@one,redis://other:p@two", "redis://one,redis://u:p@two"]),
            (SeveralPaths, &["redis+sentinel://one/m,redis+sentinel://two/n"]),
            (
                NoHost,
                &[
                    "redis://",
                    "redis://one,",
                    "redis:///0",
                    "redis://u:p@",
                    "redis+cluster://one,/",
                    "redis://:6379",
                ],
            ),
            (Host, &["redis://two words", "redis://a%20b", "redis://h\u{f6}st", "redis://a|b"]),
            (
                Ipv6,
                &[
                    "redis://::1",
                    "redis://::1:6379",
                    "redis://[::1",
                    "redis://[one]",
                    "redis://[fe80::1%25eth0]",
                ],
            ),
            (
                Port,
                &[
                    "redis://one:0",
                    "redis://one:70000",
                    "redis://one:abc",
                    "redis://one:+1",
                    "redis://[::1]6379",
                ],
            ),
            (Query('?'), &["redis://one/0?protocol=resp3", "redis://one?db=3"]),
            (Query('#'), &["rediss://one/#insecure"]),
            (
                Database,
                &[
                    "redis://one/x",
                    "redis://one/65536",
                    "redis://one/-1",
                    "redis://one/0/1",
                    "redis+sentinel://one/m/x",
                ],
            ),
            (ClusterDatabase, &["redis+cluster://one/1", "redis://one,two/3"]),
            (NoMasterName, &["redis+sentinel://one", "redis+sentinel://one/", "redis+sentinel://one//0"]),
        ] {
            for url in urls {
                assert_eq!(parse(url).err(), Some(error), "{url}");
            }
        }
    }
}
