//! The plots of `BENCHMARKS.md`.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::coord::{CoordTranslate, Shift};
use plotters::prelude::*;

use crate::arrangement::Arrangement;
use crate::figures::{Figures, Found, cpu, rate};

const SIZE: (u32, u32) = (760, 400);

/// Colors for light and dark pages, also for readers with red-green blindness.
fn color(arrangement: Arrangement) -> RGBColor {
    match arrangement {
        Arrangement::Direct => RGBColor(0x88, 0x88, 0x88),
        Arrangement::Gateway => RGBColor(0x00, 0x72, 0xb2),
        Arrangement::Before => RGBColor(0x56, 0xb4, 0xe9),
        Arrangement::Bare => RGBColor(0xe6, 0x9f, 0x00),
        Arrangement::Checkout => RGBColor(0xcc, 0x79, 0xa7),
        Arrangement::Empty | Arrangement::Verify | Arrangement::Library => RGBColor(0x00, 0x9e, 0x73),
    }
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn area(path: &Path) -> Result<Area<'_>> {
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE).map_err(wrong)?;
    Ok(area)
}

fn wrong(error: impl std::fmt::Debug) -> anyhow::Error {
    anyhow!("plot: {error:?}")
}

/// Draws the legend, and writes the file.
fn finish<'a, C: CoordTranslate>(
    mut chart: ChartContext<'a, SVGBackend<'a>, C>,
    area: &Area<'a>,
    legend: SeriesLabelPosition,
) -> Result<()> {
    chart.configure_series_labels().position(legend).background_style(WHITE).draw().map_err(wrong)?;
    area.present().map_err(wrong)
}

/// Refreshes per second over the number of clients.
pub fn throughput(figures: &Figures, path: &Path) -> Result<()> {
    let (area, counts) = (area(path)?, figures.counts());
    let arrangements = || {
        figures
            .arrangements()
            .filter(|one| !matches!(one, Arrangement::Empty | Arrangement::Verify | Arrangement::Library))
    };
    let highest = arrangements().flat_map(|one| counts.iter().map(move |&n| figures.typical(one, n, rate)));
    let top = highest.fold(1.0, f64::max) * 1.1;
    let mut chart = ChartBuilder::on(&area)
        .caption("Refreshes per second over clients", ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d(0..counts.len() - 1, 0.0..top)
        .map_err(wrong)?;
    chart
        .configure_mesh()
        .x_labels(counts.len())
        .x_label_formatter(&|at| counts.get(*at).map(ToString::to_string).unwrap_or_default())
        .y_label_formatter(&|rate| format!("{rate:.0}"))
        .x_desc("clients")
        .draw()
        .map_err(wrong)?;
    for one in arrangements() {
        let points: Vec<_> =
            counts.iter().enumerate().map(|(at, &n)| (at, figures.typical(one, n, rate))).collect();
        let style = color(one).stroke_width(if one == Arrangement::Gateway { 3 } else { 2 });
        chart
            .draw_series(LineSeries::new(points, style).point_size(3))
            .map_err(wrong)?
            .label(one.name())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    finish(chart, &area, SeriesLabelPosition::UpperLeft)
}

/// Processor time per request, with 64 clients, or with the highest number measured.
pub fn processor_time(figures: &Figures, path: &Path) -> Result<()> {
    let area = area(path)?;
    let counts = figures.counts();
    let clients = if counts.contains(&64) { 64 } else { counts[counts.len() - 1] };
    let all: Vec<_> = figures.arrangements().collect();
    let times: Vec<_> = all
        .iter()
        .map(|one| {
            (*one, figures.typical(*one, clients, cpu), figures.typical(*one, clients, |it| it.redis_cpu_us))
        })
        .collect();
    let top = times.iter().map(|(_, node, redis)| node + redis).fold(1.0, f64::max) * 1.15;
    let mut chart = ChartBuilder::on(&area)
        .caption(format!("Processor time per request, {clients} clients (µs)"), ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(48)
        .build_cartesian_2d((0..all.len() - 1).into_segmented(), 0.0..top)
        .map_err(wrong)?;
    let name = |at: &SegmentValue<usize>| match at {
        SegmentValue::CenterOf(at) => all.get(*at).map(|one| one.name().to_owned()).unwrap_or_default(),
        _ => String::new(),
    };
    chart.configure_mesh().disable_x_mesh().x_label_formatter(&name).draw().map_err(wrong)?;
    let bar = |at: usize, from: f64, to: f64, style: RGBColor| {
        let mut bar = Rectangle::new(
            [(SegmentValue::Exact(at), from), (SegmentValue::Exact(at + 1), to)],
            style.filled(),
        );
        bar.set_margin(0, 0, 24, 24);
        bar
    };
    let node =
        times.iter().enumerate().map(|(at, (_, node, _))| bar(at, 0.0, *node, color(Arrangement::Gateway)));
    let redis = times
        .iter()
        .enumerate()
        .map(|(at, (_, node, redis))| bar(at, *node, node + redis, color(Arrangement::Direct)));
    let legend =
        |style: RGBColor| move |(x, y)| Rectangle::new([(x, y - 5), (x + 14, y + 5)], style.filled());
    chart.draw_series(node).map_err(wrong)?.label("node").legend(legend(color(Arrangement::Gateway)));
    chart.draw_series(redis).map_err(wrong)?.label("Redis").legend(legend(color(Arrangement::Direct)));
    finish(chart, &area, SeriesLabelPosition::UpperRight)
}

/// Latency over the offered rate.
pub fn latency(figures: &Figures, path: &Path) -> Result<()> {
    let area = area(path)?;
    let highest = figures.open.iter().map(|one| one.offered_per_second).fold(1.0, f64::max);
    let slowest =
        figures.offers().map(|one| figures.offered(one.share, |it| it.p999_us) / 1e3).fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(&area)
        .caption("Latency of a refresh over the rate offered (ms)", ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(48)
        .build_cartesian_2d(0.0..highest * 1.05, (0.1..slowest * 1.5).log_scale())
        .map_err(wrong)?;
    chart
        .configure_mesh()
        .x_label_formatter(&|rate| format!("{rate:.0}"))
        .x_desc("refreshes per second")
        .draw()
        .map_err(wrong)?;
    type Figure = fn(&Found) -> f64;
    let percentiles: [(&str, Figure, RGBColor); 3] = [
        ("p50", |it| it.p50_us, color(Arrangement::Gateway)),
        ("p99", |it| it.p99_us, color(Arrangement::Bare)),
        ("p99.9", |it| it.p999_us, color(Arrangement::Checkout)),
    ];
    for (name, figure, style) in percentiles {
        let points: Vec<_> = figures
            .offers()
            .map(|one| (one.offered_per_second, figures.offered(one.share, figure) / 1e3))
            .collect();
        chart
            .draw_series(LineSeries::new(points, style.stroke_width(2)).point_size(3))
            .map_err(wrong)?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style.stroke_width(2)));
    }
    finish(chart, &area, SeriesLabelPosition::UpperLeft)
}
