//! The error of a PEM file.

use std::fmt;

/// The content that a setting wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Certificates of CAs.
    Ca,
    /// A certificate for clients.
    Certificate,
    /// The private key of that certificate.
    Key,
}

/// Why a text is not the PEM that a setting wants. It repeats nothing of the text, because a private key may be in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPem {
    /// Nothing of what is wanted; something else in its place.
    #[error("{0}; {1}")]
    Other(&'static str, Wanted),
    /// The certificate of this number.
    #[error("certificate {0} in it cannot be read, as if it were cut or changed; {1}")]
    UnreadableCertificate(usize, Wanted),
    /// A private key that is cut, changed, or of an unknown kind.
    #[error(
        "the private key in it cannot be read; use an ECDSA, RSA or Ed25519 key, whole, in PKCS #8, PKCS #1 or SEC 1"
    )]
    UnreadableKey,
    /// A private key under a password.
    #[error(
        "the private key is encrypted, and nobody can be asked for its password; decrypt it: \
         openssl pkey -in FILE -out DECRYPTED, and name that file"
    )]
    Encrypted,
    /// The key of another certificate.
    #[error(
        "this is the private key of another certificate; name the key with which that of REDIS_TLS_CERT was made"
    )]
    Mismatch,
}

impl InvalidPem {
    /// The error of a text without anything that is wanted.
    pub(super) fn without(text: &str, wanted: Wanted) -> Self {
        Self::Other(content(text, wanted), wanted)
    }
}

/// The remedy.
impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ca => "name the PEM file with the CA's certificate, -----BEGIN CERTIFICATE-----",
            Self::Certificate => {
                "name the PEM file with the client's certificate, -----BEGIN CERTIFICATE-----"
            }
            Self::Key => "name the PEM file with the certificate's private key, -----BEGIN PRIVATE KEY-----",
        })
    }
}

/// The content of a text, in words.
fn content(text: &str, wanted: Wanted) -> &'static str {
    let is_indented =
        |line: &str| line.trim_start().len() < line.len() && line.trim_start().starts_with("-----");
    let labels = text.lines().filter_map(|line| line.trim().strip_prefix("-----BEGIN "));
    let labels: Vec<_> = labels.filter_map(|rest| rest.strip_suffix("-----")).collect();
    let has = |kind: &str| labels.iter().any(|label| label.ends_with(kind));
    if text.trim().is_empty() {
        "the file is empty"
    } else if labels.is_empty() {
        "the file holds no PEM"
    } else if text.lines().any(is_indented) {
        "the lines of the file begin with white space, which does not belong there"
    } else if has("PRIVATE KEY") && wanted != Wanted::Key {
        "the file holds a private key, and no certificate"
    } else if has("CERTIFICATE REQUEST") {
        "the file holds a certificate request, which no CA has signed yet"
    } else if has("TRUSTED CERTIFICATE") {
        "the file holds a certificate in OpenSSL's own form (TRUSTED), which openssl x509 -in FILE -out PEM converts"
    } else if has("CERTIFICATE") && wanted != Wanted::Key {
        "the certificate in the file has another label than CERTIFICATE"
    } else if has("CERTIFICATE") {
        "the file holds a certificate, and no private key"
    } else {
        "the file holds PEM of another kind"
    }
}
