//! Histories of stores whose answers carry no revisions: is there an order that explains them?
//!
//! The search of Wing and Gong with Lowe's memoisation. Keys do not depend on each other, so each is
//! searched alone: from the state in which nothing has happened, every operation may come next that was
//! called before the first answer still outstanding, if what it was answered fits. An order in which
//! everything that was answered has its place explains the history. States that were reached before are
//! not searched again. Operations without an answer may come at any time after their call, or never.
//! Serializable reads promise nothing here and are left out.
//!
//! The search takes exponential time where many operations of one key overlap, so its states are
//! bounded; beyond that it says [`Verdict::Undecided`].

mod frontier;
#[cfg(test)]
mod naive;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use self::frontier::{Frontier, Key};
use super::{Operation, Violation, What, writers};

/// The one rule: some order explains all answers, and respects real time.
pub const EXPLAINED: &str = "linearizability: some order explains the answers";

/// What came out of a search that found no fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every key's history can be explained.
    Linearizable {
        /// States that it took, over all keys.
        states: usize,
    },
    /// The search was given up.
    Undecided {
        /// The first key that took too many states.
        key: String,
        /// How many were allowed.
        states_max: usize,
    },
}

/// Searches an order for each key, in up to `states_max` states each.
///
/// # Errors
/// If a key's history cannot be explained, or values are written twice.
pub fn check(history: &[Operation], states_max: usize) -> Result<Verdict, Violation> {
    writers(history)?;
    let mut keys: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
    for operation in history {
        let unanswered_read = operation.what.is_read() && operation.answer.is_none();
        if operation.what != What::SerializableGet && !unanswered_read {
            keys.entry(&operation.key).or_default().push(operation);
        }
    }
    let mut states = 0;
    let mut undecided = None;
    for (name, operations) in keys {
        match search(&Key::new(&operations), states_max) {
            Search::Explained(took) => states += took,
            Search::GivenUp => undecided = undecided.or(Some(name.to_owned())),
            Search::Unexplained(stuck) => {
                return Err(Violation::new(EXPLAINED, unexplained(name, stuck)));
            }
        }
    }
    Ok(
        undecided.map_or(Verdict::Linearizable { states }, |key| Verdict::Undecided {
            key,
            states_max,
        }),
    )
}

enum Search<'a> {
    Explained(usize),
    GivenUp,
    /// The operation that no order got past, of those that got furthest.
    Unexplained(Option<&'a Operation>),
}

/// Depth first, so that a history that can be explained takes few states.
fn search<'a>(key: &Key<'a>, states_max: usize) -> Search<'a> {
    let mut seen = BTreeSet::new();
    let mut open = vec![Frontier::default()];
    let mut furthest = Frontier::default();
    while let Some(frontier) = open.pop() {
        if key.is_complete(&frontier) {
            return Search::Explained(seen.len() + 1);
        }
        if frontier.placed() > furthest.placed() {
            furthest = frontier.clone();
        }
        if !seen.insert(frontier.clone()) {
            continue;
        }
        if seen.len() > states_max {
            return Search::GivenUp;
        }
        open.extend(key.next(&frontier));
    }
    Search::Unexplained(key.first_open(&furthest))
}

fn unexplained(key: &str, stuck: Option<&Operation>) -> String {
    let stuck = stuck.map_or_else(String::new, ToString::to_string);
    format!("{key:?}: no order gets past {stuck}")
}
