//! One bench: its contestants take turns, round by round, so that whatever else
//! the machine does meanwhile is shared by all of them alike.

use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};

use super::load::{Lap, Window};
use super::options::Options;
use super::probe::Probe;
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
pub struct Contestant(Option<usize>);

/// A figure to be reached.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// At least the first; the second is the aim.
    AtLeast(f64, f64),
    /// At most the first; the second is the aim.
    AtMost(f64, f64),
    /// There is none: the figure is only told.
    None,
}

/// A bench that is under way.
pub struct Bench {
    /// What it is called, and what its files are called.
    name: &'static str,
    /// What it was told.
    pub options: Options,
    results: Vec<(Label, Vec<Lap>)>,
    report: Report,
}

/// Contestants that take turns. It borrows what they run on, and so is made
/// after that.
pub struct Race<'a> {
    options: Options,
    /// How many ran before, in other races.
    before: usize,
    entries: Vec<Entry<'a>>,
}

/// A contestant's name and how it runs.
struct Entry<'a> {
    label: Label,
    lap: Box<dyn FnMut(Window) -> Lap + 'a>,
    laps: Vec<Lap>,
}

impl<'a> Race<'a> {
    /// Enters a contestant: the picture that it is drawn into, the line that it is
    /// a point of, and how many ask at a time. `lap` prepares what it needs, then
    /// runs for as long as it is told; only what it returns of that counts.
    pub fn enter(
        &mut self,
        panel: &str,
        series: &str,
        connections: usize,
        lap: impl FnMut(Window) -> Lap + 'a,
    ) -> Contestant {
        let label = Label { panel: panel.to_owned(), series: series.to_owned(), connections };
        if !self.options.wants(&label.to_string()) {
            return Contestant(None);
        }
        self.entries.push(Entry { label, lap: Box::new(lap), laps: Vec::new() });
        Contestant(Some(self.before + self.entries.len() - 1))
    }

    /// Lets all of them run, in turn, as many rounds as there are to be. Each round
    /// begins with another of them, and with a look at the machine and at the disk
    /// that this directory is on.
    pub fn run(mut self, bench: &mut Bench, disk: &Path) {
        assert_eq!(self.before, bench.results.len(), "one race at a time");
        let rounds = self.options.rounds();
        let window = Window { warm_up: self.options.warm_up(), measured: self.options.measured() };
        let count = self.entries.len();
        let bar = progress((rounds * count) as u64);
        for round in 0..rounds {
            bar.set_message("probing the machine");
            bench.report.probe(Probe::take(disk));
            for nth in 0..count {
                let entry = &mut self.entries[(nth + round * count / rounds) % count];
                bar.set_message(format!("round {} of {rounds} · {}", round + 1, entry.label));
                entry.laps.push((entry.lap)(window));
                bar.inc(1);
            }
        }
        bar.finish_and_clear();
        for Entry { label, laps, .. } in self.entries {
            bench.report.result(&label, &laps);
            bench.results.push((label, laps));
        }
    }
}

impl Bench {
    pub(super) fn new(name: &'static str, options: Options) -> Self {
        let report = Report::new(name, &options);
        Self { name, options, results: Vec::new(), report }
    }

    /// A race that nobody has entered yet. The one before it must have been run.
    pub fn race<'a>(&self) -> Race<'a> {
        Race { options: self.options.clone(), before: self.results.len(), entries: Vec::new() }
    }

    fn laps(&self, contestant: Contestant) -> Option<&[Lap]> {
        Some(&self.results[contestant.0?].1)
    }

    /// Tells how much more gets done by the first than by the second: the median
    /// of what it was round by round.
    pub fn ratio(&mut self, what: &str, ours: Contestant, theirs: Contestant, target: Target) {
        let (Some(ours), Some(theirs)) = (self.laps(ours), self.laps(theirs)) else { return };
        let ratios = ours.iter().zip(theirs).map(|(ours, theirs)| ours.throughput() / theirs.throughput());
        let ratios: Vec<f64> = ratios.collect();
        self.report.figure(what, &ratios, "×", target);
    }

    /// Tells how far the slowest hundredth is from the middle.
    pub fn spread(&mut self, what: &str, contestant: Contestant, target: Target) {
        let Some(laps) = self.laps(contestant) else { return };
        let latencies = laps.iter().filter_map(|lap| lap.latencies.as_ref());
        let spreads: Vec<f64> = latencies
            .map(|latencies| {
                latencies.value_at_quantile(0.99) as f64 / latencies.value_at_quantile(0.5) as f64
            })
            .collect();
        self.report.figure(what, &spreads, "×", target);
    }

    /// Tells a figure that was measured by other means: one value for each round.
    pub fn figure(&mut self, what: &str, values: &[f64], unit: &'static str, target: Target) {
        self.report.figure(what, values, unit, target);
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
