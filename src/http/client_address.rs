//! The address of a client: its peer's, or the address that trusted proxies name in `X-Forwarded-For`.
//!
//! Each proxy appends the address of its own peer to that list. So the list is read from its end, and only as far as
//! trusted proxies have written it. All before that is a client's claim.

use std::net::{IpAddr, SocketAddr};

use actix_web::http::header::{HeaderMap, X_FORWARDED_FOR};
use ipnet::IpNet;

/// The proxies whose `X-Forwarded-For` is believed (`TRUSTED_PROXIES`).
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// The last address that is no trusted proxy's; where all are trusted, the first. An element that is no address ends
    /// the list: the proxy behind it is the best that is known.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let lines = headers.get_all(X_FORWARDED_FOR).rev();
        let elements = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        let named = elements.map(<[u8]>::trim_ascii).filter(|element| !element.is_empty()).map_while(address);
        let hops = std::iter::once(peer.to_canonical()).chain(named);
        let mut client = peer;
        for hop in hops {
            client = hop;
            if !self.0.iter().any(|network| network.contains(&hop)) {
                break;
            }
        }
        client
    }
}

/// An address, also with a port, in brackets, or with a zone. An IPv4 address in IPv6 counts as IPv4.
pub fn address(element: &[u8]) -> Option<IpAddr> {
    let text = without_zone(std::str::from_utf8(element).ok()?);
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse().map(|address: SocketAddr| address.ip()).ok();
    text.parse().ok().or_else(with_port).or_else(in_brackets).map(|address: IpAddr| address.to_canonical())
}

/// `fe80::1` for `fe80::1%eth0`: a zone means something on its own machine alone.
fn without_zone(text: &str) -> String {
    let Some((address, zone)) = text.split_once('%') else { return text.to_owned() };
    let behind = zone.find(']').map_or("", |at| &zone[at..]);
    format!("{address}{behind}")
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn client(trusted: &[&str], peer: &str, lines: &[&str]) -> String {
        let networks = trusted.iter().map(|text| text.parse().expect("a network")).collect();
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(X_FORWARDED_FOR, HeaderValue::from_bytes(line.as_bytes()).expect("a value"));
        }
        TrustedProxies::new(networks).client(peer.parse().expect("an address"), &headers).to_string()
    }

    #[test]
    fn nobody_is_believed_but_a_trusted_peer() {
        let line = ["192.0.2.1"];
        assert_eq!(client(&[], "10.0.0.1", &line), "10.0.0.1");
        assert_eq!(client(&["10.0.0.0/8"], "203.0.113.9", &line), "203.0.113.9");
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &line), "192.0.2.1");
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client(&["10.0.0.0/8"], "::ffff:10.0.0.1", &line), "192.0.2.1");
        assert_eq!(client(&["2001:db8::/32"], "2001:db8::5", &line), "192.0.2.1");
    }

    #[test]
    fn the_list_is_read_from_its_end_as_far_as_it_is_trusted() {
        let trusted = ["10.0.0.0/8", "198.51.100.7/32"];
        for (lines, expected) in [
            (&["192.0.2.1, 10.0.0.2"][..], "192.0.2.1"),
            (&["1.1.1.1, 192.0.2.1, 10.0.0.2, 198.51.100.7"], "192.0.2.1"),
            (&["1.1.1.1,192.0.2.1", "10.0.0.2"], "192.0.2.1"),
            (&["192.0.2.1", "203.0.113.5"], "203.0.113.5"),
            (&["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            (&["192.0.2.1, nonsense, 10.0.0.2"], "10.0.0.2"),
            (&["192.0.2.1, unknown"], "10.0.0.1"),
            (&["192.0.2.1,, 10.0.0.2 ,"], "192.0.2.1"),
            (&["", ""], "10.0.0.1"),
            (&["192.0.2.1, \u{e9}"], "10.0.0.1"),
        ] {
            assert_eq!(client(&trusted, "10.0.0.1", lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn ports_brackets_and_zones_are_understood() {
        for (element, expected) in [
            ("192.0.2.1:4711", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("fe80::1%eth0", "fe80::1"),
            ("[fe80::1%eth0]:80", "fe80::1"),
        ] {
            assert_eq!(
                address(element.as_bytes()).map(|it| it.to_string()).as_deref(),
                Some(expected),
                "{element}"
            );
        }
        for element in
            ["192.0.2", "192.0.2.1:x", "[2001:db8::1", "2001:db8::1]", "a.example", "192.0.2.1/8", "%"]
        {
            assert_eq!(address(element.as_bytes()), None, "{element}");
        }
    }
}
