//! Commands of the simulated clients: unique numbers, some of which start a timer in log time.

use bytes::{BufMut, Bytes, BytesMut};
use spaxos_core::batch::hash_words;

/// One command. `id` is unique in a run and never submitted twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) id: u64,
    /// Positive: wait for this much log time to pass, as a lease does.
    pub(crate) timer_ns: u64,
}

/// The encoded length of a command.
pub(crate) const COMMAND_BYTES: usize = 24;

pub(crate) fn encode(commands: &[Command]) -> Bytes {
    let mut payload = BytesMut::with_capacity(commands.len() * COMMAND_BYTES);
    for command in commands {
        payload.put_u64_le(command.id);
        payload.put_u64_le(command.timer_ns);
        payload.put_u64_le(hash_words(&[command.id, command.timer_ns]));
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
        timer_ns: word(1)?,
    };
    let checks = word(2)? == hash_words(&[command.id, command.timer_ns]);
    checks.then_some(command)
}
