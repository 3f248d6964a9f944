//! What an answer shows of a key, against the writes up to its revision.

use super::super::{Answer, Found, Operation, Violation, What};
use super::log::Log;
use super::{COMPARED, CONTENT, VERSION};
use crate::violation::ensure;

/// What an answer says of its key.
#[derive(Clone, Copy, Debug)]
enum Shown {
    /// There is none.
    Nothing,
    /// There is one.
    Something,
    /// It has this value.
    Value(u64),
    /// All of this.
    Found(Found),
}

/// Holds what `operation` was answered against the log. False if that says nothing of the key.
pub(super) fn check(operation: &Operation, log: &Log<'_>) -> Result<bool, Violation> {
    let shown = match operation.answer {
        Some(answer) => shown(operation, answer)?,
        None => held(operation, log),
    };
    let Some((revision, shown)) = shown else {
        return Ok(false);
    };
    let returned = operation.answer.map(|answer| answer.returned_ns);
    let seen = Observation {
        operation,
        returned_ns: returned.unwrap_or(u64::MAX),
        revision,
        log,
    };
    seen.check(shown)?;
    Ok(true)
}

/// What a comparison shows that had no answer, and held, since somebody saw what it wrote.
fn held(operation: &Operation, log: &Log<'_>) -> Option<(u64, Shown)> {
    let What::CompareAndPut { expected, .. } = operation.what else {
        return None;
    };
    let before = log.revision_of(operation)? - 1;
    Some((before, expected.map_or(Shown::Nothing, Shown::Value)))
}

/// What an answer shows, and as of which revision.
fn shown(operation: &Operation, answer: Answer) -> Result<Option<(u64, Shown)>, Violation> {
    let found = answer.found.map_or(Shown::Nothing, Shown::Found);
    // A write shows what was there before it.
    let before = answer.revision.saturating_sub(1);
    Ok(match operation.what {
        What::Get | What::SerializableGet => Some((answer.revision, found)),
        What::Delete if answer.changed => Some((before, Shown::Something)),
        What::Delete => Some((answer.revision, Shown::Nothing)),
        What::Put(_) => {
            ensure(answer.changed, CONTENT, || {
                format!("a put writes: {operation}")
            })?;
            None
        }
        What::CompareAndPut { expected, .. } if answer.changed => {
            Some((before, expected.map_or(Shown::Nothing, Shown::Value)))
        }
        What::CompareAndPut { expected, .. } => {
            let value = answer.found.map(|found| found.value);
            ensure(value != expected, COMPARED, || {
                format!("it did not write although they are equal: {operation}")
            })?;
            Some((answer.revision, found))
        }
    })
}

struct Observation<'a> {
    operation: &'a Operation,
    returned_ns: u64,
    /// The state is the one that this revision left.
    revision: u64,
    log: &'a Log<'a>,
}

impl Observation<'_> {
    fn check(&self, shown: Shown) -> Result<(), Violation> {
        let latest = self.log.latest(&self.operation.key, self.revision);
        let at = latest.map_or(0, |(revision, _)| revision);
        let there = latest.and_then(|(_, write)| write.what.value());
        match shown {
            Shown::Found(found) => {
                ensure(found.revision == at, CONTENT, || self.detail(at))?;
                self.check_version(found)
            }
            Shown::Nothing => {
                let holds = there.is_none() || self.unseen(at, |what| what == What::Delete);
                ensure(holds, CONTENT, || self.detail(at))
            }
            Shown::Something => {
                let holds = there.is_some() || self.unseen(at, |what| what.value().is_some());
                ensure(holds, CONTENT, || self.detail(at))
            }
            Shown::Value(value) => {
                let value = Some(value);
                let holds = there == value || self.unseen(at, |what| what.value() == value);
                ensure(holds, COMPARED, || self.detail(at))
            }
        }
    }

    /// Whether a write of this key that nobody saw may have come behind the revision `above`.
    fn unseen(&self, above: u64, fits: impl Fn(What) -> bool) -> bool {
        let mut open = self.log.unseen_by(self.returned_ns);
        let may = open.any(|op| op.key == self.operation.key && fits(op.what));
        may && self.log.gaps(above, self.revision) > 0
    }

    fn check_version(&self, found: Found) -> Result<(), Violation> {
        let known = self.log.puts_until(&self.operation.key, found.revision) as u64;
        let gaps = self.log.gaps(0, found.revision);
        let mine = || {
            let open = self.log.unseen_by(self.returned_ns);
            open.filter(|op| op.key == self.operation.key)
        };
        let puts = mine().filter(|op| op.what.value().is_some()).count() as u64;
        let removed = gaps > 0 && mine().any(|op| op.what == What::Delete);
        let least = if removed { 1 } else { known };
        let most = known + puts.min(gaps);
        let holds = (least..=most).contains(&found.version);
        ensure(holds, VERSION, || {
            let operation = self.operation;
            format!("the writes make it {least} to {most}: {operation}")
        })
    }

    fn detail(&self, at: u64) -> String {
        let last = self.log.latest(&self.operation.key, at);
        let last = last.map_or_else(
            || "nobody wrote the key by then".to_owned(),
            |(revision, write)| format!("the last write by then is revision {revision}: {write}"),
        );
        format!("{}; {last}", self.operation)
    }
}
