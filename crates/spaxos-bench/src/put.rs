//! A closed loop of puts through etcd's API.

use std::time::{Duration, Instant};

use etcd_client::{Client, KvClient};
use tokio::task::JoinSet;

use crate::report::{LoadError, Report};

/// Each caller writes so many keys, one after the other, and then again: the store stays small.
const KEYS_PER_CALLER: u64 = 1000;
/// A request that takes longer counts as failed.
const REQUEST_MAX: Duration = Duration::from_secs(30);
/// After a failure, so that an endpoint that refuses at once is not asked in a tight loop.
const FAILURE_PAUSE: Duration = Duration::from_millis(10);

/// A closed loop of puts: each caller sends the next one when the last is answered.
#[derive(Clone, Debug)]
pub struct PutLoad {
    /// etcd endpoints; callers are spread over them evenly. The callers of one share a connection.
    pub endpoints: Vec<String>,
    /// How many callers.
    pub callers: usize,
    /// Bytes of each value.
    pub value_bytes: usize,
    /// How long callers begin new puts.
    pub duration: Duration,
}

impl PutLoad {
    /// Puts the load on and measures.
    ///
    /// # Errors
    /// If an endpoint cannot be connected to, or there is none.
    pub async fn run(&self) -> Result<Report, LoadError> {
        if self.endpoints.is_empty() {
            return Err(LoadError::NoEndpoints);
        }
        let mut clients = Vec::new();
        for endpoint in &self.endpoints {
            let client = Client::connect([endpoint], None).await;
            let client = client.map_err(|error| LoadError::Connect {
                endpoint: endpoint.clone(),
                reason: error.to_string(),
            })?;
            clients.push(client.kv_client());
        }
        let begun = Instant::now();
        let mut callers = JoinSet::new();
        for caller in 0..self.callers {
            let client = clients[caller % clients.len()].clone();
            let value = vec![b'v'; self.value_bytes];
            callers.spawn(call(client, caller, value, begun + self.duration));
        }
        let mut report = Report::new();
        while let Some(done) = callers.join_next().await {
            report.merge(done.map_err(|_| LoadError::Panicked)?);
        }
        report.lasted(begun.elapsed());
        Ok(report)
    }
}

async fn call(mut client: KvClient, caller: usize, value: Vec<u8>, until: Instant) -> Report {
    let mut report = Report::new();
    for number in 0_u64.. {
        let begun = Instant::now();
        if begun >= until {
            break;
        }
        let key = format!("bench/{caller:06}/{:04}", number % KEYS_PER_CALLER);
        let put = client.put(key, value.clone(), None);
        match tokio::time::timeout(REQUEST_MAX, put).await {
            Ok(Ok(_)) => {
                report.answered(1, begun.elapsed());
                continue;
            }
            Ok(Err(error)) => report.failed(|| error.to_string()),
            Err(_) => report.failed(|| format!("no answer within {} s", REQUEST_MAX.as_secs())),
        }
        tokio::time::sleep(FAILURE_PAUSE).await;
    }
    report
}
