//! The URLs of servers, as a builder takes them and as logs show them.

use reqwest::Url;

use crate::BuildError;

/// An http(s) URL without a user and a password; `part` names its place in the settings.
pub fn parse(part: &str, text: &str) -> Result<Url, BuildError> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let url = url.ok_or_else(|| BuildError(format!("{part}: must be an http(s) URL")))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(BuildError(format!("{part}: must not hold a user or a password")));
    }
    Ok(url)
}

/// The form for logs: without the query, because it may hold a secret.
pub fn without_query(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}
