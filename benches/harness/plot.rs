//! Plots of throughput and latency over the number of connections, as SVG: a row of two plots per
//! panel.

use std::path::Path;

use plotters::coord::Shift;
use plotters::coord::combinators::IntoLogRange;
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;

use super::report::{SeriesResult, median};

const WIDTH: u32 = 1_100;
const ROW_HEIGHT: u32 = 360;
const COLOURS: [RGBColor; 6] = [
    RGBColor(0x1b, 0x6e, 0xc2),
    RGBColor(0xd9, 0x5f, 0x02),
    RGBColor(0x1b, 0x9e, 0x77),
    RGBColor(0x75, 0x70, 0xb3),
    RGBColor(0xe7, 0x29, 0x8a),
    RGBColor(0x66, 0x66, 0x66),
];

type PlotArea<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A line of a plot.
struct PlotLine {
    name: String,
    /// The index of its series in the panel, which selects its colour.
    series: usize,
    /// Whether it is the second line of a series.
    thin: bool,
    /// The connections and the measured values.
    points: Vec<(f64, f64)>,
}

/// Draws all panels below each other.
pub fn draw(path: &Path, results: &[SeriesResult]) {
    let mut panels: Vec<&str> = Vec::new();
    for result in results {
        if !panels.contains(&result.label.panel.as_str()) {
            panels.push(&result.label.panel);
        }
    }
    let area = SVGBackend::new(path, (WIDTH, ROW_HEIGHT * panels.len() as u32)).into_drawing_area();
    area.fill(&WHITE).unwrap();
    for (row, panel) in area.split_evenly((panels.len(), 1)).iter().zip(panels) {
        let of_panel: Vec<&SeriesResult> =
            results.iter().filter(|result| result.label.panel == panel).collect();
        let plots = row.split_evenly((1, 2));
        draw_throughput(&plots[0], panel, &of_panel);
        draw_latency(&plots[1], panel, &of_panel);
    }
    area.present().unwrap();
}

fn draw_throughput(area: &PlotArea<'_>, panel: &str, results: &[&SeriesResult]) {
    let lines = plot_lines(results, |result| Some(median(&result.throughput)));
    let (_, highest) = value_range(&lines);
    draw_panel(area, &format!("{panel}: operations per second"), 0.0..highest * 1.4, &lines);
}

fn draw_latency(area: &PlotArea<'_>, panel: &str, results: &[&SeriesResult]) {
    let mut middle = plot_lines(results, |result| result.latency.first().copied());
    let mut slow = plot_lines(results, |result| result.latency.get(2).copied());
    for line in &mut middle {
        line.name.push_str(", p50");
    }
    for line in &mut slow {
        line.name.push_str(", p99");
        line.thin = true;
    }
    middle.append(&mut slow);
    let (low, high) = value_range(&middle);
    if low > 0.0 {
        let decade = |value: f64| 10_f64.powf(value);
        let axis = decade(low.log10().floor())..decade((high.log10() + 0.5).ceil());
        draw_panel(area, &format!("{panel}: latency in ms"), axis.log_scale(), &middle);
    }
}

fn plot_lines(results: &[&SeriesResult], of: impl Fn(&SeriesResult) -> Option<f64>) -> Vec<PlotLine> {
    let mut names: Vec<&str> = Vec::new();
    let mut lines: Vec<PlotLine> = Vec::new();
    for result in results {
        let name = result.label.series.as_str();
        let series = names.iter().position(|known| *known == name).unwrap_or_else(|| {
            names.push(name);
            names.len() - 1
        });
        let Some(value) = of(result) else { continue };
        let point = (result.label.connections as f64, value);
        match lines.iter_mut().find(|line| line.series == series) {
            Some(line) => line.points.push(point),
            None => {
                lines.push(PlotLine { name: name.to_owned(), series, thin: false, points: vec![point] });
            }
        }
    }
    lines
}

/// The minimum and the maximum. 0 if there are no values.
fn value_range(lines: &[PlotLine]) -> (f64, f64) {
    let values = || lines.iter().flat_map(|line| line.points.iter().map(|(_, value)| *value));
    (values().reduce(f64::min).unwrap_or_default(), values().reduce(f64::max).unwrap_or_default())
}

/// A plot whose x axis doubles from one tick to the next.
fn draw_panel<Y>(area: &PlotArea<'_>, title: &str, y: Y, lines: &[PlotLine])
where
    Y: AsRangedCoord<Value = f64>,
    Y::CoordDescType: ValueFormatter<f64>,
{
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 15))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(56)
        .build_cartesian_2d(-0.5..8.5, y)
        .unwrap();
    chart
        .configure_mesh()
        .x_desc("connections")
        .light_line_style(BLACK.mix(0.03))
        .bold_line_style(BLACK.mix(0.12))
        .x_labels(9)
        .x_label_formatter(&|doublings: &f64| format!("{:.0}", doublings.exp2()))
        .y_label_formatter(&|value: &f64| {
            if *value < 1.0 { format!("{value}") } else { format!("{value:.0}") }
        })
        .draw()
        .unwrap();
    for line in lines {
        let colour = COLOURS[line.series % COLOURS.len()];
        let style = colour.mix(if line.thin { 0.5 } else { 1.0 }).stroke_width(if line.thin { 1 } else { 2 });
        let style = if line.thin { style } else { style.filled() };
        let points = line.points.iter().map(|(connections, value)| (connections.log2(), *value));
        chart
            .draw_series(LineSeries::new(points, style).point_size(3))
            .unwrap()
            .label(line.name.as_str())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.7))
        .label_font(("sans-serif", 11))
        .draw()
        .unwrap();
}
