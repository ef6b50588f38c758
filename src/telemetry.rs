//! Logs and metrics for operators: [`logging`] and [`metrics`].

pub mod logging;
pub mod metrics;
