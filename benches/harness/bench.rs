//! A bench: its series run in turns, round by round, so that other load on the machine affects all
//! of them equally.

use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};

use super::load::{MeasurementWindow, RunResult};
use super::machine_probe::MachineProbe;
use super::options::Options;
use super::report::{self, Report};

/// The label of a series: its panel, its line in the plot, and the number of connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The panel of the plot, e.g. `redeem, PostgreSQL`.
    pub panel: String,
    /// The line in the plot, e.g. `countersign`.
    pub series: String,
    pub connections: usize,
}

impl std::fmt::Display for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} @{}", self.panel, self.series, self.connections)
    }
}

/// The id of a series, for ratios.
#[derive(Clone, Copy, Debug)]
pub struct SeriesId(Option<usize>);

/// The target of a figure.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// The required minimum and the goal.
    AtLeast(f64, f64),
    /// The required maximum and the goal.
    AtMost(f64, f64),
    /// No target: the figure is only reported.
    Unbounded,
}

/// A running bench.
pub struct Bench {
    /// The name of the bench and its files.
    name: &'static str,
    pub options: Options,
    results: Vec<(Label, Vec<RunResult>)>,
    report: Report,
}

/// Series that run in turns. Create it after the servers and databases that it borrows.
pub struct Comparison<'a> {
    options: Options,
    /// The number of runs in earlier comparisons.
    completed_runs: usize,
    series: Vec<Series<'a>>,
}

/// A label and the function that runs the series.
struct Series<'a> {
    label: Label,
    measure: Box<dyn FnMut(MeasurementWindow) -> RunResult + 'a>,
    runs: Vec<RunResult>,
}

impl<'a> Comparison<'a> {
    /// Adds a series. `run` prepares what it needs, then measures for the duration of the window.
    /// Only the returned result counts.
    pub fn add(
        &mut self,
        panel: &str,
        series: &str,
        connections: usize,
        run: impl FnMut(MeasurementWindow) -> RunResult + 'a,
    ) -> SeriesId {
        let label = Label { panel: panel.to_owned(), series: series.to_owned(), connections };
        if !self.options.is_selected(&label.to_string()) {
            return SeriesId(None);
        }
        self.series.push(Series { label, measure: Box::new(run), runs: Vec::new() });
        SeriesId(Some(self.completed_runs + self.series.len() - 1))
    }

    /// Runs all rounds. Each round starts with another series, after probing the machine and the
    /// disk of this directory.
    pub fn run(mut self, bench: &mut Bench, disk: &Path) {
        assert_eq!(self.completed_runs, bench.results.len(), "one comparison at a time");
        let rounds = self.options.rounds();
        let window = MeasurementWindow { warm_up: self.options.warm_up(), measured: self.options.measured() };
        let count = self.series.len();
        let bar = progress((rounds * count) as u64);
        for round in 0..rounds {
            bar.set_message("probing the machine");
            bench.report.add_probe(MachineProbe::measure(disk));
            for nth in 0..count {
                let entry = &mut self.series[(nth + round * count / rounds) % count];
                bar.set_message(format!("round {} of {rounds} · {}", round + 1, entry.label));
                entry.runs.push((entry.measure)(window));
                bar.inc(1);
            }
        }
        bar.finish_and_clear();
        for Series { label, runs, .. } in self.series {
            bench.report.add_series(&label, &runs);
            bench.results.push((label, runs));
        }
    }
}

impl Bench {
    pub(super) fn new(name: &'static str, options: Options) -> Self {
        let report = Report::new(name, &options);
        Self { name, options, results: Vec::new(), report }
    }

    /// A new comparison. Run the previous one first.
    pub fn comparison<'a>(&self) -> Comparison<'a> {
        Comparison { options: self.options.clone(), completed_runs: self.results.len(), series: Vec::new() }
    }

    fn runs(&self, contestant: SeriesId) -> Option<&[RunResult]> {
        Some(&self.results[contestant.0?].1)
    }

    /// The series with the highest median throughput, of those that ran.
    pub fn fastest(&self, series: &[SeriesId]) -> SeriesId {
        let throughput = |id: SeriesId| {
            let runs = self.runs(id)?;
            Some((median(&runs.iter().map(RunResult::throughput).collect::<Vec<_>>()), id))
        };
        let fastest = series.iter().filter_map(|id| throughput(*id)).max_by(|a, b| a.0.total_cmp(&b.0));
        fastest.map_or(SeriesId(None), |(_, id)| id)
    }

    /// Reports the ratio of the throughputs of two series: the median over the rounds.
    pub fn ratio(&mut self, what: &str, ours: SeriesId, theirs: SeriesId, target: Target) {
        let (Some(ours), Some(theirs)) = (self.runs(ours), self.runs(theirs)) else { return };
        let ratios = ours.iter().zip(theirs).map(|(ours, theirs)| ours.throughput() / theirs.throughput());
        let ratios: Vec<f64> = ratios.collect();
        self.report.metric(what, &ratios, "×", target);
    }

    /// Reports the ratio of the 99th percentile to the median latency.
    pub fn spread(&mut self, what: &str, contestant: SeriesId, target: Target) {
        let Some(runs) = self.runs(contestant) else { return };
        let latencies = runs.iter().filter_map(|run_result| run_result.latencies.as_ref());
        let spreads: Vec<f64> = latencies
            .map(|latencies| {
                latencies.value_at_quantile(0.99) as f64 / latencies.value_at_quantile(0.5) as f64
            })
            .collect();
        self.report.metric(what, &spreads, "×", target);
    }

    /// Reports a figure that was measured in another way, with one value per round.
    pub fn metric(&mut self, what: &str, values: &[f64], unit: &'static str, target: Target) {
        self.report.metric(what, values, unit, target);
    }

    pub(super) fn finish(self) {
        let directory = report_directory();
        std::fs::create_dir_all(&directory).unwrap();
        self.report.finish(&directory.join(self.name));
    }
}

/// The directory of the results: `target/bench`.
pub fn report_directory() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench")
}

/// A progress bar.
pub fn progress(steps: u64) -> ProgressBar {
    let style = "{bar:30} {pos}/{len} · {elapsed} of about {duration} · {wide_msg}";
    ProgressBar::new(steps).with_style(ProgressStyle::with_template(style).unwrap())
}

/// The median of some values.
pub fn median(values: &[f64]) -> f64 {
    report::median(values)
}
