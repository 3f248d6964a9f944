//! Every limit of an endpoint, in one place.

use std::time::Duration;

/// Every limit of an endpoint. Limits of what a request may ask for are the store's own, since all
/// replicas must agree on them; these may differ from member to member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A request as it is on the wire, in bytes; etcd's `--max-request-bytes`.
    pub request_bytes_max: usize,
    /// What a message may exceed `request_bytes_max` by and still be read, in bytes: such a request
    /// is refused by etcd's own words, a larger one by gRPC's.
    pub message_slack_bytes: usize,
    /// Bytes of all requests that are read and not yet answered. More are refused.
    pub in_flight_bytes_max: usize,
    /// Connections. One more waits until another one is closed.
    pub connections_max: usize,
    /// Requests under way on one HTTP/2 connection.
    pub streams_max: u32,
    /// Bytes of the headers of one request.
    pub header_bytes_max: u32,
    /// Bytes that a client may send ahead on one stream.
    pub stream_window_bytes: u32,
    /// Bytes that a client may send ahead on one connection.
    pub connection_window_bytes: u32,
    /// Bytes of answers kept for one stream whose client does not read.
    pub send_buffer_bytes_max: usize,
    /// How long a new connection may take to say which protocol it speaks, and an HTTP/1 request to
    /// finish its headers.
    pub header_timeout: Duration,
    /// How long a request may take to arrive once it has begun.
    pub body_timeout: Duration,
    /// How long a request waits for the cluster, beside two election timeouts.
    pub request_timeout: Duration,
    /// How long an HTTP/2 connection may be silent before it is asked whether it lives.
    pub keepalive_interval: Duration,
    /// How long the answer to that may take.
    pub keepalive_timeout: Duration,
    /// How long a stopping endpoint waits for the requests under way.
    pub shutdown_grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            request_bytes_max: 1536 << 10,
            message_slack_bytes: 512 << 10,
            in_flight_bytes_max: 256 << 20,
            connections_max: 10_000,
            streams_max: 16_384,
            header_bytes_max: 16 << 10,
            stream_window_bytes: 1 << 20,
            connection_window_bytes: 4 << 20,
            send_buffer_bytes_max: 1 << 20,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(5),
            keepalive_interval: Duration::from_secs(2 * 60 * 60),
            keepalive_timeout: Duration::from_secs(20),
            shutdown_grace: Duration::from_secs(2),
        }
    }
}

impl Limits {
    /// The longest message that is read at all, in bytes.
    #[must_use]
    pub const fn message_bytes_max(&self) -> usize {
        self.request_bytes_max + self.message_slack_bytes
    }

    /// The relations between limits that other code relies on.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        if self.request_bytes_max == 0 || self.connections_max == 0 || self.streams_max == 0 {
            return Err("limits of an endpoint must be positive");
        }
        if self.in_flight_bytes_max < self.message_bytes_max() {
            return Err("there must be room for one request");
        }
        if u32::try_from(self.message_bytes_max()).is_err() {
            return Err("a message must be below 4 GiB");
        }
        // HTTP/1 keeps a buffer of that size, and hyper wants one of at least 8 KiB.
        if self.header_bytes_max < 8 << 10 {
            return Err("headers must be allowed 8 KiB");
        }
        const WINDOW_MAX: u32 = (1 << 31) - 1;
        let windows = [self.stream_window_bytes, self.connection_window_bytes];
        if windows
            .iter()
            .any(|bytes| !(65_535..=WINDOW_MAX).contains(bytes))
        {
            return Err("a window has between 64 KiB and 2 GiB");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_etcds() {
        assert_eq!(Limits::default().check(), Ok(()));
        assert_eq!(Limits::default().message_bytes_max(), 2_097_152);
    }

    #[test]
    fn contradictions_are_refused() {
        let limits = Limits {
            in_flight_bytes_max: Limits::default().request_bytes_max,
            ..Limits::default()
        };
        assert!(limits.check().is_err(), "no room for one request");
        let limits = Limits {
            stream_window_bytes: 1000,
            ..Limits::default()
        };
        assert!(limits.check().is_err(), "a window below the protocol's own");
    }
}
