//! Counts of what happened in a run: events by kind, faults by kind, rare branches reached.

use std::collections::BTreeMap;

/// Named counters, in the order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    counts: BTreeMap<&'static str, u64>,
}

impl Figures {
    /// How often `name` was counted.
    #[must_use]
    pub fn get(&self, name: &str) -> u64 {
        self.counts.get(name).copied().unwrap_or(0)
    }

    /// All counters, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.counts.iter().map(|(name, count)| (*name, *count))
    }

    /// Adds another run's counters to these.
    pub fn merge(&mut self, other: &Figures) {
        for (name, count) in other.iter() {
            self.add(name, count);
        }
    }

    pub(crate) fn count(&mut self, name: &'static str) {
        self.add(name, 1);
    }

    pub(crate) fn add(&mut self, name: &'static str, count: u64) {
        *self.counts.entry(name).or_insert(0) += count;
    }
}
