//! What was ever decided and executed on the way to a state, and the checks that compare with it.
//!
//! A replica may forget that a slot was decided when it dies; its clients do not.

use spaxos_core::types::{ReplicaId, Sequence};
use std::collections::BTreeMap;

use super::fingerprint::Seen;
use super::node::MEMBERS;
use super::state::State;
use super::tables::{Shows, Tables};
use crate::violation::{Checked, Violation, ensure};
use spaxos_core::batch::hash_words;

/// See the module.
#[derive(Clone, Debug, Default)]
struct History {
    /// The decided values by number, from slot 1 on.
    values: Vec<u32>,
    /// The running hash after each slot executed.
    hashes: Vec<u64>,
    /// The batches that were decided, a bit for each.
    batches: u64,
}

/// All histories, by number. The first is the empty one.
#[derive(Debug)]
pub(super) struct Histories {
    histories: Vec<History>,
    hashes: Seen,
}

impl Histories {
    pub(super) fn new() -> Histories {
        let mut histories = Histories {
            histories: Vec::new(),
            hashes: Seen::new(),
        };
        histories.intern(History::default());
        histories
    }

    fn intern(&mut self, history: History) -> u32 {
        let values = history.values.iter().copied().map(u64::from);
        let mut words: Vec<u64> = values.collect();
        words.push(u64::MAX);
        words.extend(&history.hashes);
        let (number, new) = self.hashes.insert(hash_words(&words));
        if new {
            self.histories.push(history);
        }
        number
    }

    /// Checks a state against its history and takes in what is new.
    pub(super) fn check(&mut self, state: &mut State, tables: &mut Tables) -> Checked {
        let known = &self.histories[state.history as usize];
        let mut history = known.clone();
        {
            let shows = state
                .members
                .map(|member| &tables.members[member as usize].shows);
            for (at, shown) in shows.iter().enumerate() {
                let decided = (&shown.decided, "is decided");
                agree(&mut history.values, decided, at, tables)?;
                same_order(&mut history.hashes, shown, at)?;
            }
            for (a, b) in [(0, 1), (0, 2), (1, 2)] {
                let chosen = chosen(shows[a], shows[b], tables)?;
                agree(
                    &mut history.values,
                    (&chosen, "has a quorum's votes"),
                    a,
                    tables,
                )?;
            }
        }
        if history.values.len() > known.values.len() || history.hashes.len() > known.hashes.len() {
            history.batches = batches_of(&history.values, tables);
            state.history = self.intern(history);
        }
        self.available(state, tables)
    }

    /// Invariant 2: what is decided is durable on a quorum.
    fn available(&self, state: &State, tables: &Tables) -> Checked {
        let decided = self.histories[state.history as usize].batches;
        let [a, b, c] = state
            .members
            .map(|member| tables.members[member as usize].shows.held);
        let missing = decided & !(a & b | a & c | b & c);
        ensure(missing == 0, "availability", || {
            let names = tables.name_batches(missing);
            format!("decided, and not durable on a quorum: {names}")
        })
    }
}

/// Invariant 1: one value per slot, whoever finds out how.
fn agree(known: &mut Vec<u32>, found: (&Vec<u32>, &str), at: usize, tables: &Tables) -> Checked {
    let (values, how) = found;
    for (slot, (a, b)) in (1_u64..).zip(known.iter().zip(values)) {
        ensure(a == b, "agreement", || {
            let (a, b) = (&tables.values[*a as usize], &tables.values[*b as usize]);
            let (a, b) = (crate::trace::value(a), crate::trace::value(b));
            format!(
                "slot {slot} was decided as {a}, and at r{} {b} {how}",
                at + 1
            )
        })?;
    }
    if values.len() > known.len() {
        known.clone_from(values);
    }
    Ok(())
}

/// Invariant 4: everybody executes the same.
fn same_order(known: &mut Vec<u64>, shown: &Shows, at: usize) -> Checked {
    let differs = known.iter().zip(&shown.hashes).position(|(a, b)| a != b);
    if let Some(slot) = differs {
        let text = format!(
            "r{} has executed something else in slot {}",
            at + 1,
            slot + 1
        );
        return Err(Violation::new("same order", text));
    }
    if shown.hashes.len() > known.len() {
        known.clone_from(&shown.hashes);
    }
    Ok(())
}

/// The values for which two members, a quorum, have durable votes in one ballot.
fn chosen(a: &Shows, b: &Shows, tables: &Tables) -> Checked<Vec<u32>> {
    if a.adopted != b.adopted || a.adopted.round == 0 {
        return Ok(Vec::new());
    }
    let both = a.log.len().min(b.log.len());
    let differs = a.log.iter().zip(&b.log).position(|(a, b)| a != b);
    if let Some(slot) = differs {
        let (left, right) = (a.log[slot] as usize, b.log[slot] as usize);
        let [left, right] = [left, right].map(|at| crate::trace::value(&tables.values[at]));
        let text = format!(
            "ballot {} has {left} and {right} in slot {}",
            a.adopted,
            slot + 1
        );
        return Err(Violation::new("one log per ballot", text));
    }
    Ok(a.log[..both].to_vec())
}

/// The batches that these values order, from slot 1 on.
fn batches_of(values: &[u32], tables: &mut Tables) -> u64 {
    let mut bits = 0;
    let mut effective: BTreeMap<ReplicaId, spaxos_core::types::Position> = BTreeMap::new();
    for &value in values {
        let cut = tables.values[value as usize]
            .cut()
            .cloned()
            .unwrap_or_default();
        for &(lane, entry) in cut.entries() {
            let before = effective.entry(lane).or_default();
            if entry.position <= *before {
                continue;
            }
            let same = before.incarnation == entry.position.incarnation;
            let from = if same { before.sequence } else { Sequence(0) };
            let (incarnation, to) = (entry.position.incarnation, entry.position.sequence);
            bits |= tables.batches(lane, incarnation, from, to);
            *before = entry.position;
        }
    }
    bits
}

/// The order of a quorum in [`Histories::available`] is written out.
const _: () = assert!(MEMBERS == 3, "a quorum is any two of three");
