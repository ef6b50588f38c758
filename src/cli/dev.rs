//! `token-gateway dev`: nothing to set up, and lines to paste.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::thread;

use anyhow::{Context, Result};

use super::output::report;
use super::process::start_logging;
use super::usage::as_usage;
use crate::config::{ApiDocs, DevSettings, Flags, StoreSettings};
use crate::startup::{Application, bind};

pub fn run(flags: &Flags) -> Result<ExitCode> {
    start_logging(flags)?;
    let listener = bind(flags.address(), "BIND_ADDR")?;
    let DevSettings { settings, key, services } =
        as_usage(flags.dev_settings(reachable(listener.local_addr()?)))?;
    let (embedded, docs) = (matches!(settings.store, StoreSettings::Embedded), settings.api_docs);
    actix_web::rt::System::new().block_on(async {
        let application = Application::build(settings, listener).await?;
        let address = application.address();
        let docs = match docs {
            ApiDocs::Public => Some(address),
            ApiDocs::Admin => application.admin_address(),
            ApiDocs::Off => None,
        };
        show(heading(address, &key, &services, embedded) + &docs_line(docs) + &story(address, &key))?;
        application.run_until_stopped().await
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the guide on a thread of its own, because nobody may read standard output.
fn show(guide: String) -> Result<()> {
    let print = move || {
        if let Err(error) = report("the node runs", &(guide + "\n")) {
            log::warn!(error = format!("{error:#}"); "cannot print the lines to paste: {error:#}");
        }
    };
    thread::Builder::new().name("guide".to_owned()).spawn(print).map(drop).context("cannot start a thread")
}

/// Where the node is, and what opens it.
fn heading(address: SocketAddr, key: &str, services: &[String], embedded: bool) -> String {
    let url = format!("http://{}", reachable(address));
    let store = if embedded { "embedded (forgets everything at exit)" } else { "Redis, at REDIS_URL" };
    let taken_over = match services {
        [] => "SERVICE_KEYS adds those of your services".to_owned(),
        names => format!("keys of SERVICE_KEYS work, too: {}", names.join(", ")),
    };
    format!(
        "\
token-gateway dev on {url}
store: {store}
service key (for this run only): {key}
{taken_over}
public keys of access tokens: {url}/.well-known/jwks.json
"
    )
}

/// Where the documentation of the API is, and the end of the heading.
fn docs_line(docs: Option<SocketAddr>) -> String {
    let line = |at| format!("API documentation, for a browser: http://{}/docs\n", reachable(at));
    docs.map(line).unwrap_or_default() + "\n"
}

/// Lines for a shell, in the order of a story. Each `curl` keeps its answer in a variable, and the next one takes its
/// tokens from there.
fn story(address: SocketAddr, key: &str) -> String {
    let url = format!("http://{}", reachable(address));
    let login = |name: &str| {
        format!(
            "{name}=$(curl -sS {url}/v1/sessions -H 'Authorization: Bearer {key}' \
             -H 'Content-Type: application/json' -d '{{\"sub\":\"alice\",\"claims\":{{\"roles\":[\"admin\"]}}}}'); echo \"${name}\""
        )
    };
    let token =
        |from: &str, kind: &str| format!(r#"$(echo "${from}" | sed 's/.*"{kind}":"\([^"]*\)".*/\1/')"#);
    let fresh_key = "$(od -An -N16 -tx1 /dev/urandom | tr -d ' \\n')";
    let refresh = |from: &str| {
        format!(
            "curl -sS {url}/oauth/token -H \"Idempotency-Key: {fresh_key}\" -d grant_type=refresh_token \
             -d \"refresh_token={}\"",
            token(from, "refresh_token")
        )
    };
    let sessions = format!("curl -sS {url}/v1/users/alice/sessions -H 'Authorization: Bearer {key}'; echo");
    let revoke =
        format!("curl -sS {url}/oauth/revoke -d \"token={}\"; echo", token("THIRD", "refresh_token"));
    format!(
        "\
# Paste these lines into another shell, one after the other.

# 1. The login service has proved who alice is: a session, and its first tokens.
{}

# 2. Alice's app refreshes: a new pair; the old refresh token is used up.
SECOND=$({}); echo \"$SECOND\"

# 3. Somebody reuses the old refresh token: refused, and taken for theft.
{}; echo

# 4. So every session of alice has ended, the honest one too.
{}; echo
{sessions}

# 5. Alice signs in again, and logs out.
{}
{revoke}

# 6. Her refresh token is refused now, without any alarm.
{}; echo
",
        login("FIRST"),
        refresh("FIRST"),
        refresh("FIRST"),
        refresh("SECOND"),
        login("THIRD"),
        refresh("THIRD"),
    )
}

/// The address for a client on this machine.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    address
}
