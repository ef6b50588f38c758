//! The figures of an attack, beside those of the honest clients, and the promises about them.

use std::time::Duration;

use token_gateway_testkit::hostile::{Footprint, Tally};

use super::attack::Attack;
use super::newcomers::Newcomers;
use crate::scenario::Finding;
use crate::scenario::load::Window;

/// The share of the honest rate that must remain.
const SHARE: f64 = 0.5;

/// The same without `--full`: the machine may have much else to do.
const SHARE_OF_A_BUSY_MACHINE: f64 = 0.2;

/// Node and kernel together keep less for a client.
const MEMORY_OF_A_CLIENT: u64 = 1 << 20;

/// The memory that a node may keep after an attack.
const MEMORY_KEPT: u64 = 50 << 20;

/// Owners of a hundred that are alarmed by their first answer.
const ALARMED: u64 = 95;

/// All that was measured before, during and after an attack.
pub struct Measured {
    pub hostile: u64,
    pub length: Duration,
    pub windows: [Window; 3],
    pub footprints: [Footprint; 4],
    /// Honest requests during the attack, those answered 503, and those without an answer.
    pub honest: [u64; 3],
    pub newcomers: Newcomers,
    pub owners: u64,
    pub alarmed: u64,
}

impl Measured {
    fn share(&self) -> f64 {
        self.windows[1].rate / self.windows[0].rate
    }

    /// Bytes for each hostile client, in node and kernel together, at the end of the attack.
    fn memory(&self) -> u64 {
        let [_, before, under, _] = &self.footprints;
        let grown = (under.resident + under.kernel).saturating_sub(before.resident + before.kernel);
        grown / self.hostile
    }

    fn kept(&self) -> u64 {
        self.footprints[3].resident.saturating_sub(self.footprints[1].resident)
    }

    /// Processor time of the nodes for each second of a phase.
    fn processor(&self, phase: usize) -> f64 {
        let spent = self.footprints[phase].processor.saturating_sub(self.footprints[phase - 1].processor);
        spent.as_secs_f64() / self.length.as_secs_f64()
    }
}

/// Notes the figures. `scripts/limits-rows` reads them by these names.
pub fn tell(finding: &mut Finding, measured: &Measured, tally: &Tally) {
    let [alone, under, after] = &measured.windows;
    let [requests, unavailable, unanswered] = measured.honest;
    finding.measure("hostile clients", measured.hostile);
    finding.measure("honest refreshes a second alone", alone.rate as u64);
    finding.measure("under the attack", under.rate as u64);
    finding.measure("after it", after.rate as u64);
    finding.measure("p50 alone, ms", millis(alone.p50));
    finding.measure("p50 under the attack, ms", millis(under.p50));
    finding.measure("p99 alone, ms", millis(alone.p99));
    finding.measure("p99 under the attack, ms", millis(under.p99));
    finding.measure("honest requests under the attack", requests);
    finding.measure("answered 503", unavailable);
    finding.measure("not answered", unanswered);
    finding
        .measure("newcomers let in", format!("{} of {}", measured.newcomers.let_in, measured.newcomers.all));
    finding.measure("memory of node and kernel for each hostile client, KiB", measured.memory() / 1024);
    finding.measure("processor time of the nodes alone, s each second", tenths(measured.processor(1)));
    finding.measure("processor time under the attack, s each second", tenths(measured.processor(2)));
    let each = (measured.processor(2) - measured.processor(1)).max(0.0) / measured.hostile as f64;
    finding
        .measure("processor time for each hostile client, ms each second", format!("{:.1}", each * 1000.0));
    finding.measure("memory of the nodes kept after the attack, MiB", measured.kept() >> 20);
    finding.measure("hostile connections", tally.connections());
    finding.measure("closed by the node", tally.closed());
    finding.measure("answers to hostile clients", format!("{:?}", tally.answers()));
    finding.measure("bytes read by hostile clients, MiB", tally.bytes() >> 20);
    finding.measure(
        "owners alarmed by their first answer",
        format!("{} of {}", measured.alarmed, measured.owners),
    );
}

pub fn demand(finding: &mut Finding, attack: &Attack, full: bool, measured: &Measured) {
    let wanted = if full { SHARE } else { SHARE_OF_A_BUSY_MACHINE };
    let share = measured.share();
    finding.demand("honest clients keep their share of the rate", share >= wanted, || format!("{share:.2}"));
    let Newcomers { all, let_in } = measured.newcomers;
    finding.demand("newcomers are let in", let_in as f64 >= wanted * all as f64, || {
        format!("{let_in} of {all}")
    });
    if attack.is_bounded_in_memory {
        let memory = measured.memory();
        finding.demand("a hostile client costs less than 1 MiB", memory < MEMORY_OF_A_CLIENT, || {
            memory.to_string()
        });
    }
    let kept = measured.kept();
    finding.demand("no more than 50 MiB are kept", kept < MEMORY_KEPT, || kept.to_string());
    if full {
        let alarmed = measured.alarmed;
        let needed = measured.owners * ALARMED / 100;
        finding.demand("an owner's first answer is the alarm", alarmed >= needed, || {
            format!("{alarmed} of {}", measured.owners)
        });
    }
}

fn millis(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1000.0)
}

fn tenths(value: f64) -> String {
    format!("{value:.2}")
}
