//! Throughput and latency over the number of connections, as SVG: a row of two
//! plots for each panel.

use std::path::Path;

use plotters::coord::combinators::IntoLogRange;
use plotters::prelude::*;

use super::report::{Outcome, median};

const WIDTH: u32 = 1_100;
const ROW: u32 = 360;
const COLOURS: [RGBColor; 6] = [
    RGBColor(0x1b, 0x6e, 0xc2),
    RGBColor(0xd9, 0x5f, 0x02),
    RGBColor(0x1b, 0x9e, 0x77),
    RGBColor(0x75, 0x70, 0xb3),
    RGBColor(0xe7, 0x29, 0x8a),
    RGBColor(0x66, 0x66, 0x66),
];

/// A line: its name, and its points from left to right.
type Line = (String, Vec<(f64, f64)>);

/// Draws all panels under each other.
pub fn draw(path: &Path, results: &[Outcome]) {
    let mut panels: Vec<&str> = Vec::new();
    for result in results {
        if !panels.contains(&result.label.panel.as_str()) {
            panels.push(&result.label.panel);
        }
    }
    let area = SVGBackend::new(path, (WIDTH, ROW * panels.len() as u32)).into_drawing_area();
    area.fill(&WHITE).unwrap();
    for (row, panel) in area.split_evenly((panels.len(), 1)).iter().zip(panels) {
        let of_panel: Vec<&Outcome> = results.iter().filter(|result| result.label.panel == panel).collect();
        let plots = row.split_evenly((1, 2));
        plot(
            &plots[0],
            &format!("{panel}: operations per second"),
            &lines(&of_panel, |result| Some(median(&result.throughput))),
            &of_panel,
        );
        let mut latencies = lines(&of_panel, |result| result.latency.first().copied());
        for (name, _) in &mut latencies {
            name.push_str(", p50");
        }
        let mut slow = lines(&of_panel, |result| result.latency.get(2).copied());
        for (name, _) in &mut slow {
            name.push_str(", p99");
        }
        latencies.append(&mut slow);
        plot(&plots[1], &format!("{panel}: latency in ms"), &latencies, &of_panel);
    }
    area.present().unwrap();
}

fn lines(results: &[&Outcome], of: impl Fn(&Outcome) -> Option<f64>) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for result in results {
        let Some(value) = of(result) else { continue };
        let point = (result.label.connections as f64, value);
        match lines.iter_mut().find(|(name, _)| *name == result.label.series) {
            Some((_, points)) => points.push(point),
            None => lines.push((result.label.series.clone(), vec![point])),
        }
    }
    lines
}

/// A plot with both axes logarithmic: what doubles is as far apart everywhere.
fn plot(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    title: &str,
    lines: &[Line],
    all: &[&Outcome],
) {
    let values = || lines.iter().flat_map(|(_, points)| points.iter().map(|(_, y)| *y)).filter(|y| *y > 0.0);
    let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
    if high == 0.0 {
        return;
    }
    let most = all.iter().map(|result| result.label.connections).max().unwrap_or(1) as f64;
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d((0.8..most * 1.5).log_scale(), (low * 0.5..high * 2.0).log_scale())
        .unwrap();
    chart
        .configure_mesh()
        .x_desc("connections")
        .light_line_style(BLACK.mix(0.04))
        .bold_line_style(BLACK.mix(0.12))
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| if *y < 10.0 { format!("{y:.1}") } else { format!("{y:.0}") })
        .draw()
        .unwrap();
    for (nth, (name, points)) in lines.iter().enumerate() {
        let colour = COLOURS[nth % COLOURS.len()];
        let style = colour.stroke_width(2);
        chart
            .draw_series(LineSeries::new(points.iter().copied(), style).point_size(4))
            .unwrap()
            .label(name.as_str())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.2))
        .label_font(("sans-serif", 12))
        .draw()
        .unwrap();
}
