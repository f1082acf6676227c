//! One bench: its contestants take turns, round by round, so that whatever else
//! the machine does meanwhile is shared by all of them alike.

use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};

use super::load::{MeasurementWindow, RunResult};
use super::machine_probe::MachineProbe;
use super::options::Options;
use super::report::{self, Report};

/// What a contestant is called: where it is drawn, as what, and how many ask at
/// a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The picture that it is drawn into, e.g. `redeem, PostgreSQL`.
    pub panel: String,
    /// The line that it is a point of, e.g. `countersign`.
    pub series: String,
    /// How many ask at a time.
    pub connections: usize,
}

impl std::fmt::Display for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} @{}", self.panel, self.series, self.connections)
    }
}

/// One of the contestants, for naming it in a ratio.
#[derive(Clone, Copy, Debug)]
pub struct SeriesId(Option<usize>);

/// A figure to be reached.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// At least the first; the second is the aim.
    AtLeast(f64, f64),
    /// At most the first; the second is the aim.
    AtMost(f64, f64),
    /// There is none: the figure is only told.
    Unbounded,
}

/// A bench that is under way.
pub struct Bench {
    /// What it is called, and what its files are called.
    name: &'static str,
    /// What it was told.
    pub options: Options,
    results: Vec<(Label, Vec<RunResult>)>,
    report: Report,
}

/// Contestants that take turns. It borrows what they run on, and so is made
/// after that.
pub struct Comparison<'a> {
    options: Options,
    /// How many ran before, in other races.
    completed_runs: usize,
    series: Vec<Series<'a>>,
}

/// A contestant's name and how it runs.
struct Series<'a> {
    label: Label,
    measure: Box<dyn FnMut(MeasurementWindow) -> RunResult + 'a>,
    runs: Vec<RunResult>,
}

impl<'a> Comparison<'a> {
    /// Enters a contestant: the picture that it is drawn into, the line that it is
    /// a point of, and how many ask at a time. `lap` prepares what it needs, then
    /// runs for as long as it is told; only what it returns of that counts.
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

    /// Lets all of them run, in turn, as many rounds as there are to be. Each round
    /// begins with another of them, and with a look at the machine and at the disk
    /// that this directory is on.
    pub fn run(mut self, bench: &mut Bench, disk: &Path) {
        assert_eq!(self.completed_runs, bench.results.len(), "one race at a time");
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

    /// A race that nobody has entered yet. The one before it must have been run.
    pub fn comparison<'a>(&self) -> Comparison<'a> {
        Comparison { options: self.options.clone(), completed_runs: self.results.len(), series: Vec::new() }
    }

    fn runs(&self, contestant: SeriesId) -> Option<&[RunResult]> {
        Some(&self.results[contestant.0?].1)
    }

    /// Tells how much more gets done by the first than by the second: the median
    /// of what it was round by round.
    pub fn ratio(&mut self, what: &str, ours: SeriesId, theirs: SeriesId, target: Target) {
        let (Some(ours), Some(theirs)) = (self.runs(ours), self.runs(theirs)) else { return };
        let ratios = ours.iter().zip(theirs).map(|(ours, theirs)| ours.throughput() / theirs.throughput());
        let ratios: Vec<f64> = ratios.collect();
        self.report.metric(what, &ratios, "×", target);
    }

    /// Tells how far the slowest hundredth is from the middle.
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

    /// Tells a figure that was measured by other means: one value for each round.
    pub fn metric(&mut self, what: &str, values: &[f64], unit: &'static str, target: Target) {
        self.report.metric(what, values, unit, target);
    }

    pub(super) fn finish(self) {
        let directory = report_directory();
        std::fs::create_dir_all(&directory).unwrap();
        self.report.finish(&directory.join(self.name));
    }
}

/// `target/bench`.
fn report_directory() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench")
}

/// A bar for work of so many steps.
pub fn progress(steps: u64) -> ProgressBar {
    let style = "{bar:30} {pos}/{len} · {elapsed} of about {duration} · {wide_msg}";
    ProgressBar::new(steps).with_style(ProgressStyle::with_template(style).unwrap())
}

/// The middle of some values.
pub fn median(values: &[f64]) -> f64 {
    report::median(values)
}
