//! Free ports for clusters.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

/// All ports of a cluster of three stay between these. Above are the ports that the system gives to
/// outgoing connections, and one of those might take the port of a replica that is down.
const FIRST: u16 = 10_240;
const LAST: u16 = 12_700;

/// Ports used by one replica, from its client port on.
pub(crate) const PORTS_PER_REPLICA: u16 = 3;

/// Between the ports of one replica and the next.
pub(crate) const STEP: u16 = 10_000;

/// A base port with which all ports of a cluster of three are free, each time another one.
pub(crate) fn free_base() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let bases = (LAST - FIRST) / PORTS_PER_REPLICA;
    // Test processes that run at the same time begin at different places.
    let offset = u16::try_from(std::process::id() % u32::from(bases)).expect("below the bases");
    for _ in 0..bases {
        let at = (offset + NEXT.fetch_add(1, Relaxed)) % bases;
        let base = FIRST + at * PORTS_PER_REPLICA;
        if (0..3).all(|replica| is_free(base + replica * STEP)) {
            return base;
        }
    }
    panic!("no free ports between {FIRST} and {LAST}");
}

fn is_free(first: u16) -> bool {
    let free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
    (first..first + PORTS_PER_REPLICA).all(free)
}
