//! Addresses to listen on, and the public URL.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use url::{Host, Url};

/// Reads an address to listen on.
///
/// # Errors
///
/// The part that is missing or wrong, and the right form.
pub fn socket_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!("must be an IP address and a port, such as 127.0.0.1:8080; {}", wrong_part(text))
    })
}

fn wrong_part(text: &str) -> String {
    if let Some((scheme, _)) = text.split_once("://").filter(|(scheme, _)| ["http", "https"].contains(scheme))
    {
        return format!("leave {scheme}:// out");
    }
    let is_port = |text: &str| text.parse::<u16>().is_ok();
    if is_port(text) || text.strip_prefix(':').is_some_and(is_port) {
        let port = text.trim_start_matches(':');
        return format!("for port {port} of every address write 0.0.0.0:{port}");
    }
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    match (bare.parse::<IpAddr>(), text.rsplit_once(':')) {
        (Ok(IpAddr::V4(_)), _) => format!("the port is missing, as in {bare}:8080"),
        (Ok(IpAddr::V6(_)), _) => format!("the port is missing, as in [{bare}]:8080"),
        (_, Some((host, _))) if host.parse::<Ipv6Addr>().is_ok() => {
            "an IPv6 address stands in brackets, as in [::1]:8080".to_owned()
        }
        (_, Some((_, port))) if !is_port(port) => "the port must be from 0 to 65535".to_owned(),
        (_, Some(_)) => "a host name is no IP address".to_owned(),
        (_, None) => "the port is missing".to_owned(),
    }
}

/// An issuer identifier (RFC 8414 section 2). Plain http is for development.
pub fn issuer(text: &str) -> Result<String, &'static str> {
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("must be an http(s) URL of visible ASCII characters, such as https://auth.example.com");
    }
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let Some(url) = url else {
        return Err("must be an http(s) URL with a host, such as https://auth.example.com");
    };
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must be an http(s) URL without query and fragment, such as https://auth.example.com");
    }
    if url.username() != "" || url.password().is_some() {
        return Err("must be an http(s) URL without user and password, such as https://auth.example.com");
    }
    Ok(text.to_owned())
}

/// The doubts about an issuer that verifiers and clients elsewhere are to reach.
pub fn issuer_doubt(issuer: &str) -> Option<String> {
    let url = Url::parse(issuer).ok()?;
    let is_local = match url.host()? {
        Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback() || address.is_unspecified(),
        Host::Ipv6(address) => address.is_loopback() || address.is_unspecified(),
    };
    if is_local {
        Some(format!(
            "{issuer} is this machine: verifiers elsewhere cannot reach it; set the gateway's public URL"
        ))
    } else if url.scheme() == "http" {
        Some(format!(
            "{issuer} is not https, which RFC 8414 requires: anybody on the way can read and change tokens and keys; use https"
        ))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_to_listen_on_is_an_ip_address_and_a_port() {
        for text in ["127.0.0.1:8080", "0.0.0.0:0", "[::1]:8080", "[::]:65535"] {
            assert!(socket_address(text).is_ok(), "{text}");
        }
        for (text, words) in [
            ("http://127.0.0.1:8080", "leave http:// out"),
            ("8080", "write 0.0.0.0:8080"),
            (":8080", "write 0.0.0.0:8080"),
            ("0.0.0.0", "the port is missing, as in 0.0.0.0:8080"),
            ("::1", "the port is missing, as in [::1]:8080"),
            ("[::1]", "the port is missing, as in [::1]:8080"),
            ("localhost", "the port is missing"),
            ("::1:99999", "in brackets"),
            ("127.0.0.1:99999", "the port must be from 0 to 65535"),
            ("localhost:http", "the port must be from 0 to 65535"),
            ("localhost:8080", "a host name is no IP address"),
        ] {
            let error = socket_address(text).unwrap_err();
            assert!(error.contains("such as 127.0.0.1:8080; ") && error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn an_issuer_of_this_machine_or_over_plain_http_is_doubted() {
        for (issuer, words) in [
            ("http://localhost:8080", "this machine"),
            ("https://localhost", "this machine"),
            ("https://a.localhost", "this machine"),
            ("http://127.8.8.8", "this machine"),
            ("http://[::1]:8080", "this machine"),
            ("http://0.0.0.0:8080", "this machine"),
            ("http://auth.example.com", "RFC 8414"),
        ] {
            let doubt = issuer_doubt(issuer).unwrap_or_else(|| panic!("{issuer}"));
            assert!(doubt.contains(words), "{doubt}");
        }
        assert_eq!(issuer_doubt("https://auth.example.com/tenant"), None);
    }
}
