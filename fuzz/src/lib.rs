//! The common parts of the targets: the tokens of one gateway, and a way to sign tokens that no gateway would.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use token_gateway::token::key_set::KeySet;
use token_gateway::token::keyring::Secrets;
use token_gateway::token::{Keyring, TokenSettings, Tokens};
use token_gateway_core::token::Secret;

pub const ISSUER: &str = "https://issuer.example";

/// Secrets for made-up tokens only.
pub const SIGNING_SECRET: &str = "of the fuzz targets: access tokens";
pub const REFRESH_SECRET: &str = "of the fuzz targets: refresh tokens";

thread_local! {
    static TOKENS: Tokens = made();
}

/// Makes the [`Tokens`]. No other place in the targets knows how.
fn made() -> Tokens {
    let secret = |text| Secret::parse(text).expect("32 bytes and more");
    let secrets = Secrets {
        signing: Some(secret(SIGNING_SECRET)),
        refresh: Some(secret(REFRESH_SECRET)),
        refresh_previous: None,
    };
    let settings = TokenSettings {
        issuer: ISSUER.to_owned(),
        access_ttl: Duration::from_secs(900),
        refresh_ttl: Duration::from_secs(604_800),
        jwt_audiences: Vec::new(),
    };
    let keyring = Keyring::new(&secrets, &KeySet::default()).expect("both kinds have a secret");
    Tokens::new(&settings, Arc::new(keyring))
}

/// Lends the [`Tokens`] of this thread, as they are not `Sync`.
pub fn with_tokens<R>(use_them: impl FnOnce(&Tokens) -> R) -> R {
    TOKENS.with(use_them)
}

/// Signs header and payload as they are, as if the gateway had made the token.
pub fn sealed(secret: &str, header: &[u8], payload: &[u8]) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signature = hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The first line as a header, and the rest as a payload.
pub fn halves(data: &[u8]) -> (&[u8], &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    (&data[..end], data.get(end + 1..).unwrap_or_default())
}

/// Other spellings of a token. None may be accepted, or one token has many names.
pub fn respelled(token: &str) -> [String; 4] {
    let mut bits = token.as_bytes().to_vec();
    // 32 bytes leave two bits of the last character unused.
    let last = bits.last_mut().expect("no token is empty");
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digit = DIGITS.iter().position(|digit| digit == last).expect("base64url");
    *last = DIGITS[digit ^ 1];
    let bits = String::from_utf8(bits).expect("ASCII");
    [bits, format!("{token}="), format!(" {token}"), format!("{token}.")]
}

/// The claims of a token of ours.
pub fn payload(token: &str) -> Map<String, Value> {
    let payload = token.split('.').nth(1).expect("three parts");
    let json = URL_SAFE_NO_PAD.decode(payload).expect("base64url");
    serde_json::from_slice(&json).expect("a JSON object")
}

/// A JSON object as another parser reads it. `None` if the parser cannot: the gateway skips unused members unread, and
/// these may hold half a surrogate pair.
pub fn object(json: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice(json).ok()
}
