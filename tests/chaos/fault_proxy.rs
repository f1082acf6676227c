//! A proxy between a replica and PostgreSQL that disconnects and drops responses.
//!
//! (It inspects the traffic: existing crates, such as noxious, delay and close connections, but
//! cannot drop only the response to a COMMIT.)

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::Duration;

/// The file name of PostgreSQL's socket.
const SOCKET: &str = ".s.PGSQL.5432";
/// The content of the response to a COMMIT, and to the single statement of a batch of redemptions.
const ACK_MARKERS: [&[u8]; 2] = [b"COMMIT\0", b"assert_true\0"];

/// The faults of a proxy.
#[derive(Clone, Copy, Debug, Default)]
pub struct NetworkFaults {
    /// Drops every nth response that acknowledges a write, and closes its connection. 0 drops
    /// none.
    pub drop_ack_every: usize,
    /// Delays every nth response. 0 delays none.
    pub delay_response_every: usize,
}

pub struct FaultProxy {
    directory: tempfile::TempDir,
    state: Arc<ProxyState>,
}

struct ProxyState {
    network_faults: NetworkFaults,
    stopped: AtomicBool,
    is_down: AtomicBool,
    acks: AtomicUsize,
    responses: AtomicUsize,
    dropped_acks: AtomicUsize,
    connections: Mutex<Vec<Weak<Connection>>>,
}

/// A connection of the replica, and the one to PostgreSQL that it is forwarded to.
struct Connection {
    near: UnixStream,
    far: UnixStream,
}

impl Connection {
    fn close(&self) {
        // Either may be closed already.
        let _ = (self.near.shutdown(Shutdown::Both), self.far.shutdown(Shutdown::Both));
    }
}

impl FaultProxy {
    /// Starts a proxy to the cluster with this URL. Returns the URL through the proxy.
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
            is_down: AtomicBool::new(false),
            acks: AtomicUsize::new(0),
            responses: AtomicUsize::new(0),
            dropped_acks: AtomicUsize::new(0),
            connections: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if shared.stopped.load(Ordering::SeqCst) {
                    break;
                }
                if shared.is_down.load(Ordering::SeqCst) {
                    continue;
                }
                // The database is down: closes the connection.
                let Ok(far) = UnixStream::connect(&there) else { continue };
                let connection = Arc::new(Connection { near, far });
                shared.connections.lock().unwrap().push(Arc::downgrade(&connection));
                shared.pump(Arc::clone(&connection), false);
                shared.pump(connection, true);
            }
        });
        let here = directory.path().to_str().unwrap().replace('/', "%2F");
        (Self { directory, state }, format!("{before}@{here}/{database}"))
    }

    /// Closes new connections at once, as if the database were down, or accepts them again.
    pub fn set_down(&self, is_down: bool) {
        self.state.is_down.store(is_down, Ordering::SeqCst);
    }

    /// Closes all connections. New ones can be opened immediately.
    pub fn disconnect_all(&self) {
        let connections = std::mem::take(&mut *self.state.connections.lock().unwrap());
        connections.iter().filter_map(Weak::upgrade).for_each(|connection| connection.close());
    }

    /// The number of dropped acknowledgements.
    pub fn lost(&self) -> usize {
        self.state.dropped_acks.load(Ordering::SeqCst)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::SeqCst);
        self.disconnect_all();
        // Wakes the listening thread so that it ends.
        let _ = UnixStream::connect(self.directory.path().join(SOCKET));
    }
}

impl ProxyState {
    /// Forwards bytes in one direction until either side closes.
    fn pump(self: &Arc<Self>, connection: Arc<Connection>, is_response: bool) {
        let state = Arc::clone(self);
        thread::spawn(move || {
            let Connection { near, far } = &*connection;
            let (mut from, mut to) = if is_response { (far, near) } else { (near, far) };
            let mut buffer = [0; 16 * 1024];
            while let Ok(read @ 1..) = from.read(&mut buffer) {
                let bytes = &buffer[..read];
                if is_response && state.should_drop(bytes) || to.write_all(bytes).is_err() {
                    break;
                }
            }
            connection.close();
        });
    }

    /// Whether to drop this response. May delay it instead.
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
