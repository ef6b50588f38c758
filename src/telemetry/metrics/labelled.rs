//! Metrics with one label, whose values are a closed set.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::registry::Registry;

/// A counter for each value, in order.
pub fn family(
    registry: &mut Registry,
    name: &str,
    help: &str,
    label: &'static str,
    values: &[&'static str],
) -> Vec<Counter> {
    let family = Family::<[(&str, &str); 1], Counter>::default();
    registry.register(name, help, family.clone());
    resolve(&family, label, values)
}

/// The metrics of these values, looked up once.
pub fn resolve<M: Clone, C: MetricConstructor<M>>(
    family: &Family<[(&'static str, &'static str); 1], M, C>,
    label: &'static str,
    values: &[&'static str],
) -> Vec<M> {
    values.iter().map(|value| family.get_or_create(&[(label, *value)]).clone()).collect()
}
