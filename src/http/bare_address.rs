//! The address in what proxies and frameworks write around one.

use std::net::IpAddr;

/// The address in `192.0.2.1:5678`, `[2001:db8::1]:443`, `fe80::1%eth0`, and in their quoted forms (RFC 7239 section 6).
pub fn bare_address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let text = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text).trim();
    let host = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            Some(host).filter(|_| port.is_empty() || port.strip_prefix(':').is_some_and(is_port))?
        }
        None => match text.split_once(':') {
            Some((host, port)) if is_port(port) => host,
            _ => text,
        },
    };
    let (host, _zone) = host.split_once('%').unwrap_or((host, ""));
    host.parse().ok().map(|address: IpAddr| address.to_canonical())
}

/// A port, or the name that hides one.
fn is_port(text: &str) -> bool {
    let hidden = text.strip_prefix('_').is_some_and(|name| !name.contains([',', ' ', ':']));
    hidden || text.parse::<u16>().is_ok()
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
        ] {
            assert_eq!(bare_address(text), None, "{text}");
        }
    }
}
