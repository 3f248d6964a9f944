//! Small requests over the native protocol, many of them on their way at once.

use std::time::{Duration, Instant};

use bytes::Bytes;
use spaxos::{Client, ClientOptions};
use tokio::task::JoinSet;

use crate::report::{LoadError, Report};

/// The requests on their way over one connection are submitted in so many groups: while one is being
/// answered the others are on their way.
const GROUPS: usize = 8;
/// After a group in which nothing was answered.
const FAILURE_PAUSE: Duration = Duration::from_millis(10);

/// Small requests, so many of them on their way at any time.
///
/// Their bytes mean nothing to a store, which executes them by answering so: what is measured is
/// replication, with as little execution as there can be.
#[derive(Clone, Debug)]
pub struct NativeLoad {
    /// `host:port` of members' native ports; connections are spread over them evenly.
    pub endpoints: Vec<String>,
    /// How many connections, each with a session of its own.
    pub connections: usize,
    /// Requests on their way over each connection.
    pub outstanding: usize,
    /// Bytes of each request.
    pub request_bytes: usize,
    /// How long new requests are begun.
    pub duration: Duration,
}

impl NativeLoad {
    /// Puts the load on and measures. A request's latency is that of its group.
    ///
    /// # Errors
    /// If an endpoint cannot be connected to, or there is none.
    pub async fn run(&self) -> Result<Report, LoadError> {
        if self.endpoints.is_empty() {
            return Err(LoadError::NoEndpoints);
        }
        let mut clients = Vec::new();
        for connection in 0..self.connections {
            let endpoint = &self.endpoints[connection % self.endpoints.len()];
            let client = Client::connect([endpoint.as_str()], ClientOptions::default()).await;
            clients.push(client.map_err(|error| LoadError::Connect {
                endpoint: endpoint.clone(),
                reason: error.to_string(),
            })?);
        }
        let begun = Instant::now();
        let until = begun + self.duration;
        let request = Bytes::from(vec![0; self.request_bytes]);
        let mut groups = JoinSet::new();
        for client in &clients {
            for group in 0..GROUPS {
                let size =
                    self.outstanding / GROUPS + usize::from(group < self.outstanding % GROUPS);
                if size > 0 {
                    let requests = vec![request.clone(); size];
                    groups.spawn(keep_submitting(client.clone(), requests, until));
                }
            }
        }
        let mut report = Report::new();
        while let Some(done) = groups.join_next().await {
            report.merge(done.map_err(|_| LoadError::Panicked)?);
        }
        report.lasted(begun.elapsed());
        Ok(report)
    }
}

async fn keep_submitting(client: Client, requests: Vec<Bytes>, until: Instant) -> Report {
    let mut report = Report::new();
    loop {
        let begun = Instant::now();
        if begun >= until {
            return report;
        }
        let outcomes = client.submit_many(requests.clone()).await;
        let mut answered = 0;
        for outcome in &outcomes {
            match outcome {
                Ok(_) => answered += 1,
                Err(error) => report.failed(|| error.to_string()),
            }
        }
        report.answered(answered, begun.elapsed());
        if answered == 0 {
            tokio::time::sleep(FAILURE_PAUSE).await;
        }
    }
}
