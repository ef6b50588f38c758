//! `token-gateway healthcheck`: for containers without a shell and without curl.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Args;

use super::output::print;
use crate::config::{port, socket_address};
use crate::shown_value::printable;
use crate::telemetry::logging::say;

#[derive(Debug, Args)]
pub struct Healthcheck {
    /// The node's listening address [default: 127.0.0.1:8080]
    #[arg(long, env = "BIND_ADDR", value_parser = socket_address)]
    bind_addr: Option<SocketAddr>,
    /// Without BIND_ADDR: its port
    #[arg(long, env = "PORT", value_parser = port)]
    port: Option<u16>,
    /// Ask only whether the process is alive, not whether it can serve
    #[arg(long)]
    live: bool,
}

impl Healthcheck {
    pub fn run(&self) -> Result<ExitCode> {
        let port = self.port.unwrap_or(8080);
        let mut address = self.bind_addr.unwrap_or_else(|| (Ipv4Addr::LOCALHOST, port).into());
        if address.ip().is_unspecified() {
            address.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        let url = format!("http://{address}/{}", if self.live { "livez" } else { "readyz" });
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(3)))
            .http_status_as_error(false)
            .proxy(None)
            .build()
            .new_agent();
        let answer = agent.get(&url).call();
        let word = match answer {
            Ok(mut answer) => {
                let word = answer.body_mut().read_to_string().unwrap_or_default();
                if answer.status().is_success() {
                    print(&format!("{}\n", printable(&word)))?;
                    return Ok(ExitCode::SUCCESS);
                }
                word
            }
            Err(error) => error.to_string(),
        };
        say(format!("{url}: {}\n", printable(&word)));
        Ok(ExitCode::FAILURE)
    }
}
