//! Logs and metrics for operators: [`logging`] and [`metrics`].

mod labels;
pub mod logging;
pub mod metrics;
pub mod overloads;
