//! The built binary as real processes, driven by real clients: what a user may rely on.
//!
//! `cluster.rs` starts, kills and continues clusters, `load.rs` writes to them and checks afterwards
//! that every acknowledged write is there once; then one file for each promise. Clusters run one after
//! the other, so that none of them is slow because of another. `outside/` puts proxies between the
//! replicas, breaks what can be broken from outside, and checks what clients recorded.

#![expect(
    clippy::print_stderr,
    reason = "tests show what was measured, and why they failed"
)]

mod bad_input;
mod basics;
mod bench;
mod cluster;
mod crash;
mod disk;
mod etcdctl;
mod greetings;
mod load;
mod modes;
mod outside;
mod ports;
mod quorum;
mod serve;
mod sim;
mod status;
mod up;
