//! A CA, and certificates signed by it: for a server on loopback, and for a client.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use tempfile::TempDir;

/// Settings, in the form for the start of a node.
pub fn borrowed<'a>(settings: &'a [(&'a str, String)]) -> Vec<(&'a str, &'a str)> {
    settings.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

/// PEM files in a folder of their own.
pub struct Certificates {
    folder: TempDir,
}

impl Certificates {
    pub fn make() -> Self {
        Self::make_for(&["127.0.0.1", "localhost"], None)
    }

    /// With these names in the certificates, and their last day.
    pub fn make_for(names: &[&str], last_day: Option<(i32, u8, u8)>) -> Self {
        let certificates = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        let mut authority = CertificateParams::new(Vec::new()).expect("no names");
        authority.distinguished_name.push(DnType::CommonName, "the CA of the tests");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key")).expect("a CA");
        certificates.write("ca.pem", &ca.pem());
        for name in ["server", "client"] {
            let key = KeyPair::generate().expect("a key");
            let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
            let mut params = CertificateParams::new(names).expect("names");
            if let Some((year, month, day)) = last_day {
                params.not_after = date_time_ymd(year, month, day);
            }
            params.distinguished_name.push(DnType::CommonName, name);
            let certificate = params.signed_by(&key, &ca).expect("a certificate");
            certificates.write(&format!("{name}.pem"), &certificate.pem());
            certificates.write(&format!("{name}.key"), &key.serialize_pem());
        }
        certificates
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).expect("a file");
    }

    pub fn path(&self, name: &str) -> String {
        let path: PathBuf = self.folder.path().join(name);
        path.into_os_string().into_string().expect("UTF-8")
    }

    /// Options of redis-server, to demand a certificate from every client of its TLS port.
    pub fn server_options(&self, port: u16) -> Vec<String> {
        let files = [("cert", "server.pem"), ("key", "server.key"), ("ca-cert", "ca.pem")];
        let named = files.iter().flat_map(|(kind, file)| [format!("--tls-{kind}-file"), self.path(file)]);
        let port = ["--tls-port".to_owned(), port.to_string()];
        let auth = ["--tls-auth-clients", "yes"].map(str::to_owned);
        named.chain(port).chain(auth).collect()
    }

    /// Options of redis-cli, to show the client's certificate.
    pub fn client_options(&self) -> Vec<String> {
        let files = [("--cacert", "ca.pem"), ("--cert", "client.pem"), ("--key", "client.key")];
        let named = files.map(|(option, file)| [option.to_owned(), self.path(file)]);
        ["--tls".to_owned()].into_iter().chain(named.into_iter().flatten()).collect()
    }

    /// Settings of a node, to trust this CA alone and to show the client's certificate.
    pub fn node_settings(&self) -> [(&'static str, String); 3] {
        let files =
            [("REDIS_TLS_CA", "ca.pem"), ("REDIS_TLS_CERT", "client.pem"), ("REDIS_TLS_KEY", "client.key")];
        files.map(|(name, file)| (name, self.path(file)))
    }
}
