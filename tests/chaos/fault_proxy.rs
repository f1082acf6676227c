//! The way from a replica to PostgreSQL: it can be cut, and it loses answers.
//!
//! (A proxy that knows what it carries: the crates that delay and cut connections,
//! noxious first among them, cannot lose the answer to a COMMIT and nothing else.)

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// The name of PostgreSQL's socket in its directory.
const SOCKET: &str = ".s.PGSQL.5432";
/// What is in the answer to a COMMIT, and to the one statement that is a whole batch
/// of redemptions.
const ACK_MARKERS: [&[u8]; 2] = [b"COMMIT\0", b"assert_true\0"];

/// What a wire does to what it carries.
#[derive(Clone, Copy, Debug, Default)]
pub struct NetworkFaults {
    /// Loses each so-many-th answer that acknowledges a write, and its connection
    /// with it; 0 loses none.
    pub drop_ack_every: usize,
    /// Holds up each so-many-th answer of any kind for a moment; 0 holds up none.
    pub delay_response_every: usize,
}

/// A wire to a cluster.
pub struct FaultProxy {
    directory: tempfile::TempDir,
    state: Arc<ProxyState>,
}

struct ProxyState {
    network_faults: NetworkFaults,
    stopped: AtomicBool,
    acks: AtomicUsize,
    responses: AtomicUsize,
    dropped_acks: AtomicUsize,
    streams: Mutex<Vec<UnixStream>>,
}

impl FaultProxy {
    /// A wire to the cluster of this URL; the URL by way of it.
    pub fn start(url: &str, network_faults: NetworkFaults) -> (Self, String) {
        let (before, rest) = url.split_once('@').unwrap();
        let (host, database) = rest.split_once('/').unwrap();
        let host = percent_encoding::percent_decode_str(host).decode_utf8().unwrap();
        let there = PathBuf::from(host.as_ref()).join(SOCKET);
        let directory = tempfile::Builder::new().prefix("wire-").tempdir_in("/tmp").unwrap();
        let listener = UnixListener::bind(directory.path().join(SOCKET)).unwrap();
        let state = Arc::new(ProxyState {
            network_faults,
            stopped: AtomicBool::new(false),
            acks: AtomicUsize::new(0),
            responses: AtomicUsize::new(0),
            dropped_acks: AtomicUsize::new(0),
            streams: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if shared.stopped.load(Ordering::SeqCst) {
                    break;
                }
                // A database that is not there hangs up.
                let Ok(far) = UnixStream::connect(&there) else { continue };
                let mut streams = shared.streams.lock().unwrap();
                streams.extend([near.try_clone().unwrap(), far.try_clone().unwrap()]);
                drop(streams);
                shared.pump(near.try_clone().unwrap(), far.try_clone().unwrap(), false);
                shared.pump(far, near, true);
            }
        });
        let here = directory.path().to_str().unwrap().replace('/', "%2F");
        (Self { directory, state }, format!("{before}@{here}/{database}"))
    }

    /// Cuts all connections; new ones may be made at once.
    pub fn disconnect_all(&self) {
        for stream in self.state.streams.lock().unwrap().drain(..) {
            // One that has ended by itself is no less cut.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// How many acknowledgements have been lost.
    pub fn lost(&self) -> usize {
        self.state.dropped_acks.load(Ordering::SeqCst)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::SeqCst);
        self.disconnect_all();
        // Wakes who listens, so that the thread ends.
        let _ = UnixStream::connect(self.directory.path().join(SOCKET));
    }
}

impl ProxyState {
    /// Carries what comes from one to the other, until either ends.
    fn pump(self: &Arc<Self>, mut from: UnixStream, mut to: UnixStream, is_response: bool) {
        let state = Arc::clone(self);
        thread::spawn(move || {
            let mut buffer = [0; 16 * 1024];
            while let Ok(read @ 1..) = from.read(&mut buffer) {
                let bytes = &buffer[..read];
                if is_response && state.should_drop(bytes) || to.write_all(bytes).is_err() {
                    break;
                }
            }
            let _ = (to.shutdown(Shutdown::Both), from.shutdown(Shutdown::Both));
        });
    }

    /// Whether this answer never arrives; it may arrive late.
    fn should_drop(&self, bytes: &[u8]) -> bool {
        let NetworkFaults { drop_ack_every: loses_each, delay_response_every: holds_up_each } =
            self.network_faults;
        let is_due = |count: &AtomicUsize, each: usize| {
            each > 0 && count.fetch_add(1, Ordering::Relaxed) % each == each - 1
        };
        if is_due(&self.responses, holds_up_each) {
            thread::sleep(Duration::from_millis(20));
        }
        let acknowledges =
            ACK_MARKERS.iter().any(|words| bytes.windows(words.len()).any(|part| part == *words));
        let loses = acknowledges && is_due(&self.acks, loses_each);
        self.dropped_acks.fetch_add(usize::from(loses), Ordering::SeqCst);
        loses
    }
}
