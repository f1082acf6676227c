//! The progress bar of an import or a verification, on stderr if that is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How often the bar is redrawn without progress.
const REDRAW_INTERVAL: Duration = Duration::from_millis(200);
const BYTES_TEMPLATE: &str = "{msg} {wide_bar} {bytes}/{total_bytes} {elapsed_precise}, {eta} left";
const UNKNOWN_SIZE_TEMPLATE: &str = "{msg} {spinner} {human_pos} rows, {elapsed_precise}";
const ROWS_TEMPLATE: &str = "{msg} {wide_bar} {human_pos}/{human_len} rows {elapsed_precise}, {eta} left";
const WAITING_TEMPLATE: &str = "{msg} {spinner} {elapsed_precise}";

/// The progress bar. Dropping it clears it from the screen.
pub struct Progress {
    bar: ProgressBar,
    by_bytes: bool,
}

impl Progress {
    /// Starts with the file of this size in bytes, if it is known.
    pub fn start_reading(size: Option<u64>) -> Self {
        let bar = size.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        let progress = Self { bar, by_bytes: size.is_some() };
        progress.start_phase("Reading", if size.is_some() { BYTES_TEMPLATE } else { UNKNOWN_SIZE_TEMPLATE });
        progress
    }

    /// Starts a verification. How many entries there are is not known yet.
    pub fn start_verifying() -> Self {
        let progress = Self { bar: ProgressBar::no_length(), by_bytes: false };
        progress.start_phase("Verifying", ROWS_TEMPLATE);
        progress
    }

    /// Sets how many rows have been verified, of how many.
    pub fn set_verified(&self, rows: u64, total: u64) {
        self.bar.set_length(total);
        self.bar.set_position(rows);
    }

    /// Sets how much of the file has been read.
    pub fn set_read(&self, bytes: u64, rows: u64) {
        self.bar.set_position(if self.by_bytes { bytes } else { rows });
    }

    /// Starts the check of all rows together.
    pub fn start_checking(&self) {
        self.start_phase("Checking", WAITING_TEMPLATE);
    }

    /// Starts the insertion of `rows` rows.
    pub fn start_inserting(&self, rows: u64) {
        self.bar.set_length(rows);
        self.bar.set_position(0);
        self.bar.reset_eta();
        self.start_phase("Inserting", ROWS_TEMPLATE);
    }

    /// Sets how many rows have been inserted.
    pub fn set_inserted(&self, rows: u64) {
        self.bar.set_position(rows);
    }

    fn start_phase(&self, name: &'static str, template: &str) {
        // An invalid template keeps the previous style.
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
        self.bar.set_message(name);
        self.bar.enable_steady_tick(REDRAW_INTERVAL);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
