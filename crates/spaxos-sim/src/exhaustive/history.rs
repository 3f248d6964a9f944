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

    /// How many slots are decided.
    pub(super) fn decided(&self, history: u32) -> u8 {
        let decided = self.histories[history as usize].values.len();
        u8::try_from(decided).expect("few slots")
    }

    /// Checks a state against its history and takes in what is new. `before` is the state that it was
    /// reached from, which was checked.
    pub(super) fn check(
        &mut self,
        before: Option<&State>,
        state: &mut State,
        tables: &mut Tables,
    ) -> Checked {
        let known = &self.histories[state.history as usize];
        let (mut values, mut hashes) = (&known.values[..], &known.hashes[..]);
        let shows = state
            .members
            .map(|member| &tables.members[member as usize].shows);
        let moved = |at: &usize| before.is_none_or(|b| b.members[*at] != state.members[*at]);
        for at in (0..MEMBERS).filter(moved) {
            let shown = shows[at];
            values = agree(values, &shown.decided, tables).map_err(|text| {
                Violation::new("agreement", format!("r{} decides {text}", at + 1))
            })?;
            hashes = same_order(hashes, &shown.hashes, at)?;
        }
        for (a, b) in [(0, 1), (0, 2), (1, 2)] {
            if moved(&a) || moved(&b) {
                let chosen = chosen(shows[a], shows[b], tables)?;
                values = agree(values, chosen, tables).map_err(|text| {
                    let (a, b) = (a + 1, b + 1);
                    Violation::new("agreement", format!("r{a} and r{b} have voted for {text}"))
                })?;
            }
        }
        if values.len() > known.values.len() || hashes.len() > known.hashes.len() {
            let (values, hashes) = (values.to_vec(), hashes.to_vec());
            let batches = batches_of(&values, tables);
            state.history = self.intern(History {
                values,
                hashes,
                batches,
            });
            // What is durable stays so: only new decisions can lack something.
            self.available(state, tables)?;
        }
        Ok(())
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

/// Invariant 1: one value per slot, whoever finds out how. Returns the longer list; the error is what
/// `found` has instead of what is `known`.
fn agree<'a>(known: &'a [u32], found: &'a [u32], tables: &Tables) -> Result<&'a [u32], String> {
    let differs = known.iter().zip(found).position(|(a, b)| a != b);
    if let Some(at) = differs {
        let value = |number: u32| crate::trace::value(&tables.values[number as usize]);
        let (slot, was, is) = (at + 1, value(known[at]), value(found[at]));
        return Err(format!("{is} in slot {slot}, which was decided as {was}"));
    }
    Ok(if found.len() > known.len() {
        found
    } else {
        known
    })
}

/// Invariant 4: everybody executes the same. Returns the longer list.
fn same_order<'a>(known: &'a [u64], found: &'a [u64], at: usize) -> Checked<&'a [u64]> {
    let differs = known.iter().zip(found).position(|(a, b)| a != b);
    if let Some(slot) = differs {
        let (id, slot) = (at + 1, slot + 1);
        let text = format!("r{id} has executed something else in slot {slot}");
        return Err(Violation::new("same order", text));
    }
    Ok(if found.len() > known.len() {
        found
    } else {
        known
    })
}

/// The values for which two members, a quorum, have durable votes in one ballot.
fn chosen<'a>(a: &'a Shows, b: &Shows, tables: &Tables) -> Checked<&'a [u32]> {
    if a.adopted != b.adopted || a.adopted.round == 0 {
        return Ok(&[]);
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
    Ok(&a.log[..both])
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
