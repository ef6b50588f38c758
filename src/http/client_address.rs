//! The address of a client: its peer's, or the address that trusted proxies name in `X-Forwarded-For`.
//!
//! Each proxy appends the address of its own peer to that list. So the list is read from its end, and only as far as
//! trusted proxies have written it. All before that is a client's claim.

use std::net::IpAddr;

use actix_web::http::header::{HeaderMap, X_FORWARDED_FOR};
use ipnet::IpNet;

use super::bare_address::bare_address;

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
        let named =
            elements.map(<[u8]>::trim_ascii).filter(|element| !element.is_empty()).map_while(address_in);
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

fn address_in(element: &[u8]) -> Option<IpAddr> {
    bare_address(std::str::from_utf8(element).ok()?)
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
}
