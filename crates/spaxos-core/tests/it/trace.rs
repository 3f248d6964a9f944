//! What has happened, line by line, and which lines a script wants to see.

use std::collections::BTreeSet;

/// One line of a trace.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// At which member it happened; the receiver, for a message.
    pub(crate) node: u64,
    /// One of the kinds in [`WORDS`].
    pub(crate) kind: &'static str,
    /// Of a message or record its name, else empty. The records that are named as messages are, are
    /// `AppendBatch` and `AppendPromise` here.
    pub(crate) name: &'static str,
    pub(crate) text: String,
}

/// What a filter may name: kinds of lines, messages, and records.
const WORDS: [&str; 36] = [
    "receive",
    "lose",
    "append",
    "sync",
    "durable",
    "execute",
    "read",
    "reject",
    "lost",
    "readlog",
    "halt",
    "Batch",
    "Acks",
    "Heartbeat",
    "Accept",
    "Accepted",
    "Adopt",
    "Decide",
    "PreVote",
    "PreVoteReply",
    "Prepare",
    "Promise",
    "Refuse",
    "FetchBatches",
    "FetchSlots",
    "Slots",
    "ReadQuery",
    "ReadAnswer",
    "Forward",
    "AppendBatch",
    "AppendPromise",
    "Adoption",
    "Vote",
    "Decided",
    "DecidedSlot",
    "Greeting",
];

/// Which lines are shown: those at one of the members, and of one of the kinds or names. An empty set
/// is all of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    members: BTreeSet<u64>,
    words: BTreeSet<String>,
}

impl Filter {
    /// `r2` is a member; any other word a kind or a name. A word that nothing has is an error: it
    /// would hide everything.
    pub(crate) fn new(words: impl IntoIterator<Item = String>) -> Result<Filter, String> {
        let mut filter = Filter::default();
        for word in words {
            let member = word.strip_prefix('r').and_then(|id| id.parse().ok());
            if let Some(id) = member {
                filter.members.insert(id);
            } else if WORDS.contains(&word.as_str()) {
                filter.words.insert(word);
            } else {
                return Err(format!("no line is called {word}"));
            }
        }
        Ok(filter)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty() && self.words.is_empty()
    }

    pub(crate) fn shows(&self, line: &Line) -> bool {
        (self.members.is_empty() || self.members.contains(&line.node))
            && (self.words.is_empty()
                || self.words.contains(line.kind)
                || self.words.contains(line.name))
    }
}
