//! The common state of all connections of a proxy.

use std::sync::atomic::AtomicBool;

use super::gate::Gate;
use super::plan::Fates;

#[derive(Default)]
pub struct Shared {
    pub gate: Gate,
    pub fates: Fates,
    pub closed: AtomicBool,
}
