//! What the endpoint counts. Counting is one addition to a number that nobody locks; names and text
//! are made when somebody asks.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use tonic::Code;

use crate::call::Call;

/// Codes are the numbers from 0 to 16.
pub(crate) const CODES: usize = 17;

/// The upper ends of the histogram of durations, in seconds; one more bucket has no end.
pub(crate) const BUCKETS: [f64; 14] = [
    0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];

/// All numbers of an endpoint.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    calls: [CallMetrics; Call::ALL.len()],
    /// Requests for methods that are not served.
    pub(crate) unknown_methods: AtomicU64,
    /// Writes that were submitted and had no answer.
    pub(crate) submits_failed: AtomicU64,
    /// Reads that waited for the cluster and had no answer.
    pub(crate) reads_failed: AtomicU64,
    /// Bytes that came from clients.
    pub(crate) received_bytes: AtomicU64,
    /// Bytes that went to clients.
    pub(crate) sent_bytes: AtomicU64,
    /// Connections that stand.
    pub(crate) connections: AtomicU64,
    /// Connections that were ever taken.
    pub(crate) connections_total: AtomicU64,
}

/// The numbers of one method.
#[derive(Debug, Default)]
pub(crate) struct CallMetrics {
    pub(crate) started: AtomicU64,
    pub(crate) handled: [AtomicU64; CODES],
    pub(crate) durations: [AtomicU64; BUCKETS.len() + 1],
    pub(crate) duration_ns: AtomicU64,
}

impl Metrics {
    /// The numbers of `call`.
    pub(crate) fn of(&self, call: Call) -> &CallMetrics {
        &self.calls[call as usize]
    }

    /// Counts a request, and its end when what is returned is finished or dropped.
    pub(crate) fn start(&self, call: Call) -> Started<'_> {
        let metrics = self.of(call);
        metrics.started.fetch_add(1, Relaxed);
        Started {
            metrics,
            since: Instant::now(),
            code: Code::Cancelled,
        }
    }

    /// Writes under way.
    pub(crate) fn pending(&self) -> u64 {
        let writes = Call::ALL.into_iter().filter(|call| call.is_write());
        writes.map(|call| self.of(call).under_way()).sum()
    }
}

impl CallMetrics {
    fn under_way(&self) -> u64 {
        // Read first, so that what begins and ends in between does not count below zero.
        let handled: u64 = self.handled.iter().map(|n| n.load(Relaxed)).sum();
        self.started.load(Relaxed).saturating_sub(handled)
    }
}

/// A request under way. Dropped before its end, it was cancelled by the client.
#[derive(Debug)]
pub(crate) struct Started<'a> {
    metrics: &'a CallMetrics,
    since: Instant,
    code: Code,
}

impl Started<'_> {
    /// The request ended with `code`.
    pub(crate) fn finish(mut self, code: Code) {
        self.code = code;
    }
}

impl Drop for Started<'_> {
    fn drop(&mut self) {
        let elapsed = self.since.elapsed();
        let seconds = elapsed.as_secs_f64();
        let bucket = BUCKETS.partition_point(|end| *end < seconds);
        self.metrics.durations[bucket].fetch_add(1, Relaxed);
        let ns = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        self.metrics.duration_ns.fetch_add(ns, Relaxed);
        self.metrics.handled[self.code as usize].fetch_add(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_is_dropped_counts_as_cancelled() {
        let metrics = Metrics::default();
        let started = metrics.start(Call::Put);
        assert_eq!(metrics.pending(), 1);
        drop(started);
        metrics.start(Call::Put).finish(Code::Ok);
        assert_eq!(metrics.pending(), 0);
        let put = metrics.of(Call::Put);
        assert_eq!(put.started.load(Relaxed), 2);
        assert_eq!(put.handled[Code::Cancelled as usize].load(Relaxed), 1);
        assert_eq!(put.handled[Code::Ok as usize].load(Relaxed), 1);
        let durations = put.durations.iter().map(|n| n.load(Relaxed));
        assert_eq!(durations.sum::<u64>(), 2);
    }
}
