//! Measures the current speed of the machine.

use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;
use sha2::{Digest, Sha256};

/// The duration of each probe.
const PROBE_DURATION: Duration = Duration::from_millis(150);
/// The size of a page in PostgreSQL's write-ahead log.
const PAGE_SIZE: usize = 8_192;

/// The results of a probe.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct MachineProbe {
    /// Megabytes that one core hashes (SHA-256) per second.
    pub one_core: f64,
    /// Megabytes that all cores together hash per second.
    pub all_cores: f64,
    /// Pages that are written and synced to disk per second, one after the other.
    pub fsyncs: f64,
}

impl MachineProbe {
    /// Measures the cores and the disk of this directory.
    pub fn measure(directory: &Path) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let all = std::thread::scope(|scope| {
            let hashing: Vec<_> = (0..cores).map(|_| scope.spawn(hashes_per_second)).collect();
            hashing.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        Self { one_core: hashes_per_second(), all_cores: all, fsyncs: fsyncs_per_second(directory) }
    }
}

fn hashes_per_second() -> f64 {
    let (block, started) = ([7; 1 << 16], Instant::now());
    let mut blocks = 0;
    while started.elapsed() < PROBE_DURATION {
        std::hint::black_box(Sha256::digest(std::hint::black_box(block)));
        blocks += 1;
    }
    f64::from(blocks) * block.len() as f64 / started.elapsed().as_secs_f64() / 1e6
}

/// Overwrites a file of constant size, as a database does.
fn fsyncs_per_second(directory: &Path) -> f64 {
    let mut file = tempfile::tempfile_in(directory).unwrap();
    file.write_all(&vec![0; PAGE_SIZE * 64]).unwrap();
    file.sync_all().unwrap();
    let started = Instant::now();
    let mut syncs = 0;
    while started.elapsed() < PROBE_DURATION {
        file.write_all_at(&[1; PAGE_SIZE], (syncs % 64) as u64 * PAGE_SIZE as u64).unwrap();
        file.sync_data().unwrap();
        syncs += 1;
    }
    f64::from(syncs) / started.elapsed().as_secs_f64()
}
