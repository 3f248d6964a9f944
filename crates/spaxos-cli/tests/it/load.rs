//! Writers that remember what was acknowledged, and the check that it is there.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use etcd_client::{Client, GetOptions};
use tokio::task::JoinSet;

use crate::cluster::{Cluster, client, until};

/// Writers for each endpoint.
const WRITERS: usize = 4;
/// A put without an answer by then has failed, whatever becomes of it.
const PUT_MAX: Duration = Duration::from_secs(10);
/// All keys begin so.
const PREFIX: &str = "load/";
/// Keys read at a time.
const PAGE: i64 = 1000;

/// Each writer puts every key once, with a value that no other key has.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    writers: JoinSet<Vec<Written>>,
}

/// One put and what became of it.
struct Written {
    endpoint: usize,
    key: String,
    value: String,
    /// The key's revision and the time of the answer; nothing if the put failed or is in doubt.
    acknowledged: Option<(i64, Instant)>,
}

/// Everything that was put.
pub(crate) struct Record {
    begun: Instant,
    ended: Instant,
    written: Vec<Written>,
}

impl Load {
    /// Begins to write to all three endpoints. Keys of different `round`s are different.
    pub(crate) fn start(cluster: &Cluster, round: &str) -> (Load, Instant) {
        let stop = Arc::new(AtomicBool::new(false));
        let acknowledged = Arc::new(AtomicU64::new(0));
        let mut writers = JoinSet::new();
        for at in 0..3 {
            for writer in 0..WRITERS {
                let writer = Writer {
                    endpoint: at,
                    url: cluster.endpoint(at),
                    keys: format!("{PREFIX}{round}/{at}/{writer}"),
                    stop: Arc::clone(&stop),
                    acknowledged: Arc::clone(&acknowledged),
                };
                writers.spawn(writer.write());
            }
        }
        let load = Load {
            stop,
            acknowledged,
            writers,
        };
        (load, Instant::now())
    }

    /// Waits until so many more puts are acknowledged.
    pub(crate) async fn more(&self, count: u64) {
        let goal = self.acknowledged.load(Relaxed) + count;
        let enough = async || (self.acknowledged.load(Relaxed) >= goal).then_some(());
        until("puts are acknowledged", enough).await;
    }

    /// Ends the load and hands over what was put since `begun`.
    pub(crate) async fn end(mut self, begun: Instant) -> Record {
        self.stop.store(true, Relaxed);
        let ended = Instant::now();
        let mut written = Vec::new();
        while let Some(writer) = self.writers.join_next().await {
            written.extend(writer.expect("a writer does not panic"));
        }
        Record {
            begun,
            ended,
            written,
        }
    }
}

struct Writer {
    endpoint: usize,
    url: String,
    keys: String,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
}

impl Writer {
    async fn write(self) -> Vec<Written> {
        let mut client = client(&self.url).await;
        let mut written = Vec::new();
        while !self.stop.load(Relaxed) {
            let key = format!("{}/{:06}", self.keys, written.len());
            let value = format!("value of {key}");
            let put = client.put(key.clone(), value.clone(), None);
            let answer = tokio::time::timeout(PUT_MAX, put).await;
            let revision = match answer {
                Ok(Ok(answer)) => answer.header().map(|header| header.revision()),
                Ok(Err(_)) | Err(_) => None,
            };
            if revision.is_some() {
                self.acknowledged.fetch_add(1, Relaxed);
            } else {
                // The endpoint may be down: let the others have the processor.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            written.push(Written {
                endpoint: self.endpoint,
                key,
                value,
                acknowledged: revision.map(|revision| (revision, Instant::now())),
            });
        }
        written
    }
}

impl Record {
    /// The longest time that all writers of an endpoint together were without an answer.
    pub(crate) fn longest_gap(&self, endpoint: usize) -> Duration {
        let mine = self.written.iter().filter(|w| w.endpoint == endpoint);
        let answers = mine.filter_map(|w| w.acknowledged.map(|(_, at)| at));
        let mut moments: Vec<Instant> = answers.filter(|at| *at <= self.ended).collect();
        moments.extend([self.begun, self.ended]);
        moments.sort_unstable();
        let gaps = moments.windows(2).map(|pair| pair[1] - pair[0]);
        gaps.max().unwrap_or_default()
    }

    /// How many puts were acknowledged.
    pub(crate) fn acknowledged(&self) -> usize {
        self.written
            .iter()
            .filter(|w| w.acknowledged.is_some())
            .count()
    }

    /// Takes over what `other` put.
    pub(crate) fn append(&mut self, other: Record) {
        self.written.extend(other.written);
    }

    /// Checks what the store has against what was put: nothing lost, nothing twice, nothing else.
    pub(crate) async fn check(&self, client: &mut Client) {
        let (stored, revision) = read_all(client).await;
        let put: HashMap<&str, &Written> = self.written.iter().map(|w| (&*w.key, w)).collect();
        let mut revisions = BTreeMap::new();
        for (key, kept) in &stored {
            let written = put.get(key.as_str());
            let written = written.unwrap_or_else(|| panic!("nobody put {key}"));
            assert_eq!(kept.value, written.value, "the value of {key}");
            assert_eq!(
                kept.version, 1,
                "{key} was put once and executed more often"
            );
            let other = revisions.insert(kept.revision, key);
            assert_eq!(other, None, "{key} has the revision of another key");
        }
        for written in &self.written {
            let Some((acknowledged, _)) = written.acknowledged else {
                continue;
            };
            let kept = stored.get(&written.key);
            let kept =
                kept.unwrap_or_else(|| panic!("{} was acknowledged and is lost", written.key));
            assert_eq!(
                kept.revision, acknowledged,
                "the revision of {}",
                written.key
            );
        }
        // A fresh store is at revision 1, and each put made one more.
        let puts = i64::try_from(stored.len()).expect("few keys");
        assert_eq!(
            revision,
            1 + puts,
            "something was executed that left no key"
        );
    }
}

struct Kept {
    value: String,
    revision: i64,
    version: i64,
}

/// All keys, and the store's revision.
async fn read_all(client: &mut Client) -> (BTreeMap<String, Kept>, i64) {
    let mut stored = BTreeMap::new();
    let mut from = PREFIX.to_owned();
    // The byte behind the last one of the prefix, which is no letter of any key.
    let end = PREFIX.replace('/', "0");
    loop {
        let options = GetOptions::new().with_range(end.clone()).with_limit(PAGE);
        let answer = client.get(from.clone(), Some(options)).await;
        let answer = answer.expect("the cluster answers reads");
        for kv in answer.kvs() {
            let key = String::from_utf8_lossy(kv.key()).into_owned();
            let kept = Kept {
                value: String::from_utf8_lossy(kv.value()).into_owned(),
                revision: kv.mod_revision(),
                version: kv.version(),
            };
            from = format!("{key}\0");
            stored.insert(key, kept);
        }
        if !answer.more() {
            let header = answer.header().expect("answers have headers");
            return (stored, header.revision());
        }
    }
}
