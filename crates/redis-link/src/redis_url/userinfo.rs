//! User and password of a URL.

use redis::{IntoConnectionInfo, RedisConnectionInfo};

use super::InvalidUrl;

/// Characters that end user and password for other readers of URLs, or that no URL has.
const RESERVED: [char; 4] = ['/', '?', '#', ' '];

/// Checks the text of user and password, as it stands before the last `@`.
pub fn check(text: &str) -> Result<(), InvalidUrl> {
    if let Some(raw) = text.chars().find(|c| RESERVED.contains(c)) {
        return Err(InvalidUrl::Raw(raw));
    }
    let is_escape = |rest: &str| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if text.split('%').skip(1).all(is_escape) { Ok(()) } else { Err(InvalidUrl::BrokenEscape) }
}

/// Reads a checked text, by the client library, because it decodes user and password.
pub fn read(text: &str) -> Result<RedisConnectionInfo, InvalidUrl> {
    // Nobody has to log in as the user that every connection has at first.
    if matches!(text, "" | ":" | "default" | "default:") {
        return Ok(RedisConnectionInfo::default());
    }
    let info = format!("redis://{text}@localhost").into_connection_info().map_err(|_| InvalidUrl::NotUtf8)?;
    let redis = info.redis_settings().clone();
    if redis.password().is_none_or(str::is_empty) {
        return Err(InvalidUrl::NoPassword);
    }
    let texts = [redis.username(), redis.password()];
    if texts.into_iter().flatten().any(|text| text.contains(char::is_control)) {
        return Err(InvalidUrl::ControlCharacter);
    }
    Ok(redis)
}
