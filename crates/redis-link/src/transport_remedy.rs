//! The cause and the remedy where a server gave no answer: the network, TLS, another program on the port.

use std::borrow::Cow;
use std::error::Error as _;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use redis::RedisError;
use rustls::{AlertDescription, CertificateError};

use crate::reason::Reason;
use crate::reply_text;
use crate::role::Role;
use crate::server::{Announcer, Server};

/// The remedy where a port speaks no TLS, by its first bytes or by its silence.
const PLAIN_PORT: &str =
    "this port speaks no TLS: take its tls-port, or let REDIS_URL begin with redis instead of rediss";

/// The remedy where a port speaks TLS only.
const TLS_PORT: &str =
    "this port speaks TLS: let REDIS_URL begin with rediss instead of redis, or take the plain port";

/// The parser's words where an answer begins with the byte of a TLS alert.
const BEGINS_LIKE_TLS: &str = "Unexpected `21`";

/// The reason behind an error without a reply.
pub(crate) fn of(error: &RedisError, server: &Server) -> Reason {
    match io_error(error) {
        Some(io) => match io.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(tls) => of_tls(tls),
            None => of_io(io, server),
        },
        None if error.kind() == redis::ErrorKind::Parse => of_foreign(&error.to_string(), server),
        None => {
            (format!("cannot be used: {}", reply_text::safe(&error.to_string())), "look at its log".into())
        }
    }
}

/// The library keeps the system's error behind an `Arc`.
fn io_error(error: &RedisError) -> Option<&io::Error> {
    let source = error.source()?;
    let shared = source.downcast_ref::<Arc<dyn std::error::Error + Send + Sync>>();
    shared.map_or_else(|| source.downcast_ref(), |shared| shared.downcast_ref())
}

/// The remedy where a server accepts connections at best, and does not answer.
pub(crate) fn of_silence(server: &Server) -> Cow<'static, str> {
    let place = place(server);
    if server.over_tls {
        return format!("is it frozen, does a firewall drop its port, or does this port speak no TLS (its tls-port, or redis instead of rediss)? Else correct {place}").into();
    }
    format!("is it frozen or busy, or does a firewall drop its port? Else correct {place}").into()
}

/// A port that answers a plain command, though TLS was asked for.
pub(crate) fn of_plain_port() -> Reason {
    ("answered without TLS".to_owned(), PLAIN_PORT.into())
}

fn of_io(error: &io::Error, server: &Server) -> Reason {
    let words = reply_text::safe(&error.to_string());
    let place = place(server);
    let (cause, remedy): (_, Cow<'static, str>) = match error.kind() {
        ErrorKind::ConnectionRefused => ("cannot be reached", format!("start it, or correct {place}").into()),
        ErrorKind::TimedOut => ("gave no answer", of_silence(server)),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
            ("cannot be reached", format!("mend the route to its host, or correct {place}").into())
        }
        ErrorKind::BrokenPipe
        | ErrorKind::UnexpectedEof
        | ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted => ("closed the connection", of_close(server).into()),
        _ if words.contains("lookup") => {
            ("has no address", format!("mend the DNS entry of its host, or correct {place}").into())
        }
        _ => ("cannot be reached", format!("mend the network, or correct {place}").into()),
    };
    (format!("{cause}: {words}"), remedy)
}

fn of_close(server: &Server) -> &'static str {
    if server.over_tls {
        "its log has the reason; does it want a certificate (REDIS_TLS_CERT and REDIS_TLS_KEY), or speak no TLS?"
    } else {
        "is it stopping, or does this port speak TLS (rediss instead of redis)? Its log has the reason"
    }
}

/// The setting with the address of a server.
fn place(server: &Server) -> String {
    match &server.announcer {
        None if server.role == Role::Sentinel => {
            "the host and the port of the Sentinel in REDIS_URL".to_owned()
        }
        None => "the host and the port in REDIS_URL".to_owned(),
        Some(Announcer::Cluster(_)) => {
            "the address that the Cluster announces (cluster-announce-ip, cluster-announce-port)".to_owned()
        }
        Some(Announcer::Sentinel(_, name)) => format!(
            "the address that Sentinels announce (replica-announce-ip, replica-announce-port); \
             SENTINEL CKQUORUM {name} says whether they can fail over"
        ),
    }
}

/// The server speaks another protocol.
fn of_foreign(words: &str, server: &Server) -> Reason {
    if words.contains(BEGINS_LIKE_TLS) {
        return ("answered with a TLS record".to_owned(), TLS_PORT.into());
    }
    let remedy = format!("another program listens there; correct {}", place(server));
    ("does not speak the protocol of Redis".to_owned(), remedy.into())
}

fn of_tls(error: &rustls::Error) -> Reason {
    let words = reply_text::safe(&error.to_string());
    let remedy = match error {
        rustls::Error::InvalidMessage(_) => return ("answered without TLS".to_owned(), PLAIN_PORT.into()),
        rustls::Error::InvalidCertificate(problem) => of_certificate(problem, &words),
        rustls::Error::AlertReceived(alert) => of_alert(*alert),
        _ => "compare the TLS settings of both sides; its log has the reason",
    };
    (format!("failed the TLS handshake: {words}"), remedy.into())
}

/// The server's certificate was refused here.
fn of_certificate(problem: &CertificateError, words: &str) -> &'static str {
    match problem {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "let REDIS_TLS_CA name the CA that signed the server's certificate"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "renew the server's certificate"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "set the clock right, or renew the server's certificate"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "let REDIS_URL name a host of the certificate, or renew it with this host in subjectAltName"
        }
        _ if words.contains("CaUsedAsEndEntity") => {
            "the certificate is a CA's own; sign a server certificate with it: docs/operate/redis-tls.md"
        }
        _ => "renew the server's certificate: docs/operate/redis-tls.md",
    }
}

/// The server refused this side.
fn of_alert(alert: AlertDescription) -> &'static str {
    use AlertDescription::{
        CertificateExpired, CertificateRequired, DecryptError, ProtocolVersion, UnknownCA,
    };
    match alert {
        CertificateRequired => "it wants a certificate; set REDIS_TLS_CERT and REDIS_TLS_KEY",
        UnknownCA | DecryptError => {
            "it does not trust the CA of REDIS_TLS_CERT; take a certificate of its CA"
        }
        CertificateExpired => "renew the certificate of REDIS_TLS_CERT",
        ProtocolVersion => "allow TLSv1.2 or TLSv1.3 in its tls-protocols",
        _ => "its log has the reason; does it want another certificate (REDIS_TLS_CERT and REDIS_TLS_KEY)?",
    }
}
