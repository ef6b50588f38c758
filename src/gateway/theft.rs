//! The alarm of a theft: a superseded refresh token came back, so its sessions have ended.
//!
//! Its lines name a user, an address and a device. These are personal data: `docs/reference/log-lines.md` says so.

use std::net::IpAddr;

use token_gateway_core::token::RefreshToken;

use crate::telemetry::logging::THEFT_LOG_TARGET;

/// Bytes of a user agent that an alarm shows.
const MAX_USER_AGENT: usize = 256;

/// The sender of a refresh.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sender<'a> {
    pub address: Option<IpAddr>,
    /// The header, as it came.
    pub user_agent: Option<&'a [u8]>,
}

/// The token was used before, and so `ended` sessions have ended.
pub(super) fn reused(token: &RefreshToken, sender: &Sender<'_>, ended: usize) {
    let (sid, subject) = (token.jti.session(), token.subject.encoded().to_string());
    let (address, user_agent) = (sender.address(), sender.user_agent());
    let (client, sessions) = (token.client_id.as_str(), ended);
    let sender = shown(address.as_deref(), user_agent.as_deref());
    log::warn!(
        target: THEFT_LOG_TARGET,
        sid = sid.as_str(), subject, address, user_agent, client, sessions;
        "refresh token reused: session {sid} of {subject}, {sender}, client {client}; {sessions} sessions ended"
    );
}

/// The session was ended by an earlier reuse whose answer was lost, so its alarm may be lost, too.
pub(super) fn met_again(token: &RefreshToken, sender: &Sender<'_>) {
    let (sid, subject) = (token.jti.session(), token.subject.encoded().to_string());
    let (address, user_agent) = (sender.address(), sender.user_agent());
    let client = token.client_id.as_str();
    let sender = shown(address.as_deref(), user_agent.as_deref());
    log::warn!(
        target: THEFT_LOG_TARGET,
        sid = sid.as_str(), subject, address, user_agent, client;
        "ended by a reuse whose answer was lost: session {sid} of {subject}, {sender}, client {client}"
    );
}

impl Sender<'_> {
    fn address(&self) -> Option<String> {
        self.address.map(|address| address.to_string())
    }

    /// In printable ASCII without quotes, so that it can end neither its line nor its place in it.
    fn user_agent(&self) -> Option<String> {
        let mut shown = String::new();
        for byte in self.user_agent?.iter().copied() {
            let escaped = std::ascii::escape_default(byte);
            if shown.len() + escaped.len() > MAX_USER_AGENT {
                break;
            }
            shown.extend(escaped.map(char::from));
        }
        Some(shown)
    }
}

fn shown(address: Option<&str>, user_agent: Option<&str>) -> String {
    let address = address.unwrap_or("an unknown address");
    match user_agent {
        Some(agent) => format!("from {address} (\"{agent}\")"),
        None => format!("from {address}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_agent_is_shown_in_printable_ascii_up_to_its_bound() {
        let shown =
            |text: &[u8]| Sender { address: None, user_agent: Some(text) }.user_agent().expect("a text");
        assert_eq!(shown(b"Example/1.0 (X11; Linux)"), "Example/1.0 (X11; Linux)");
        assert_eq!(shown("\"\r\n\u{1b}[1m\u{e9}\\".as_bytes()), r#"\"\r\n\x1b[1m\xc3\xa9\\"#);
        assert_eq!(shown(&[b'x'; 10_000]).len(), MAX_USER_AGENT);
        assert_eq!(shown(&[0xe9; 10_000]), r"\xe9".repeat(64), "no escape is cut");
    }
}
