//! What the operating system says about this process.

/// Memory that the process holds, in bytes; 0 where the system does not say.
pub(crate) fn resident_bytes() -> u64 {
    std::fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| resident_kib(&status))
        .map_or(0, |kib| kib * 1024)
}

/// The number in the line `VmRSS:   123 kB`.
fn resident_kib(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_found() {
        let status = "Name:\tspaxos\nVmHWM:\t  99 kB\nVmRSS:\t    5120 kB\nThreads:\t4\n";
        assert_eq!(resident_kib(status), Some(5120));
        assert_eq!(resident_kib("VmRSS: many"), None);
    }
}
