//! The servers of a URL: hosts, and the user and the path that they share.

use std::net::Ipv6Addr;

use redis::IntoConnectionInfo;

use super::{InvalidUrl, userinfo};
use crate::address::Address;

/// The parts of a URL behind its scheme.
#[derive(Debug)]
pub struct Servers<'a> {
    pub user: &'a str,
    pub hosts: Vec<&'a str>,
    pub path: &'a str,
}

impl<'a> Servers<'a> {
    /// Everything behind the scheme: `user@one,two/path`, or `user@one,redis://user@two/path`.
    pub fn read(scheme: &str, text: &'a str) -> Result<Self, InvalidUrl> {
        let further = format!(",{scheme}://");
        let mut parts = text.split(&further).map(Self::read_part);
        let mut all = parts.next().expect("a split text has a first part")?;
        for part in parts {
            let part = part?;
            if !part.user.is_empty() && part.user != all.user {
                return Err(InvalidUrl::SeveralUsers);
            }
            if ![part.path, ""].contains(&all.path) {
                return Err(InvalidUrl::SeveralPaths);
            }
            all.hosts.extend(part.hosts);
            all.path = part.path;
        }
        Ok(all)
    }

    fn read_part(text: &'a str) -> Result<Self, InvalidUrl> {
        if names_scheme(text) {
            return Err(InvalidUrl::MixedSchemes);
        }
        let (user, rest) = text.rsplit_once('@').unwrap_or(("", text));
        userinfo::check(user)?;
        if let Some(mark) = rest.chars().find(|c| ['?', '#'].contains(c)) {
            return Err(InvalidUrl::Query(mark));
        }
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        Ok(Self { user, hosts: hosts.split(',').collect(), path: path.trim_end_matches('/') })
    }
}

/// Whether a further server is named with a scheme of its own, and thus another one.
fn names_scheme(text: &str) -> bool {
    let is_scheme = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+');
    text.split(",redis").skip(1).any(|rest| rest.split_once("://").is_some_and(|(rest, _)| is_scheme(rest)))
}

/// One server.
pub fn address(text: &str, default_port: u16) -> Result<Address, InvalidUrl> {
    let (host, port) = host_and_port(text)?;
    let port = port_number(port, default_port)?;
    if host.is_empty() {
        return Err(InvalidUrl::NoHost);
    }
    let address = Address { host: host.to_owned(), port };
    let is_host = host.is_ascii() && !host.contains('%');
    let info = format!("redis://{address}").into_connection_info();
    if is_host && info.is_ok() { Ok(address) } else { Err(InvalidUrl::Host) }
}

fn host_and_port(text: &str) -> Result<(&str, &str), InvalidUrl> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, behind) = rest.split_once(']').ok_or(InvalidUrl::Ipv6)?;
        host.parse::<Ipv6Addr>().map_err(|_| InvalidUrl::Ipv6)?;
        let port = if behind.is_empty() { Some("") } else { behind.strip_prefix(':') };
        return Ok((host, port.ok_or(InvalidUrl::Port)?));
    }
    match text.split_once(':') {
        Some((_, port)) if port.contains(':') => Err(InvalidUrl::Ipv6),
        parts => Ok(parts.unwrap_or((text, ""))),
    }
}

fn port_number(text: &str, default: u16) -> Result<u16, InvalidUrl> {
    if text.is_empty() {
        return Ok(default);
    }
    let number = text.parse().ok().filter(|port| *port > 0);
    number.filter(|_| text.bytes().all(|b| b.is_ascii_digit())).ok_or(InvalidUrl::Port)
}
