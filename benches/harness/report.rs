//! The report of a bench: a table, a JSON file and a plot.

use std::path::Path;

use serde_json::{Value, json};

use super::bench::{Label, Target};
use super::load::RunResult;
use super::machine_probe::MachineProbe;
use super::options::Options;
use super::plot;

/// The collected results.
pub struct Report {
    name: &'static str,
    quick: bool,
    machine: Value,
    probes: Vec<MachineProbe>,
    results: Vec<SeriesResult>,
    metrics: Vec<Metric>,
}

/// The results of one series.
#[derive(Debug)]
pub struct SeriesResult {
    pub label: Label,
    /// Operations per second of each round.
    pub throughput: Vec<f64>,
    /// The latency in milliseconds at 50, 90, 99 and 99.9 %, and the maximum: the median of the
    /// rounds. Empty if it was not measured.
    pub latency: Vec<f64>,
}

/// The reported quantiles.
pub const QUANTILES: [f64; 5] = [0.5, 0.9, 0.99, 0.999, 1.0];

struct Metric {
    what: String,
    values: Vec<f64>,
    unit: &'static str,
    target: Target,
}

impl Metric {
    fn target_status(&self) -> &'static str {
        let value = median(&self.values);
        match self.target {
            Target::AtLeast(_, aim) if value >= aim => "aim",
            Target::AtLeast(least, _) if value >= least => "met",
            Target::AtMost(_, aim) if value <= aim => "aim",
            Target::AtMost(most, _) if value <= most => "met",
            Target::Unbounded => "",
            _ => "MISSED",
        }
    }

    /// The texts of the required value and the goal.
    fn target_text(&self) -> (String, String) {
        let with_unit = |sign: &str, value: f64| format!("{sign} {}{}", format_number(value), self.unit);
        match self.target {
            Target::AtLeast(least, aim) => (with_unit("≥", least), with_unit("≥", aim)),
            Target::AtMost(most, aim) => (with_unit("≤", most), with_unit("≤", aim)),
            Target::Unbounded => Default::default(),
        }
    }
}

impl Report {
    pub(super) fn new(name: &'static str, options: &Options) -> Self {
        Self {
            name,
            quick: options.quick,
            machine: machine(),
            probes: Vec::new(),
            results: Vec::new(),
            metrics: Vec::new(),
        }
    }

    pub(super) fn add_probe(&mut self, probe: MachineProbe) {
        self.probes.push(probe);
    }

    pub(super) fn add_series(&mut self, label: &Label, runs: &[RunResult]) {
        let throughput = runs.iter().map(RunResult::throughput).collect();
        let measured: Vec<_> = runs.iter().filter_map(|run_result| run_result.latencies.as_ref()).collect();
        let latency = QUANTILES
            .iter()
            .filter(|_| !measured.is_empty())
            .map(|quantile| {
                let each =
                    measured.iter().map(|latencies| latencies.value_at_quantile(*quantile) as f64 / 1e6);
                median(&each.collect::<Vec<_>>())
            })
            .collect();
        self.results.push(SeriesResult { label: label.clone(), throughput, latency });
    }

    pub(super) fn metric(&mut self, what: &str, values: &[f64], unit: &'static str, target: Target) {
        self.metrics.push(Metric { what: what.to_owned(), values: values.to_vec(), unit, target });
    }

    /// Prints the tables and writes `<path>.txt`, `<path>.json` and `<path>.svg`.
    pub(super) fn finish(&self, path: &Path) {
        let text = self.text();
        println!("\n{text}");
        std::fs::write(path.with_extension("txt"), text).unwrap();
        let json = path.with_extension("json");
        std::fs::write(&json, format!("{:#}\n", self.json())).unwrap();
        println!("{}", json.display());
        if !self.results.is_empty() {
            let svg = path.with_extension("svg");
            plot::draw(&svg, &self.results);
            println!("{}", svg.display());
        }
    }

    fn text(&self) -> String {
        let mut text = format!("{}: {}\n", self.name, self.machine["summary"].as_str().unwrap_or_default());
        if self.quick {
            text += "one short round: these figures mean nothing\n";
        }
        text += &self.probe_line();
        let mut rows = vec![
            ["contestant", "per second", "lowest", "highest", "p50 ms", "p90", "p99", "p99.9", "longest"]
                .map(str::to_owned)
                .to_vec(),
        ];
        for result in &self.results {
            let (low, high) = value_range(&result.throughput);
            let mut row = vec![result.label.to_string()];
            row.extend([median(&result.throughput), low, high].map(|value| format!("{value:.0}")));
            row.extend(result.latency.iter().map(|latency| format!("{latency:.2}")));
            rows.push(row);
        }
        if rows.len() > 1 {
            text += &format!("\n{}", format_table(&rows));
        }
        let mut rows = vec![
            ["figure", "median", "lowest", "highest", "at least", "aim", ""].map(str::to_owned).to_vec(),
        ];
        for figure in &self.metrics {
            let (low, high) = value_range(&figure.values);
            let (least, aim) = figure.target_text();
            let middle = format!("{}{}", format_number(median(&figure.values)), figure.unit);
            rows.push(vec![
                figure.what.clone(),
                middle,
                format_number(low),
                format_number(high),
                least,
                aim,
                figure.target_status().to_owned(),
            ]);
        }
        if rows.len() > 1 {
            text += &format!("\n{}", format_table(&rows));
        }
        text
    }

    fn probe_line(&self) -> String {
        if self.probes.is_empty() {
            return String::new();
        }
        let line = |what: &str, of: fn(&MachineProbe) -> f64| {
            let values: Vec<f64> = self.probes.iter().map(of).collect();
            let (low, high) = value_range(&values);
            format!("{what} {:.0} ({low:.0} to {high:.0})", median(&values))
        };
        format!(
            "probes, one a round: {}, {} MB/s of SHA-256; {} synced pages/s\n",
            line("one core", |probe| probe.one_core),
            line("all cores", |probe| probe.all_cores),
            line("disk", |probe| probe.fsyncs),
        )
    }

    fn json(&self) -> Value {
        let results = self.results.iter().map(|result| {
            let latency = QUANTILES.iter().zip(&result.latency);
            json!({
                "panel": result.label.panel,
                "series": result.label.series,
                "connections": result.label.connections,
                "per_second": median(&result.throughput),
                "rounds": result.throughput,
                "latency_ms": latency.map(|(q, ms)| (q.to_string(), json!(ms))).collect::<serde_json::Map<_, _>>(),
            })
        });
        let figures = self.metrics.iter().map(|figure| {
            let (least, aim) = figure.target_text();
            json!({
                "what": figure.what,
                "median": median(&figure.values),
                "unit": figure.unit,
                "rounds": figure.values,
                "wanted": least,
                "aim": aim,
                "verdict": figure.target_status(),
            })
        });
        json!({
            "bench": self.name,
            "quick": self.quick,
            "machine": self.machine,
            "probes": self.probes,
            "results": results.collect::<Vec<_>>(),
            "figures": figures.collect::<Vec<_>>(),
        })
    }
}

/// A description of the machine.
fn machine() -> Value {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("an unknown CPU");
    let model = model.trim_start_matches([' ', '\t', ':']).to_owned();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease").trim().to_owned();
    let load = read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned();
    json!({
        "summary": format!("{cores} cores of {model}, Linux {kernel}, load {load} at the start"),
        "cores": cores,
        "cpu": model,
        "kernel": kernel,
        "load": load,
    })
}

/// The median. For an even number of values, the mean of the two middle ones.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        even if even % 2 == 0 => (sorted[half - 1] + sorted[half]) / 2.0,
        _ => sorted[half],
    }
}

fn value_range(values: &[f64]) -> (f64, f64) {
    values
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(*value), high.max(*value)))
}

/// A number with about three significant digits.
fn format_number(value: f64) -> String {
    match value.abs() {
        0.0..0.1 => format!("{value:.4}"),
        0.1..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// A table whose first column is left-aligned and whose other columns are right-aligned.
fn format_table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell: &String| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let pad = " ".repeat(widths[column] - cell.chars().count());
            line += &if column == 0 { format!("{cell}{pad}") } else { format!("  {pad}{cell}") };
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}
