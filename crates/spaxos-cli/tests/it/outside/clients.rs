//! Clients that record what they ask and what they are answered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use spaxos_sim::history::{Answer, Operation, What};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::record::Record;
use super::world::World;
use super::{etcd, native};
use crate::cluster::client;

/// Clients of each replica in etcd's API. One more begins there in the native protocol.
const CLIENTS: usize = 2;
/// After an operation that failed.
const PAUSE: Duration = Duration::from_millis(200);
/// Keys that all clients share.
const KEYS: usize = 5;

/// How much clients do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Between one operation of a client and its next.
    pub(crate) pace: Duration,
    /// How many bytes their values have more than they need.
    pub(crate) ballast_bytes: usize,
}

impl Load {
    /// So little that no machine is busy with it.
    pub(crate) const LIGHT: Load = Load {
        pace: Duration::from_millis(50),
        ballast_bytes: 0,
    };

    /// As often, with longer values.
    pub(crate) const fn with_ballast(ballast_bytes: usize) -> Load {
        Load {
            ballast_bytes,
            ..Load::LIGHT
        }
    }
}

/// Clients that work until they are told to stop.
pub(crate) struct Clients {
    stop: Arc<AtomicBool>,
    record: Arc<Record>,
    tasks: JoinSet<()>,
    endpoints: Vec<String>,
    native: Vec<String>,
    values: Arc<AtomicU64>,
}

impl Clients {
    /// Some clients for each replica.
    pub(crate) fn start(world: &World, load: Load) -> Clients {
        let mut clients = Clients {
            stop: Arc::default(),
            record: Arc::new(Record::new()),
            tasks: JoinSet::new(),
            endpoints: world.all().iter().map(|at| world.endpoint(*at)).collect(),
            native: world.all().iter().map(|at| world.native(*at)).collect(),
            values: Arc::default(),
        };
        for at in world.all() {
            for turn in 0..=CLIENTS {
                let id = clients.tasks.len() as u64 + 1;
                let way = match turn {
                    CLIENTS => clients.native(at),
                    _ => clients.etcd(at),
                };
                let one = clients.one(way, id, load);
                clients.tasks.spawn(one.work());
            }
        }
        clients
    }

    /// A way to one replica alone.
    fn etcd(&self, at: usize) -> Way {
        Way::Etcd {
            at,
            url: self.endpoints[at].clone(),
        }
    }

    /// A way that begins at one replica and goes on at the others.
    fn native(&self, at: usize) -> Way {
        let mut addresses = self.native.clone();
        addresses.rotate_left(at);
        Way::Native { addresses }
    }

    fn one(&self, way: Way, id: u64, load: Load) -> One {
        One {
            id,
            way,
            pace: load.pace,
            ballast: ".".repeat(load.ballast_bytes),
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
            let mut reader = self.one(self.etcd(at), 0, Load::LIGHT);
            let mut asked = reader.way.open().await;
            for key in 0..KEYS {
                let key = name(key);
                let begun = Instant::now();
                while !reader.call(&mut asked, &key, What::Get).await {
                    let vain = begun.elapsed() > crate::cluster::SOON;
                    assert!(!vain, "{key} cannot be read from {}", self.endpoints[at]);
                }
            }
        }
        self.record
    }
}

/// What came of an operation.
pub(super) enum Outcome {
    /// This, all but the time.
    Answered(Answer),
    /// It may have been done, or may be yet, or never.
    Unknown,
    /// It was certainly not done.
    NotDone,
}

/// Whom a client asks, and how.
enum Way {
    Etcd { at: usize, url: String },
    Native { addresses: Vec<String> },
}

/// The same, once there is a connection.
enum Asked {
    Etcd(Box<etcd_client::Client>),
    Native(spaxos::Client),
}

impl Way {
    async fn open(&self) -> Asked {
        match self {
            Way::Etcd { url, .. } => Asked::Etcd(Box::new(client(url).await)),
            Way::Native { addresses } => Asked::Native(native::connect(addresses).await),
        }
    }

    /// The replica that has to answer, if it must be that one.
    const fn replica(&self) -> Option<usize> {
        match self {
            Way::Etcd { at, .. } => Some(*at),
            Way::Native { .. } => None,
        }
    }
}

/// One client.
struct One {
    id: u64,
    way: Way,
    pace: Duration,
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
        let mut asked = self.way.open().await;
        let mut ticks = interval(self.pace);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.stop.load(Relaxed) {
            ticks.tick().await;
            let key = name(self.random.usize(..KEYS));
            let what = self.choose(&key);
            if !self.call(&mut asked, &key, what).await {
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
    async fn call(&mut self, asked: &mut Asked, key: &str, what: What) -> bool {
        let called_ns = self.record.ns(Instant::now());
        let outcome = match asked {
            Asked::Etcd(client) => etcd::ask(client, key, what, &self.ballast).await,
            Asked::Native(client) => native::ask(client, key, what, &self.ballast).await,
        };
        let returned_ns = self.record.ns(Instant::now());
        let answer = match outcome {
            Outcome::Answered(answer) => Some(Answer {
                returned_ns,
                ..answer
            }),
            Outcome::Unknown => None,
            Outcome::NotDone => return false,
        };
        if let Some(answer) = answer {
            self.remember(key, what, answer);
        }
        let operation = Operation {
            client: self.id,
            called_ns,
            key: key.to_owned(),
            what,
            answer,
        };
        self.record.add(self.way.replica(), operation);
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

/// What a stored value stands for, without its ballast.
pub(super) fn value(stored: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(stored);
    let digits = text.trim_end_matches('.');
    digits
        .parse()
        .unwrap_or_else(|_| panic!("nobody wrote {text:?}"))
}

pub(super) fn number(of_etcd: i64) -> u64 {
    u64::try_from(of_etcd).expect("counts from 0")
}
