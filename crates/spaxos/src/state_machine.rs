//! What a user brings: the state machine that every replica executes alike.

use spaxos_core::types::{LogTime, Slot};

/// Where in the common order a command stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// The slot that ordered the command. Several commands share one.
    pub slot: Slot,
    /// The cluster's clock in this slot, in nanoseconds; never goes back. The only clock that a
    /// state machine may use.
    pub log_time: LogTime,
    /// The command's place among all executed commands, from 1: unique for ever.
    pub index: u64,
}

/// A deterministic state machine. Same commands in the same order, same state and same answers, on
/// every replica: no local clock, no randomness, no iteration over hash maps.
pub trait StateMachine: Send + 'static {
    /// Executes one command and appends the answer to `reply`. Total: input that cannot be decoded
    /// gets an answer that says so, the same everywhere; a panic ends the process.
    fn execute(&mut self, context: &Context, command: &[u8], reply: &mut Vec<u8>);

    /// Answers a query from the present state and appends the answer to `reply`. Changes nothing.
    fn query(&self, query: &[u8], reply: &mut Vec<u8>);

    /// Time has passed: called once per slot, after the commands of that slot.
    fn advance(&mut self, log_time: LogTime) {
        let _ = log_time;
    }

    /// When something expires next; lets an idle cluster's clock move only when needed.
    fn next_expiry(&self) -> Option<LogTime> {
        None
    }
}
