//! What a load measured.

use std::time::Duration;

use hdrhistogram::Histogram;

/// The longest latency told apart from longer ones.
const LATENCY_MAX: Duration = Duration::from_secs(300);
/// Latencies are kept to three digits.
const DIGITS: u8 = 3;

/// Why a load could not be put on at all. Errors of single requests are counted in the [`Report`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// There is no endpoint to send requests to.
    #[error("no endpoints are given")]
    NoEndpoints,
    /// An endpoint cannot be connected to.
    #[error("cannot connect to {endpoint}: {reason}")]
    Connect {
        /// The endpoint as it was given.
        endpoint: String,
        /// What the client library said.
        reason: String,
    },
    /// A task of the load panicked.
    #[error("a task of the load panicked")]
    Panicked,
}

/// What a load measured.
#[derive(Clone, Debug)]
pub struct Report {
    latency_us: Histogram<u64>,
    errors: u64,
    first_error: Option<String>,
    elapsed: Duration,
}

impl Report {
    /// Nothing measured yet.
    #[must_use]
    pub fn new() -> Report {
        let max = LATENCY_MAX.as_micros() as u64;
        Report {
            latency_us: Histogram::new_with_bounds(1, max, DIGITS)
                .expect("constant bounds are valid"),
            errors: 0,
            first_error: None,
            elapsed: Duration::ZERO,
        }
    }

    /// Counts so many requests, each answered after `latency`.
    pub fn answered(&mut self, requests: u64, latency: Duration) {
        let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.latency_us.saturating_record_n(us, requests);
    }

    /// Counts a request that was not; the first reason is kept.
    pub fn failed(&mut self, reason: impl FnOnce() -> String) {
        self.errors += 1;
        self.first_error.get_or_insert_with(reason);
    }

    /// Adds what somebody else measured at the same time.
    pub fn merge(&mut self, other: Report) {
        self.latency_us
            .add(&other.latency_us)
            .expect("all histograms have the same bounds");
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
        self.elapsed = self.elapsed.max(other.elapsed);
    }

    /// Says how long the load lasted, from the first request to the last answer.
    pub fn lasted(&mut self, elapsed: Duration) {
        self.elapsed = elapsed;
    }

    /// Requests answered.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.latency_us.len()
    }

    /// Requests that failed.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.errors
    }

    /// Why the first of them failed.
    #[must_use]
    pub fn first_error(&self) -> Option<&str> {
        self.first_error.as_deref()
    }

    /// From the first request to the last answer.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Answered requests per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 {
            self.requests() as f64 / seconds
        } else {
            0.0
        }
    }

    /// The latency that this share of the answered requests, 0 to 1, did not exceed.
    #[must_use]
    pub fn latency(&self, share: f64) -> Duration {
        Duration::from_micros(self.latency_us.value_at_quantile(share))
    }
}

impl Default for Report {
    fn default() -> Self {
        Report::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_add_up() {
        let mut one = Report::new();
        for ms in 1..=100 {
            one.answered(1, Duration::from_millis(ms));
        }
        one.lasted(Duration::from_secs(2));
        let mut two = Report::new();
        two.failed(|| "first".to_owned());
        two.failed(|| "second".to_owned());
        two.lasted(Duration::from_secs(1));
        one.merge(two);
        assert_eq!((one.requests(), one.errors()), (100, 2));
        assert_eq!(one.first_error(), Some("first"));
        assert_eq!(one.elapsed(), Duration::from_secs(2));
        assert!((one.rate() - 50.0).abs() < 1e-9);
        let near = |share, ms: u64| {
            let us = one.latency(share).as_micros() as u64;
            assert!(us.abs_diff(ms * 1000) <= ms, "{us} us is not about {ms} ms");
        };
        near(0.5, 50);
        near(0.99, 99);
        near(1.0, 100);
    }

    #[test]
    fn nothing_measured_is_no_division_by_zero() {
        let report = Report::new();
        assert_eq!(report.latency(0.99), Duration::ZERO);
        assert!(report.rate().abs() < f64::EPSILON);
    }
}
