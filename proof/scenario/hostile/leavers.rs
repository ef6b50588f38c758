//! Honest users who sign out while an attack is on.

use std::time::Duration;

use fastrand::Rng;
use tokio::time::sleep;

use crate::client::{Chain, Fleet};

pub async fn log_in(fleet: &Fleet, leavers: usize, rng: &mut Rng) -> Vec<Chain> {
    let mut chains = Vec::new();
    for n in 0..leavers {
        chains.push(fleet.login(&format!("leaver-{n}"), rng).await);
    }
    chains
}

/// They sign out one after the other, over the length of the attack.
pub async fn leave(fleet: &Fleet, leavers: &[Chain], length: Duration, rng: &mut Rng) {
    for leaver in leavers {
        sleep(length / (leavers.len() as u32 + 1)).await;
        fleet.log_out(leaver, rng).await;
    }
}
