//! SHA-256 of keys, as bytes and in hex.

use std::fmt::Write as _;

use aws_lc_rs::digest;

/// A key as it is kept.
pub type KeyHash = [u8; 32];

/// In lower case, as `SERVICE_KEYS` and Redis's files of users have it.
pub fn sha256_hex(text: &str) -> String {
    hex(&sha256(text.as_bytes()))
}

pub fn sha256(bytes: &[u8]) -> KeyHash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("strings take all that is written");
        hex
    })
}

/// 64 digits, in either case.
pub fn parse_hash(hex: &str) -> Option<KeyHash> {
    let mut hash = [0; 32];
    if hex.len() != 64 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, digits) in hash.iter_mut().zip(hex.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(hash)
}
