//! The figures of an attack, beside those of the honest clients, and the promises about them.

use std::time::Duration;

use token_gateway_testkit::hostile::{Footprint, Tally};

use super::attack::Attack;
use super::look::Look;
use super::newcomers::Newcomers;
use crate::scenario::Finding;
use crate::scenario::load::Window;

/// The demands on an attack.
struct Demands {
    /// The share of the honest rate that must remain.
    share: f64,
    /// Owners of a hundred that are alarmed by their first answer.
    alarmed: u64,
    /// The node's processor time a second for each client that is to be cheap.
    processor: Duration,
}

const FULL: Demands = Demands { share: 0.5, alarmed: 95, processor: Duration::from_millis(2) };

/// For few clients, a short look, and a machine that may have much else to do.
const PLAIN: Demands = Demands { share: 0.25, alarmed: 80, processor: Duration::from_millis(50) };

/// Node and kernel together keep less for a client.
const MEMORY_OF_A_CLIENT: u64 = 1 << 20;

/// The memory that a node may keep after an attack.
const MEMORY_KEPT: u64 = 50 << 20;

/// All that was measured before, during and after an attack.
pub struct Measured {
    pub hostile: u64,
    pub length: Duration,
    pub alone: Window,
    pub after: Window,
    /// Before and after the honest clients were alone, and at last.
    pub footprints: [Footprint; 3],
    pub look: Look,
}

impl Measured {
    fn share(&self) -> f64 {
        self.look.window.rate / self.alone.rate
    }

    /// Bytes for each hostile client, in node and kernel together, at the end of the attack.
    fn memory(&self) -> u64 {
        let (before, under) = (&self.footprints[1], &self.look.footprints[1]);
        let grown = (under.resident + under.kernel).saturating_sub(before.resident + before.kernel);
        grown / self.hostile
    }

    fn kept(&self) -> u64 {
        self.footprints[2].resident.saturating_sub(self.footprints[1].resident)
    }

    /// Seconds of the nodes' processor time for each second, alone and under the attack.
    fn processor(&self) -> [f64; 2] {
        let [start, before, _] = &self.footprints;
        let [began, ended] = &self.look.footprints;
        [(start, before), (began, ended)].map(|(from, to)| {
            to.processor.saturating_sub(from.processor).as_secs_f64() / self.length.as_secs_f64()
        })
    }

    /// The same for each hostile client, less the cost of the honest clients' refreshes.
    fn processor_of_a_client(&self) -> f64 {
        let [alone, under] = self.processor();
        (under - alone * self.share()).max(0.0) / self.hostile as f64
    }
}

/// Notes the figures. `scripts/limits-rows` reads them by these names.
pub fn tell(finding: &mut Finding, measured: &Measured, tally: &Tally) {
    let Measured { alone, after, look, .. } = measured;
    let (under, honest) = (&look.window, &look.honest);
    let [cpu_alone, cpu_under] = measured.processor();
    finding.measure("hostile clients", measured.hostile);
    finding.measure("honest refreshes a second alone", alone.rate as u64);
    finding.measure("under the attack", under.rate as u64);
    finding.measure("after it", after.rate as u64);
    finding.measure("p50 alone, ms", millis(alone.p50));
    finding.measure("p50 under the attack, ms", millis(under.p50));
    finding.measure("p99 alone, ms", millis(alone.p99));
    finding.measure("p99 under the attack, ms", millis(under.p99));
    finding.measure("honest requests under the attack", honest.requests);
    finding.measure("answered 503", honest.unavailable);
    finding.measure("of these at a bound that says so", honest.at_a_bound);
    finding.measure("not answered", honest.unanswered);
    finding.measure("newcomers let in", format!("{} of {}", look.newcomers.let_in, look.newcomers.all));
    finding.measure("memory of node and kernel for each hostile client, KiB", measured.memory() / 1024);
    finding.measure("processor time of the nodes alone, s each second", tenths(cpu_alone));
    finding.measure("processor time under the attack, s each second", tenths(cpu_under));
    let each = measured.processor_of_a_client();
    finding
        .measure("processor time for each hostile client, ms each second", format!("{:.1}", each * 1000.0));
    finding.measure("memory of the nodes kept after the attack, MiB", measured.kept() >> 20);
    finding.measure("hostile connections", tally.connections());
    finding.measure("closed by the node", tally.closed());
    finding.measure("answers to hostile clients", format!("{:?}", tally.answers()));
    finding.measure("bytes read by hostile clients, MiB", tally.bytes() >> 20);
    finding.measure("owners alarmed by their first answer", format!("{} of {}", look.alarmed, look.owners));
}

/// The promises about the attack itself, for which another look may be taken.
pub fn holds(attack: &Attack, full: bool, measured: &Measured) -> bool {
    let mut finding = Finding::default();
    demand_of_a_look(&mut finding, attack, full, measured);
    finding.broken.is_empty()
}

pub fn demand(finding: &mut Finding, attack: &Attack, full: bool, measured: &Measured) {
    demand_of_a_look(finding, attack, full, measured);
    let kept = measured.kept();
    finding.demand("no more than 50 MiB are kept", kept < MEMORY_KEPT, || kept.to_string());
}

fn demand_of_a_look(finding: &mut Finding, attack: &Attack, full: bool, measured: &Measured) {
    let (wanted, look) = (if full { FULL } else { PLAIN }, &measured.look);
    let share = measured.share();
    finding.demand("honest clients keep their share of the rate", share >= wanted.share, || {
        format!("{share:.2}")
    });
    let unaccounted = look.honest.unaccounted();
    finding.demand("an honest client's 503 is of a bound that says so", unaccounted == 0, || {
        format!("{unaccounted} of {:?}", look.honest)
    });
    let Newcomers { all, let_in } = look.newcomers;
    finding.demand("newcomers are let in", let_in as f64 >= wanted.share * all as f64, || {
        format!("{let_in} of {all}")
    });
    finding.demand(
        "an owner's first answer is the alarm",
        look.alarmed * 100 >= wanted.alarmed * look.owners,
        || format!("{} of {}", look.alarmed, look.owners),
    );
    if attack.is_cheap {
        demand_cheapness(finding, &wanted, measured);
    }
}

fn demand_cheapness(finding: &mut Finding, wanted: &Demands, measured: &Measured) {
    let memory = measured.memory();
    finding
        .demand("a hostile client costs less than 1 MiB", memory < MEMORY_OF_A_CLIENT, || memory.to_string());
    let processor = measured.processor_of_a_client();
    finding.demand(
        "a hostile client costs close to no processor time",
        processor < wanted.processor.as_secs_f64(),
        || format!("{processor:.4} s each second"),
    );
}

fn millis(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1000.0)
}

fn tenths(value: f64) -> String {
    format!("{value:.2}")
}
