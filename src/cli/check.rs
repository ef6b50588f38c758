//! `token-gateway check`: each problem, and how to mend it.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use ipnet::IpNet;

use super::output::{print, print_json};
use super::process::on_runtime;
use crate::config::{ApiDocs, Flags, Settings, issuer_doubt, line_end_warnings};
use crate::shown_value::printable;
use crate::store::redis::inspect::{Finding, Severity, inspect};
use crate::transport::Capacity;

#[derive(Debug, Args)]
pub struct Check {
    /// Print findings as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pub flags: Flags,
}

impl Check {
    pub fn run(&self) -> Result<ExitCode> {
        let mut findings = self.settings();
        if self.flags.is_embedded() || self.flags.redis().is_ok() {
            findings.extend(self.redis()?);
        }
        let doubts = self.flags.log().0.doubts();
        findings.extend(doubts.into_iter().map(|doubt| Finding::new(Severity::Warning, "RUST_LOG", doubt)));
        if self.json {
            print_json(&findings)?;
        } else {
            print(&text(&findings))?
        }
        let sound = findings.iter().all(|finding| finding.severity != Severity::Problem);
        Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn settings(&self) -> Vec<Finding> {
        let finding = |severity, message: String| Finding::new(severity, "settings", message);
        match self.flags.settings() {
            Ok(settings) => {
                let warnings = line_end_warnings().into_iter().chain(settings.secret_files.warnings());
                let warnings = warnings.map(|warning| finding(Severity::Warning, warning));
                let complete = std::iter::once(finding(Severity::Ok, "complete".to_owned()));
                complete
                    .chain(std::iter::once(connections(&settings)))
                    .chain(warnings)
                    .chain(doubts(&settings))
                    .collect()
            }
            Err(wrong) => wrong.each().into_iter().map(|error| finding(Severity::Problem, error)).collect(),
        }
    }

    fn redis(&self) -> Result<Vec<Finding>> {
        if self.flags.is_embedded() {
            let message = "embedded: every session is forgotten when the process ends";
            return Ok(vec![Finding::new(Severity::Warning, "store", message)]);
        }
        let settings = self.flags.redis()?;
        Ok(on_runtime(inspect(&settings))
            .unwrap_or_else(|error| vec![Finding::new(Severity::Problem, "redis", error.to_string())]))
    }
}

/// The connections that a node takes with the limits of this process.
fn connections(settings: &Settings) -> Finding {
    let (severity, message) = match Capacity::raised(settings.workers) {
        Ok(capacity) if capacity.is_low() => (Severity::Warning, capacity.to_string()),
        Ok(capacity) => (Severity::Ok, capacity.to_string()),
        Err(error) => (Severity::Problem, error.to_string()),
    };
    Finding::new(severity, "connections", message)
}

/// Settings with which a node starts, and which are likely mistakes.
fn doubts(settings: &Settings) -> Vec<Finding> {
    let warning = |subject: &'static str, message| Finding::new(Severity::Warning, subject, message);
    let issuer = issuer_doubt(&settings.tokens.issuer).map(|doubt| warning("ISSUER", doubt));
    let admin = settings.admin.is_none().then(|| {
        let docs = if settings.api_docs == ApiDocs::Admin { ", and no /docs" } else { "" };
        let why = format!(
            "is not set: there are no metrics{docs}, and /readyz gives no reasons; set it to an address that only your own \
             network reaches, such as 127.0.0.1:9090"
        );
        warning("ADMIN_ADDR", why)
    });
    let idle = settings.services.reserved_only().into_iter().map(|name| {
        warning(
            "SERVICE_KEYS",
            format!("{name} has the role events alone, and nothing serves it yet; give it a further role"),
        )
    });
    let is_everyone = |network: &&IpNet| network.prefix_len() == 0;
    let proxies = settings.trusted_proxies.iter().filter(is_everyone).map(|network| {
        let why = "takes every client for a proxy: anybody can choose the address in the alarm of a theft; name the addresses \
                   of your proxies alone";
        warning("TRUSTED_PROXIES", format!("{network} {why}"))
    });
    issuer.into_iter().chain(admin).chain(proxies).chain(idle).collect()
}

fn text(findings: &[Finding]) -> String {
    let line = |finding: &Finding| {
        format!("{:7} {:24} {}\n", label(finding.severity), finding.subject, printable(&finding.message))
    };
    findings.iter().map(line).collect()
}

fn label(severity: Severity) -> &'static str {
    match severity {
        Severity::Ok => "ok",
        Severity::Warning => "warning",
        Severity::Problem => "PROBLEM",
    }
}
