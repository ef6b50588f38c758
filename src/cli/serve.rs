//! `token-gateway serve`.

use std::process::ExitCode;

use anyhow::Result;

use super::process::start_logging;
use super::usage::as_usage;
use crate::config::Flags;
use crate::startup::{Application, bind};

pub fn run(flags: &Flags) -> Result<ExitCode> {
    let settings = as_usage(flags.settings())?;
    start_logging(flags)?;
    let listener = bind(flags.address(), "BIND_ADDR")?;
    actix_web::rt::System::new()
        .block_on(async { Application::build(settings, listener).await?.run_until_stopped().await })?;
    Ok(ExitCode::SUCCESS)
}
