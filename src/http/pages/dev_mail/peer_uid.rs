//! The user ID of the process at the other end of a loopback connection.

use std::net::SocketAddr;

/// Whether the process at this address runs as the server's user or as root, and can therefore
/// read the server's files. Only Linux has this information; on other systems the answer is
/// always true. Blocks: it reads a file.
pub(super) fn is_same_user(peer: SocketAddr) -> bool {
    if cfg!(target_os = "linux") { has_same_owner(peer) } else { true }
}

fn has_same_owner(peer: SocketAddr) -> bool {
    let own_uid = rustix::process::geteuid().as_raw();
    let table = match peer {
        SocketAddr::V4(_) => "/proc/self/net/tcp",
        SocketAddr::V6(_) => "/proc/self/net/tcp6",
    };
    let table = std::fs::read_to_string(table).unwrap_or_default();
    let owners = socket_owners(&table, peer);
    !owners.is_empty() && owners.iter().all(|owner| *owner == own_uid || *owner == 0)
}

/// The users of the sockets with this local address, from the kernel's table (proc_pid_net(5)).
/// Its columns are a number, the local address, the remote address, the state, two for queues
/// and timers, one for retransmits, and the user ID.
fn socket_owners(table: &str, at: SocketAddr) -> Vec<u32> {
    let at = proc_net_address(at);
    let owner = |line: &str| {
        let mut columns = line.split_whitespace().skip(1);
        if columns.next()? != at {
            return None;
        }
        columns.nth(5)?.parse().ok()
    };
    table.lines().filter_map(owner).collect()
}

/// An address in the notation of the kernel: each 32-bit word is in native byte order.
fn proc_net_address(at: SocketAddr) -> String {
    let octets = match at {
        SocketAddr::V4(at) => at.ip().octets().to_vec(),
        SocketAddr::V6(at) => at.ip().octets().to_vec(),
    };
    let (words, _) = octets.as_chunks::<4>();
    let words: String = words.iter().map(|word| format!("{:08X}", u32::from_ne_bytes(*word))).collect();
    format!("{words}:{:04X}", at.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    #[cfg(target_endian = "little")]
    fn owners_are_read_from_the_kernel_table() {
        let table = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
  14: 0100007F:AAD9 0100007F:8660 01 00000000:00000000 00:00000000 00000000    33        0 6868011 1 0 20 0 0 10 -1
  47: 0100007F:8660 0100007F:AAD9 01 00000000:00000000 00:00000000 00000000  1000        0 6868010 2 0 20 0 0 10 -1
  48: 0100007F:8660 0100007F:0050 06 00000000:00000000 00:00000000 00000000     0        0 0 2 0
  49: nonsense";
        let at = |text: &str| socket_owners(table, text.parse().unwrap());
        assert_eq!(at("127.0.0.1:34400"), [1000, 0]);
        assert_eq!(at("127.0.0.1:43737"), [33]);
        assert!(at("127.0.0.1:1").is_empty());
        let table = " 1: 00000000000000000000000001000000:E2D8 00000000000000000000000001000000:E11B 01 0:0 0:0 0 7 0 1";
        assert_eq!(socket_owners(table, "[::1]:58072".parse().unwrap()), [7]);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn own_sockets_match_and_unknown_sockets_do_not() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            assert!(is_same_user(client.local_addr().unwrap()));
        }
        assert!(!is_same_user("192.0.2.1:9".parse().unwrap()));
    }
}
