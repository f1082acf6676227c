//! What the machine can do at the moment, in two numbers.

use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;
use sha2::{Digest, Sha256};

/// How long each probe takes.
const PROBE_DURATION: Duration = Duration::from_millis(150);
/// A page of PostgreSQL's log.
const PAGE_SIZE: usize = 8_192;

/// One look at the machine.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct MachineProbe {
    /// Bytes that one core hashes (SHA-256) in a second, in millions.
    pub one_core: f64,
    /// The same on all cores at once.
    pub all_cores: f64,
    /// Pages written and synced to disk in a second, one after the other.
    pub fsyncs: f64,
}

impl MachineProbe {
    /// Looks, and tries the disk that this directory is on.
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

/// As a database does: over and over into a file that has its size already.
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
