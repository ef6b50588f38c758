//! Where Redis is, and how one server is dialled.

use std::fmt;

use redis::io::tcp::TcpSettings;
use redis::{
    Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo,
    RedisError, TlsCertificates,
};
use secrecy::{ExposeSecret, SecretString};

use crate::pem::{check_ca, check_certificate, check_key, check_pair};
use crate::role::Role;

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

    /// Whether each text is what its setting wants.
    ///
    /// # Errors
    ///
    /// The setting and its content, and what is wanted instead. Never a key.
    pub fn check(&self) -> Result<(), String> {
        let named = |name: &'static str| move |error| format!("{name}: {error}");
        self.ca.as_deref().map_or(Ok(()), check_ca).map_err(named("REDIS_TLS_CA"))?;
        let Some((certificate, key)) = &self.certificate else { return Ok(()) };
        check_certificate(certificate).map_err(named("REDIS_TLS_CERT"))?;
        check_key(key.expose_secret()).map_err(named("REDIS_TLS_KEY"))?;
        check_pair(certificate, key.expose_secret()).map_err(named("REDIS_TLS_KEY"))
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
        self.connection_info(&Address { host: "localhost".to_owned(), port: 6379 }).map(drop)
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
