//! The store as the node's state machine, shared with those who read.
//!
//! The node executes commands on its own thread; reads happen on the tasks of the requests, once the
//! node says that the store is up to date. Both meet at one lock, which readers share.

use std::sync::Arc;

use parking_lot::{RwLock, RwLockReadGuard};
use spaxos::{Context, StateMachine};
use spaxos_kv::{Limits, Machine};

/// The store, shared. Give one clone to the node as its state machine and one to the endpoint.
#[derive(Clone, Debug)]
pub struct SharedMachine {
    machine: Arc<RwLock<Machine>>,
    limits: Limits,
}

impl SharedMachine {
    /// An empty store. All members must have equal limits.
    ///
    /// # Panics
    /// When the limits contradict each other.
    #[must_use]
    pub fn new(limits: Limits) -> SharedMachine {
        SharedMachine {
            machine: Arc::new(RwLock::new(Machine::new(limits))),
            limits,
        }
    }

    /// The store, to read. Commands wait meanwhile: hold it only as long as needed, and never across
    /// an `await`.
    pub fn read(&self) -> RwLockReadGuard<'_, Machine> {
        self.machine.read()
    }

    /// The limits of requests.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }
}

impl StateMachine for SharedMachine {
    fn execute(&mut self, _: &Context, command: &[u8], reply: &mut Vec<u8>) {
        self.machine.write().execute(command, reply);
    }

    fn query(&self, query: &[u8], reply: &mut Vec<u8>) {
        self.machine.read().query(query, reply);
    }
}
