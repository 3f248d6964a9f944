//! Clients that record what they ask and what they are answered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use etcd_client::{
    Client, Compare, CompareOp, Error, GetOptions, GetResponse, KeyValue, ResponseHeader, Txn,
    TxnOp, TxnOpResponse,
};
use spaxos_sim::history::{Answer, Found, Operation, What};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::record::Record;
use super::world::World;
use crate::cluster::client;

/// Clients of each replica.
const CLIENTS: usize = 2;
/// Between one operation of a client and its next.
const PACE: Duration = Duration::from_millis(50);
/// After an operation that failed.
const PAUSE: Duration = Duration::from_millis(200);
/// An operation without an answer by then is left, whatever becomes of it.
const ANSWER_MAX: Duration = Duration::from_secs(1);
/// Keys that all clients share.
const KEYS: usize = 5;

/// Clients that work until they are told to stop.
pub(crate) struct Clients {
    stop: Arc<AtomicBool>,
    record: Arc<Record>,
    tasks: JoinSet<()>,
    endpoints: Vec<String>,
    values: Arc<AtomicU64>,
}

impl Clients {
    /// Some clients for each replica, whose values have so many bytes more than they need.
    pub(crate) fn start(world: &World, ballast_bytes: usize) -> Clients {
        let mut clients = Clients {
            stop: Arc::default(),
            record: Arc::new(Record::new()),
            tasks: JoinSet::new(),
            endpoints: world.all().iter().map(|at| world.endpoint(*at)).collect(),
            values: Arc::default(),
        };
        for at in world.all() {
            for _ in 0..CLIENTS {
                let id = clients.tasks.len() as u64 + 1;
                let one = clients.one(at, id, ballast_bytes);
                clients.tasks.spawn(one.work());
            }
        }
        clients
    }

    fn one(&self, at: usize, id: u64, ballast_bytes: usize) -> One {
        One {
            at,
            id,
            url: self.endpoints[at].clone(),
            ballast: ".".repeat(ballast_bytes),
            seen: BTreeMap::new(),
            random: fastrand::Rng::with_seed(id),
            values: Arc::clone(&self.values),
            stop: Arc::clone(&self.stop),
            record: Arc::clone(&self.record),
        }
    }

    pub(crate) fn record(&self) -> &Record {
        &self.record
    }

    /// Stops all, then reads every key from every replica, as the last entries of the record.
    pub(crate) async fn finish(mut self) -> Arc<Record> {
        self.stop.store(true, Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("a client does not panic");
        }
        for at in 0..self.endpoints.len() {
            let mut reader = self.one(at, 0, 0);
            let mut client = client(&reader.url).await;
            for key in 0..KEYS {
                let key = name(key);
                let begun = Instant::now();
                while !reader.call(&mut client, &key, What::Get).await {
                    let vain = begun.elapsed() > crate::cluster::SOON;
                    assert!(!vain, "{key} cannot be read from {}", reader.url);
                }
            }
        }
        self.record
    }
}

/// One client.
struct One {
    /// The replica that it asks.
    at: usize,
    id: u64,
    url: String,
    ballast: String,
    /// What it saw last, to compare with.
    seen: BTreeMap<String, u64>,
    random: fastrand::Rng,
    values: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    record: Arc<Record>,
}

impl One {
    async fn work(mut self) {
        let mut client = client(&self.url).await;
        let mut ticks = interval(PACE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.stop.load(Relaxed) {
            ticks.tick().await;
            let key = name(self.random.usize(..KEYS));
            let what = self.choose(&key);
            if !self.call(&mut client, &key, what).await {
                // The replica may be down: an operation that cannot be judged helps nobody.
                ticks.reset_after(PAUSE);
            }
        }
    }

    fn choose(&mut self, key: &str) -> What {
        let value = || self.values.fetch_add(1, Relaxed) + 1;
        match self.random.u32(..20) {
            0..6 => What::Put(value()),
            6..10 => What::CompareAndPut {
                expected: self.seen.get(key).copied(),
                value: value(),
            },
            10 => What::Delete,
            11..14 => What::SerializableGet,
            _ => What::Get,
        }
    }

    /// Calls, records, and says whether there was an answer.
    async fn call(&mut self, client: &mut Client, key: &str, what: What) -> bool {
        let called = Instant::now();
        let asking = ask(client, key, what, &self.ballast);
        let answer = timeout(ANSWER_MAX, asking).await;
        let answer = answer.ok().and_then(Result::ok);
        let returned = Instant::now();
        let answer = answer.map(|answer| Answer {
            returned_ns: self.record.ns(returned),
            ..answer
        });
        if let Some(answer) = answer {
            self.remember(key, what, answer);
        }
        let operation = Operation {
            client: self.id,
            called_ns: self.record.ns(called),
            key: key.to_owned(),
            what,
            answer,
        };
        self.record.add(self.at, operation);
        answer.is_some()
    }

    fn remember(&mut self, key: &str, what: What, answer: Answer) {
        let value = match what {
            _ if !answer.changed => answer.found.map(|found| found.value),
            _ => what.value(),
        };
        match value {
            Some(value) => self.seen.insert(key.to_owned(), value),
            None => self.seen.remove(key),
        };
    }
}

fn name(key: usize) -> String {
    format!("k{key}")
}

/// Asks, and says what the answer was, all but the time.
async fn ask(client: &mut Client, key: &str, what: What, ballast: &str) -> Result<Answer, Error> {
    let text = |value: u64| format!("{value}{ballast}");
    match what {
        What::Put(value) => {
            let put = client.put(key, text(value), None).await?;
            Ok(answer(put.header(), true, None))
        }
        What::CompareAndPut { expected, value } => {
            let compare = match expected {
                Some(expected) => Compare::value(key, CompareOp::Equal, text(expected)),
                None => Compare::version(key, CompareOp::Equal, 0),
            };
            let txn = Txn::new()
                .when([compare])
                .and_then([TxnOp::put(key, text(value), None)])
                .or_else([TxnOp::get(key, None)]);
            let done = client.txn(txn).await?;
            let found = done
                .op_responses()
                .iter()
                .find_map(|response| match response {
                    TxnOpResponse::Get(got) => found(got),
                    _ => None,
                });
            Ok(answer(done.header(), done.succeeded(), found))
        }
        What::Delete => {
            let done = client.delete(key, None).await?;
            Ok(answer(done.header(), done.deleted() > 0, None))
        }
        What::Get | What::SerializableGet => {
            let serializable = what == What::SerializableGet;
            let options = serializable.then(|| GetOptions::new().with_serializable());
            let got = client.get(key, options).await?;
            Ok(answer(got.header(), false, found(&got)))
        }
    }
}

fn answer(header: Option<&ResponseHeader>, changed: bool, found: Option<Found>) -> Answer {
    let revision = header.expect("answers have headers").revision();
    Answer {
        returned_ns: 0,
        revision: number(revision),
        changed,
        found,
    }
}

fn found(got: &GetResponse) -> Option<Found> {
    got.kvs().first().map(|kv| Found {
        value: value(kv),
        revision: number(kv.mod_revision()),
        version: number(kv.version()),
    })
}

fn value(kv: &KeyValue) -> u64 {
    let text = String::from_utf8_lossy(kv.value());
    let digits = text.trim_end_matches('.');
    digits
        .parse()
        .unwrap_or_else(|_| panic!("nobody wrote {text:?}"))
}

fn number(of_etcd: i64) -> u64 {
    u64::try_from(of_etcd).expect("counts from 0")
}
