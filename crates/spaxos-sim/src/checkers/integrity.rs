//! Invariant 3: a position names one content for ever, whoever holds it.

use std::collections::BTreeMap;

use spaxos_core::batch::Batch;
use spaxos_core::types::{Position, ReplicaId};

use crate::violation::{Checked, ensure};

const NAME: &str = "integrity";

/// The first content seen under each position.
#[derive(Debug, Default)]
pub(crate) struct Integrity {
    contents: BTreeMap<(ReplicaId, Position), (u64, u64)>,
}

impl Integrity {
    /// A batch is appended, sent or executed.
    pub(crate) fn on_batch(&mut self, batch: &Batch) -> Checked {
        let name = (batch.lane, batch.position);
        ensure(batch.is_intact(), NAME, || {
            format!("{}:{} is not what its checksum says", name.0, name.1)
        })?;
        let content = (batch.digest, batch.checksum);
        let known = self.contents.entry(name).or_insert(content);
        ensure(*known == content, NAME, || {
            format!("{}:{} names two contents", name.0, name.1)
        })
    }
}
