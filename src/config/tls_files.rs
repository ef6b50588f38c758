//! The files for TLS to Redis: each is read and checked by its own setting.

use std::path::Path;

use anyhow::{Result, anyhow};
use secrecy::{ExposeSecret, SecretString};
use token_gateway_redis_link::address::Tls;
use token_gateway_redis_link::pem::{InvalidPem, check_ca, check_certificate, check_key, check_pair};

use super::file_access::explained;
use super::invalid_value::check_beginning;
use super::settings_error::SettingsError;
use crate::shown_value;

/// The first bytes of a certificate and of a key in DER, the form behind PEM.
const DER_BEGINNING: [u8; 2] = [0x30, 0x82];

/// The paths of the files.
pub struct TlsFiles<'a> {
    pub ca: Option<&'a Path>,
    pub certificate: Option<&'a Path>,
    pub key: Option<&'a Path>,
}

impl TlsFiles<'_> {
    /// The texts of the files; `None` when something is wrong.
    pub fn read(&self, wrong: &mut SettingsError) -> Option<Tls> {
        let ca = self.ca.map(|path| wrong.note(pem("REDIS_TLS_CA", path, check_ca)));
        let certificate =
            self.certificate.map(|path| wrong.note(pem("REDIS_TLS_CERT", path, check_certificate)));
        let key = self.key.map(|path| wrong.note(pem("REDIS_TLS_KEY", path, check_key)));
        let certificate = match (certificate, key.map(|key| key.map(SecretString::from))) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some(self.pair(certificate?, key?, wrong)?),
            (Some(_), None) => wrong.note(lone(
                "REDIS_TLS_KEY",
                "REDIS_TLS_CERT needs its private key; name the file of the key",
            ))?,
            (None, Some(_)) => wrong.note(lone(
                "REDIS_TLS_CERT",
                "REDIS_TLS_KEY is the key of a certificate; name the file of the certificate",
            ))?,
        };
        Some(Tls { ca: ca.map_or(Some(None), |ca| ca.map(Some))?, certificate })
    }

    fn pair(
        &self,
        certificate: String,
        key: SecretString,
        wrong: &mut SettingsError,
    ) -> Option<(String, SecretString)> {
        let path = self.key?.display();
        let checked = check_pair(&certificate, key.expose_secret());
        wrong.note(checked.map_err(|error| anyhow!("REDIS_TLS_KEY: {path}: {error}")))?;
        Some((certificate, key))
    }
}

fn lone<T>(missing: &str, why: &str) -> Result<T> {
    Err(anyhow!("{missing}: is missing; {why}"))
}

fn pem(name: &str, path: &Path, check: fn(&str) -> Result<(), InvalidPem>) -> Result<String> {
    let place = || shown_value::place(name, path);
    if path.is_dir() {
        return Err(anyhow!("{}: is a folder; name a PEM file in it", place()));
    }
    let bytes = std::fs::read(path).map_err(|error| {
        let error = explained(path, error, "name an existing PEM file that this user may read");
        let read = shown_value::shown_path(path).map_or("be read".to_owned(), |path| format!("read {path}"));
        anyhow!("{name}: cannot {read}: {error}")
    })?;
    let is_der = bytes.starts_with(&DER_BEGINNING);
    let text = String::from_utf8(bytes).map_err(|_| match is_der {
        true => anyhow!(
            "{}: is DER; convert it to PEM, for a certificate: openssl x509 -inform der -in FILE -out PEM",
            place()
        ),
        false => anyhow!("{}: is no text; name a PEM file, which holds -----BEGIN", place()),
    })?;
    check_beginning(&text).map_err(|error| anyhow!("{}: {error}", place()))?;
    check(&text).map_err(|error| anyhow!("{}: {error}", place()))?;
    Ok(text)
}
