//! The address in what proxies and frameworks write around one.

use std::net::IpAddr;

/// The address in `192.0.2.1:5678`, `[2001:db8::1]:443`, `fe80::1%eth0`, and in their quoted forms (RFC 7239 section 6).
/// Also in one element of `Forwarded`, and behind the slash that Java's `InetSocketAddress` writes.
pub fn bare_address(text: &str) -> Option<IpAddr> {
    let node = unquoted(forwarded_for(text));
    let node = node.strip_prefix('/').unwrap_or(node);
    match node.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            address(host).filter(|_| port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
        }
        None => address(node).or_else(|| before_port(node)),
    }
}

/// The node of `for=node;proto=https` (RFC 7239 section 4); any other text as it stands.
fn forwarded_for(text: &str) -> &str {
    let pairs = text.split(';').filter_map(|pair| pair.split_once('='));
    let mut nodes = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
    nodes.next().map_or(text, |(_, node)| node)
}

fn unquoted(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text).trim()
}

/// The address in `192.0.2.1:5678`. An IPv6 address has its port behind all eight groups: a shorter one could hold it.
fn before_port(text: &str) -> Option<IpAddr> {
    let (host, port) = text.rsplit_once(':')?;
    address(host).filter(|_| is_port(port) && !host.contains("::"))
}

/// An address, with a zone or without.
fn address(text: &str) -> Option<IpAddr> {
    let (host, _zone) = text.split_once('%').unwrap_or((text, ""));
    host.parse().ok().map(|address: IpAddr| address.to_canonical())
}

/// A port, the name that hides one, or nothing.
fn is_port(text: &str) -> bool {
    let hidden = text.strip_prefix('_').is_some_and(|name| !name.contains([',', ' ', ':']));
    let is_number = || text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok();
    hidden || text.is_empty() || is_number()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_out_of_its_surroundings() {
        for (text, address) in [
            ("192.0.2.1:5678", "192.0.2.1"),
            (" 192.0.2.1\t", "192.0.2.1"),
            ("192.0.2.1:_hidden", "192.0.2.1"),
            ("2001:DB8::0:1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("\"[2001:db8::1]:443\"", "2001:db8::1"),
            ("fe80::1%eth0", "fe80::1"),
            ("[fe80::1%25eth0]:443", "fe80::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("[::ffff:c000:201]:80", "192.0.2.1"),
            ("192.0.2.1:", "192.0.2.1"),
            ("[2001:db8::1]:", "2001:db8::1"),
            ("/192.0.2.1:4711", "192.0.2.1"),
            ("/0:0:0:0:0:0:0:1:4711", "::1"),
            ("/[2001:db8:0:0:0:0:0:1]:4711", "2001:db8::1"),
            ("/fe80:0:0:0:0:0:0:1%eth0:4711", "fe80::1"),
            ("/192.0.2.1", "192.0.2.1"),
            ("for=192.0.2.1", "192.0.2.1"),
            ("For=\"[2001:db8::1]:443\"", "2001:db8::1"),
            ("for=192.0.2.1;proto=https;by=10.0.0.1", "192.0.2.1"),
            ("proto=https; for=\"192.0.2.1:80\"", "192.0.2.1"),
            ("2001:db8::1:443", "2001:db8::1:443"),
        ] {
            assert_eq!(bare_address(text).map(|found| found.to_string()).as_deref(), Some(address), "{text}");
        }
    }

    #[test]
    fn anything_else_is_no_address() {
        for text in [
            "",
            " ",
            "unknown",
            "_hidden",
            "192.0.2.1, 10.0.0.1",
            "192.0.2.1,10.0.0.1",
            "300.1.1.1",
            "192.0.2.1:x",
            "192.0.2.1:99999",
            "[2001:db8::1",
            "[2001:db8::1]443",
            "[2001:db8::1], [::1]:80",
            "192.0.2.0/24",
            "\"",
            "localhost:80",
            "[]",
            "%eth0",
            "192.0.2",
            "2001:db8::1]",
            "a.example",
            "%",
            "192.0.2.1:+80",
            "[2001:db8::1]:+80",
            "[2001:db8::1]:99999",
            "2001:db8::1:99999",
            "//192.0.2.1",
            "/",
            "/a.example",
            "a.example/192.0.2.1:80",
            "for=unknown",
            "for=_hidden",
            "for=",
            "by=192.0.2.1",
            "for=192.0.2.1, for=10.0.0.1",
            ":",
            ":80",
        ] {
            assert_eq!(bare_address(text), None, "{text}");
        }
    }
}
