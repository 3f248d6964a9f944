//! Commands of the simulated clients: unique numbers, some of which start a timer in log time, some of
//! which belong to a session and may be sent again.

use bytes::{BufMut, Bytes, BytesMut};
use spaxos_core::batch::hash_words;

use crate::keyvalue::{KeyKind, KeyOperation};

/// One command. `id` is unique in a run; only commands of a session are sent more than once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) id: u64,
    /// Another number each time that the command is sent.
    pub(crate) attempt: u64,
    /// Positive: wait for this much log time to pass, as a lease does.
    pub(crate) timer_ns: u64,
    /// The session, named by the id of the command that opened it; 0 if there is none.
    pub(crate) session: u64,
    /// The place in the session; 0 opens it.
    pub(crate) sequence: u64,
    /// The client has the answers of everything below this.
    pub(crate) floor: u64,
    /// What it does to the key-value store, in runs that have one.
    pub(crate) operation: KeyOperation,
}

impl Command {
    /// Whether this opens the session that bears its name.
    pub(crate) fn opens(&self) -> bool {
        self.session != 0 && self.sequence == 0
    }

    /// Whether the session, and not the client, sees to it that this is executed once.
    pub(crate) fn may_repeat(&self) -> bool {
        self.session != 0 && self.sequence != 0
    }

    fn words(&self) -> [u64; 9] {
        [
            self.id,
            self.attempt,
            self.timer_ns,
            self.session,
            self.sequence,
            self.floor,
            self.operation.kind as u64,
            self.operation.key,
            self.operation.expected,
        ]
    }
}

/// The encoded length of a command: its words and their hash.
pub(crate) const COMMAND_BYTES: usize = 80;

pub(crate) fn encode(commands: &[Command]) -> Bytes {
    let mut payload = BytesMut::with_capacity(commands.len() * COMMAND_BYTES);
    for command in commands {
        let words = command.words();
        for word in words {
            payload.put_u64_le(word);
        }
        payload.put_u64_le(hash_words(&words));
    }
    payload.freeze()
}

/// The commands in a payload; `None` if it is not what [`encode`] wrote.
pub(crate) fn decode(payload: &[u8]) -> Option<Vec<Command>> {
    let pieces = payload.chunks_exact(COMMAND_BYTES);
    if !pieces.remainder().is_empty() {
        return None;
    }
    pieces.map(decode_one).collect()
}

fn decode_one(piece: &[u8]) -> Option<Command> {
    let word = |at: usize| -> Option<u64> {
        let bytes = piece.get(at * 8..at * 8 + 8)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    };
    let command = Command {
        id: word(0)?,
        attempt: word(1)?,
        timer_ns: word(2)?,
        session: word(3)?,
        sequence: word(4)?,
        floor: word(5)?,
        operation: KeyOperation {
            kind: *KeyKind::ALL.get(usize::try_from(word(6)?).ok()?)?,
            key: word(7)?,
            expected: word(8)?,
        },
    };
    (word(9)? == hash_words(&command.words())).then_some(command)
}
