//! What operators see: [`logging`] and [`metrics`].

pub mod logging;
pub mod metrics;
