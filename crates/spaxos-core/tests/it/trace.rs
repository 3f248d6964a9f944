//! What has happened, line by line, and which lines a script wants to see.

use std::collections::BTreeSet;

/// One line of a trace.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// At which member it happened; the receiver, for a message.
    pub(crate) node: u64,
    /// `receive`, `lose`, `append`, `sync`, `durable`, `execute`, `read`, `reject`, `lost`, `halt`.
    pub(crate) kind: &'static str,
    /// Of a message or record its name, else empty. The records that are named as messages are, are
    /// `AppendBatch` and `AppendPromise` here.
    pub(crate) name: &'static str,
    pub(crate) text: String,
}

/// Which lines are shown: a set of words. `r2` is a member; any other word is a kind or a name.
/// Without words of one sort, that sort does not matter.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    words: BTreeSet<String>,
}

impl Filter {
    pub(crate) fn new(words: impl IntoIterator<Item = String>) -> Filter {
        Filter {
            words: words.into_iter().collect(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    pub(crate) fn shows(&self, line: &Line) -> bool {
        let node = format!("r{}", line.node);
        let is_member = |word: &String| {
            word.strip_prefix('r')
                .is_some_and(|id| id.parse::<u64>().is_ok())
        };
        let (members, kinds): (Vec<_>, Vec<_>) = self.words.iter().partition(|w| is_member(w));
        let of_kind = |word: &&String| *word == line.kind || *word == line.name;
        (members.is_empty() || members.contains(&&node))
            && (kinds.is_empty() || kinds.iter().any(of_kind))
    }
}
