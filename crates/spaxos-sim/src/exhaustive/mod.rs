//! Exhaustive small worlds: the real replica under *every* order of events, as far as a world's
//! rations go.
//!
//! A [`World`] names its variant of the protocol, the requests of its clients, and how often what is
//! rationed may happen: elections, crashes, fetches, heartbeats. Everything else may happen at any
//! time: a message is delivered now, later, or never, and so messages overtake each other and are
//! lost; a sync takes as long as it likes; a process dies with any of its unsynced records. A replica
//! has no clock that runs: time is an event (`TimeOut`, `Tick`, `Beat`), of one replica alone.
//!
//! [`explore`] goes through all states, breadth first, so that a counterexample is a shortest one.
//! States are told apart by hashes of 64 bits, and members, messages and values are numbered
//! (`tables`), which makes a state a few numbers and an event at a member something that is worked
//! out once.
//!
//! In every state: one value per slot, whether a replica says that it is decided or a quorum has
//! durable votes for it; one log per ballot; everybody executes the same; what is decided is
//! durable on a quorum; no vote, promise or ack on its way that is not durable; no replica went back.
//! From a sample of the states, and from all in which nothing can happen any more: if from now on
//! a quorum stays and hears each other, everything asked of it is executed (`completion`). So no
//! state is reached in which a live, connected quorum waits for a batch that none of them has.
//!
//! Reading order: [`World`], `state` (events), `node` (what an event does), `tables`, `search`;
//! `checks` and `history` (what must hold), `completion`, [`worlds`].

mod beginning;
mod checks;
mod completion;
mod disk;
mod fingerprint;
mod history;
mod node;
mod replay;
mod search;
mod state;
mod tables;
pub mod worlds;

use std::fmt;

use spaxos_core::config::Modes;

pub use search::explore;

/// How a small world begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Nobody leads, nothing is written.
    Fresh,
    /// Replica 1 leads in its first ballot, the first batch of each lane is executed everywhere, and
    /// nothing is on its way.
    Led,
}

/// How much of its header a message carries. What rides along is news that could also be late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Headers {
    /// Nothing: decisions are learned from votes alone.
    Empty,
    /// The ballot that the sender follows, and the decided mark of its log.
    Marks,
    /// Acks and the executed slot as well. Acks are hints (D7): without them less is fetched. Mode
    /// `propose = stable` needs them.
    Full,
}

/// A small world of three replicas.
#[derive(Clone, Debug)]
pub struct World {
    /// Its name.
    pub name: &'static str,
    /// The variant of the protocol.
    pub modes: Modes,
    /// How it begins.
    pub start: Start,
    /// Who gets a request, at most eight. They come in at the beginning, or at any time.
    pub requests: Vec<u8>,
    /// Whether requests come in at any time.
    pub late_requests: bool,
    /// Who gets a linearizable read, at any time; at most eight.
    pub reads: Vec<u8>,
    /// States whose logs are longer by more than this many slots are not continued.
    pub slots: u64,
    /// How many attempts to lead are begun.
    pub elections: u8,
    /// How many leaders give up for silence.
    pub step_downs: u8,
    /// Who begins attempts and gives up.
    pub may_time_out: Vec<u8>,
    /// How many processes die; each starts again.
    pub crashes: u8,
    /// Who dies.
    pub may_crash: Vec<u8>,
    /// Whether connections end with a process, with what was on its way to it, and new ones begin with
    /// greetings, which make peers send again; else messages go on arriving across lives.
    pub greetings: bool,
    /// Whether any prefix of the unsynced records may survive a crash, or only none and all.
    pub torn_logs: bool,
    /// Whose syncs take time; those of others are done at once.
    pub slow_disks: Vec<u8>,
    /// How many times missing batches and slots are asked for.
    pub ticks: u8,
    /// How many heartbeats leaders send.
    pub beats: u8,
    /// Whether a message may be delivered again and again.
    pub duplicates: bool,
    /// Kinds of messages that are always lost.
    pub undelivered: Vec<&'static str>,
    /// What rides on every message.
    pub headers: Headers,
    /// One of so many states is continued to its end, with a quorum and in a way that the state draws; 0
    /// for none but those where nothing can happen.
    pub completed_one_in: u64,
    /// The search ends once it has seen so many states, or a few more.
    pub states_max: usize,
}

/// What an exploration found.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Different states seen.
    pub states: usize,
    /// Events tried.
    pub events: u64,
    /// The longest of the shortest paths to a state.
    pub depth: usize,
    /// Whether all states within the world's rations were seen.
    pub exhausted: bool,
    /// States that were not continued, since a log had become too long.
    pub cut_by_slots: u64,
    /// Different states of members.
    pub member_states: usize,
    /// Different messages.
    pub messages: usize,
    /// States in which nothing could happen any more.
    pub final_states: u64,
    /// Continuations to the end.
    pub completions: u64,
    /// What was violated, if anything.
    pub counterexample: Option<Counterexample>,
}

/// A shortest way to a violation.
#[derive(Clone, Debug)]
pub struct Counterexample {
    /// Which check failed.
    pub checker: &'static str,
    /// What it saw.
    pub detail: String,
    /// Whether the events lead to a violation also on members that are not numbered. If not, two states
    /// were taken for one that are not: a fault of the explorer.
    pub confirmed: bool,
    /// The events, from the beginning, each with what it made members write and send.
    pub events: Vec<String>,
}

/// How far an exploration is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// How many events lie behind the states that are looked at now.
    pub depth: usize,
    /// How many there are of these.
    pub frontier: usize,
    /// Different states seen so far.
    pub states: usize,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match (&self.counterexample, self.exhausted) {
            (Some(_), _) => "broken",
            (None, true) => "exhausted",
            (None, false) => "not exhausted",
        };
        write!(
            f,
            "{how}: {} states, {} events, {} deep, {} cut by slots, {} states of members, {} messages, \
             {} final, {} completions",
            self.states,
            self.events,
            self.depth,
            self.cut_by_slots,
            self.member_states,
            self.messages,
            self.final_states,
            self.completions
        )?;
        let Some(found) = &self.counterexample else {
            return Ok(());
        };
        write!(f, "\n{}: {}", found.checker, found.detail)?;
        if !found.confirmed {
            write!(f, "\nnot confirmed: a fault of the explorer")?;
        }
        found
            .events
            .iter()
            .try_for_each(|line| write!(f, "\n{line}"))
    }
}
