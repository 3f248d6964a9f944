//! The versions: etcd's, whose behaviour the API has, and our own.

use std::io::Write;

/// Prints the versions. Tools that start an etcd look for the line that begins `etcd Version:`.
///
/// # Errors
/// If they cannot be printed.
pub(crate) fn print() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "etcd Version: {}", spaxos_etcd::ETCD_VERSION)?;
    writeln!(out, "spaxos Version: {}", env!("CARGO_PKG_VERSION"))?;
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    writeln!(out, "OS/Arch: {os}/{arch}")
}
