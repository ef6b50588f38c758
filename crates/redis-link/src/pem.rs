//! The PEM files for TLS. The client library takes a file without a certificate for one with no certificate to trust, and
//! tells files that it cannot read apart from nothing else. So they are checked here, one by one.

mod invalid_pem;

use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;

pub use self::invalid_pem::{InvalidPem, Wanted};

/// Checks the text of `REDIS_TLS_CA`: certificates of CAs, at least one.
///
/// # Errors
///
/// The content, and what is wanted instead.
pub fn check_ca(text: &str) -> Result<(), InvalidPem> {
    let certificates = certificates(text, Wanted::Ca)?;
    let mut store = RootCertStore::empty();
    certificates.into_iter().zip(1..).try_for_each(|(certificate, number)| {
        store.add(certificate).map_err(|_| InvalidPem::UnreadableCertificate(number, Wanted::Ca))
    })
}

/// Checks the text of `REDIS_TLS_CERT`: a certificate, and those of the CAs between it and the server's.
///
/// # Errors
///
/// The content, and what is wanted instead.
pub fn check_certificate(text: &str) -> Result<(), InvalidPem> {
    certificates(text, Wanted::Certificate)?.iter().zip(1..).try_for_each(|(certificate, number)| {
        let read = ParsedCertificate::try_from(certificate).map(drop);
        read.map_err(|_| InvalidPem::UnreadableCertificate(number, Wanted::Certificate))
    })
}

/// Checks the text of `REDIS_TLS_KEY`: a private key without a password.
///
/// # Errors
///
/// The content, and what is wanted instead. Never the key.
pub fn check_key(text: &str) -> Result<(), InvalidPem> {
    if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(InvalidPem::Encrypted);
    }
    key(text).map(drop)
}

/// Checks whether a certificate and a key, each checked already, belong together.
///
/// # Errors
///
/// When the key is that of another certificate.
pub fn check_pair(certificate: &str, key_text: &str) -> Result<(), InvalidPem> {
    let key = any_supported_type(&key(key_text)?).map_err(|_| InvalidPem::UnreadableKey)?;
    let pair = CertifiedKey::new(certificates(certificate, Wanted::Certificate)?, key);
    pair.keys_match().map_err(|_| InvalidPem::Mismatch)
}

fn certificates(text: &str, wanted: Wanted) -> Result<Vec<CertificateDer<'static>>, InvalidPem> {
    let read = CertificateDer::pem_slice_iter(text.as_bytes()).zip(1..).map(|(certificate, number)| {
        certificate.map_err(|_| InvalidPem::UnreadableCertificate(number, wanted))
    });
    let certificates = read.collect::<Result<Vec<_>, _>>()?;
    if certificates.is_empty() { Err(InvalidPem::without(text, wanted)) } else { Ok(certificates) }
}

fn key(text: &str) -> Result<PrivateKeyDer<'static>, InvalidPem> {
    let has_key = text.lines().any(|line| line.starts_with("-----BEGIN") && line.contains("PRIVATE KEY"));
    if !has_key {
        return Err(InvalidPem::without(text, Wanted::Key));
    }
    let key = PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|_| InvalidPem::UnreadableKey)?;
    any_supported_type(&key).map_err(|_| InvalidPem::UnreadableKey)?;
    Ok(key)
}
