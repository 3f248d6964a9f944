//! Everything that occurs in a small world, each once and by number: members in some state, messages,
//! values, batches. A state of the world is then a few numbers, and what an event does to a member is
//! worked out once, however many states of the world it happens in.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use spaxos_core::config::Dissemination;
use spaxos_core::cut::Value;
use spaxos_core::message::{Body, Header, Message};
use spaxos_core::types::{Ballot, Incarnation, Position, ReplicaId, Sequence, Slot, Time};

use super::fingerprint::{Reading, Seen, of_text};
use super::node::{Node, Parcel};
use super::{Headers, World};
use crate::violation::{Checked, Violation};

/// What can happen to one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// A message, by number, comes in.
    Deliver(u32),
    /// The oldest sync under way is done.
    Sync,
    /// The process dies and starts again; so many of the records at risk survive.
    Restart(u8),
    /// A connection to a peer stands.
    Greet {
        peer: u8,
        incarnation: u8,
        /// Which life of this member the peer knows.
        known: u8,
    },
    /// A client's request comes in.
    Submit(u8),
    /// A client's read comes in, when so many slots are decided.
    Read(u8),
    /// Nothing was heard for long.
    TimeOut,
    /// What is missing is due to be fetched.
    Tick,
    /// A heartbeat is due.
    Beat,
}

/// What a step led to: the member as it then is, and the messages that left.
#[derive(Debug)]
pub(super) struct Move {
    pub(super) node: u32,
    pub(super) sent: Vec<u32>,
}

/// A message with sender and receiver.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) from: ReplicaId,
    pub(super) to: ReplicaId,
    pub(super) message: Arc<Message>,
}

/// A member in one of its states.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) node: Node,
    pub(super) shows: Shows,
    moves: BTreeMap<Step, Result<Arc<Move>, Violation>>,
    /// The answers about messages, by number, as far as they were asked for.
    answers: Vec<Answers>,
}

/// What is known of a message at a member.
#[derive(Clone, Copy, Debug, Default)]
struct Answers {
    is_useless: Option<bool>,
    is_only_remembered: Option<bool>,
}

/// What events and checks need to know of a member's state.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shows {
    pub(super) syncing: bool,
    pub(super) can_tick: bool,
    pub(super) leads: bool,
    pub(super) at_risk: u8,
    /// The last slot of the log that it follows.
    pub(super) last: Slot,
    /// The values of the slots that it knows to be decided, by number, from slot 1 on.
    pub(super) decided: Vec<u32>,
    /// The running hash after each slot executed.
    pub(super) hashes: Vec<u64>,
    /// The ballot whose log the durable log is; zero if it is nobody's any more.
    pub(super) adopted: Ballot,
    /// The durable log, from slot 1 on.
    pub(super) log: Vec<u32>,
    /// Which batches are durable, a bit for each.
    pub(super) held: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Tables {
    world: World,
    pub(super) members: Vec<Member>,
    member_hashes: Seen,
    pub(super) letters: Vec<Letter>,
    letter_hashes: Seen,
    pub(super) values: Vec<Value>,
    value_hashes: Seen,
    batches: Vec<(ReplicaId, Position)>,
    /// How many different steps were worked out.
    pub(super) steps: u64,
    /// The steps taken since somebody began to watch, with who took them.
    watched: Option<Vec<(u8, Step)>>,
    /// How members are told apart.
    reading: Reading,
    text: String,
}

impl Tables {
    pub(super) fn new(world: World) -> Tables {
        let reading = Reading {
            without: irrelevant_fields(&world),
            ..Reading::default()
        };
        Tables {
            reading,
            world,
            members: Vec::new(),
            member_hashes: Seen::new(),
            letters: Vec::new(),
            letter_hashes: Seen::new(),
            values: Vec::new(),
            value_hashes: Seen::new(),
            batches: Vec::new(),
            steps: 0,
            watched: None,
            text: String::new(),
        }
    }

    /// Whether requests are forwarded to the leader.
    pub(super) fn forwards(&self) -> bool {
        self.world.modes.dissemination == Dissemination::Leader
    }

    /// Does something, and tells of which steps of members that consists.
    pub(super) fn watch<T>(&mut self, what: impl FnOnce(&mut Tables) -> T) -> (T, Vec<(u8, Step)>) {
        self.watched = Some(Vec::new());
        let done = what(self);
        (done, self.watched.take().unwrap_or_default())
    }

    /// Somebody takes a step.
    pub(super) fn note(&mut self, at: u8, step: Step) {
        if let Some(watched) = &mut self.watched {
            watched.push((at, step));
        }
    }

    /// What `step` does to a member.
    pub(super) fn apply(&mut self, member: u32, step: Step) -> Result<Arc<Move>, Violation> {
        if let Some(known) = self.members[member as usize].moves.get(&step) {
            return known.clone();
        }
        let mut node = self.members[member as usize].node.clone();
        let moved = self
            .try_take(&mut node, step)
            .and_then(|()| self.intern(node).map(Arc::new));
        self.steps += 1;
        let moves = &mut self.members[member as usize].moves;
        moves.insert(step, moved.clone());
        moved
    }

    /// Whether a message is only remembered at a member until something else comes: a vote that
    /// decides nothing yet, a promise that does not count yet. Such messages are as good on their way
    /// as here, unless heartbeats tell who has voted.
    pub(super) fn is_only_remembered(&mut self, member: u32, letter: u32) -> bool {
        if let Some(known) = self.answers(member, letter).is_only_remembered {
            return known;
        }
        let body = &self.letters[letter as usize].message.body;
        let kind = matches!(body, Body::Accepted { .. } | Body::Promise(_));
        let known = kind && self.world.beats == 0 && {
            let moved = self.apply(member, Step::Deliver(letter));
            moved.is_ok_and(|moved| moved.sent.is_empty() && self.looks_like(moved.node, member))
        };
        self.answers(member, letter).is_only_remembered = Some(known);
        known
    }

    fn answers(&mut self, member: u32, letter: u32) -> &mut Answers {
        let (answers, at) = (&mut self.members[member as usize].answers, letter as usize);
        if answers.len() <= at {
            answers.resize(at + 1, Answers::default());
        }
        &mut answers[at]
    }

    /// Whether two such messages together do something.
    pub(super) fn do_together(&mut self, member: u32, first: u32, second: u32) -> bool {
        let Ok(between) = self.apply(member, Step::Deliver(first)) else {
            return true;
        };
        let moved = self.apply(between.node, Step::Deliver(second));
        moved.is_ok_and(|moved| !moved.sent.is_empty() || !self.looks_like(moved.node, member))
    }

    fn looks_like(&self, one: u32, other: u32) -> bool {
        self.members[one as usize].shows == self.members[other as usize].shows
    }

    /// Whether a message can never again do anything at a member in this life of it: it changes nothing
    /// and makes nothing be sent, and is of a kind of which that is then so for good.
    pub(super) fn is_useless(&mut self, member: u32, letter: u32) -> bool {
        if let Some(known) = self.answers(member, letter).is_useless {
            return known;
        }
        let known = match self.apply(member, Step::Deliver(letter)) {
            Ok(moved) if moved.node == member && moved.sent.is_empty() => {
                self.stays_useless(member, letter)
            }
            _ => false,
        };
        self.answers(member, letter).is_useless = Some(known);
        known
    }

    /// Whether a message that does nothing at a member now will do nothing later.
    fn stays_useless(&self, member: u32, letter: u32) -> bool {
        let node = &self.members[member as usize].node;
        let promised = node.replica.status().promised;
        let over = |ballot: Ballot| ballot < promised || ballot == node.replica.followed();
        match &self.letters[letter as usize].message.body {
            // One that comes too early does nothing either.
            Body::Batch(batch) => node.disk.has(batch),
            // What is not told anew is known, and a lower ballot than the promised one stays lower.
            Body::Accept { ballot, .. } | Body::Adopt { ballot, .. } => over(*ballot),
            // Votes only grow, and so does what is decided; a ballot is promised once; a candidate
            // that is none in this ballot has been one or never will be.
            Body::Accepted { .. } | Body::Prepare { .. } | Body::Promise(_) => true,
            Body::Refuse { .. } => true,
            _ => false,
        }
    }

    /// Lets `node` take a step. A panic is a violation as well.
    pub(super) fn try_take(&self, node: &mut Node, step: Step) -> Checked {
        let taken = catch_unwind(AssertUnwindSafe(|| self.take(node, step)));
        taken.unwrap_or_else(|panic| Err(Violation::new("panic", crate::panic_text(&*panic))))
    }

    fn take(&self, node: &mut Node, step: Step) -> Checked {
        match step {
            Step::Deliver(letter) => {
                let letter = &self.letters[letter as usize];
                node.deliver(letter.from, &letter.message)?;
            }
            Step::Sync => node.finish_sync()?,
            Step::Restart(kept) => node.restart(usize::from(kept))?,
            Step::Greet {
                peer,
                incarnation,
                known,
            } => {
                let peer = ReplicaId(u64::from(peer));
                let incarnation = Incarnation(u64::from(incarnation));
                node.greet(peer, incarnation, Incarnation(u64::from(known)))?;
            }
            Step::Submit(request) => node.submit(request)?,
            Step::Read(floor) => node.read(usize::from(floor))?,
            Step::TimeOut => node.time_out()?,
            Step::Tick => node.tick()?,
            Step::Beat => node.beat()?,
        }
        let slow = self
            .world
            .slow_disks
            .iter()
            .any(|id| u64::from(*id) == node.id.0);
        while !slow && node.disk.is_syncing() {
            node.finish_sync()?;
        }
        Ok(())
    }

    /// Numbers a member in its present state, and what it has sent.
    pub(super) fn intern(&mut self, mut node: Node) -> Checked<Move> {
        let from = node.id;
        let mut sent = Vec::new();
        for parcel in std::mem::take(&mut node.sent) {
            sent.extend(self.intern_parcel(from, &parcel));
        }
        sent.sort_unstable();
        sent.dedup();
        let hash = catch_unwind(AssertUnwindSafe(|| self.hash_of(&node)));
        let hash = hash.map_err(|panic| {
            let text = format!("at recovery: {}", crate::panic_text(&*panic));
            Violation::new("panic", text)
        })?;
        let (number, new) = self.member_hashes.insert(hash);
        if new {
            let shows = self.shows(&node);
            self.members.push(Member {
                node,
                shows,
                moves: BTreeMap::new(),
                answers: Vec::new(),
            });
        }
        Ok(Move { node: number, sent })
    }

    /// A hash of all that decides how a member goes on: the replica, the messages that wait for its
    /// disk, and what it would come back as after a crash.
    fn hash_of(&mut self, node: &Node) -> u64 {
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        node.replica.write_state(&mut text);
        for (after, parcel) in node.waiting() {
            let letter = self.number(node.id, parcel);
            text.push_str(&format!("{after}:{letter:?} "));
        }
        let syncs: Vec<usize> = node.disk.pending_syncs().collect();
        text.push_str(&format!(
            "{} {syncs:?} {:?} {:?}",
            node.id, node.taken, node.reads
        ));
        if self.world.crashes > 0 {
            for kept in self.crash_points(node) {
                text.push_str(&node.recovered(usize::from(kept)));
            }
        }
        self.reading.durable = node.disk.durable_lsn().0;
        self.reading.decided = (self.world.beats == 0).then(|| node.replica.status().decided.0);
        let hash = of_text(&text, &self.reading);
        self.text = text;
        hash
    }

    /// How many of the records at risk may survive a crash.
    pub(super) fn crash_points(&self, node: &Node) -> impl Iterator<Item = u8> + use<> {
        let at_risk = u8::try_from(node.disk.at_risk()).expect("few records are at risk");
        let torn = self.world.torn_logs;
        (0..=at_risk).filter(move |&kept| torn || kept == 0 || kept == at_risk)
    }

    /// The number of a message, `None` if it is of a kind that this world never delivers.
    pub(super) fn intern_parcel(&mut self, from: ReplicaId, parcel: &Parcel) -> Option<u32> {
        let number = self.number(from, parcel);
        let name = parcel.message.body.name();
        (!self.world.undelivered.contains(&name)).then_some(number)
    }

    fn number(&mut self, from: ReplicaId, parcel: &Parcel) -> u32 {
        let mut message = Message::clone(&parcel.message);
        message.header = match self.world.headers {
            Headers::Empty => Header::default(),
            Headers::Marks => Header {
                ballot: message.header.ballot,
                decided: message.header.decided,
                ..Header::default()
            },
            Headers::Full => message.header,
        };
        match &mut message.body {
            Body::Heartbeat { sent, .. } => *sent = Time(0),
            Body::Acks { echo } => *echo = Time(0),
            _ => {}
        }
        let to = parcel.to;
        let hash = of_text(&format!("{from} {to} {message:?}"), &Reading::default());
        let (number, new) = self.letter_hashes.insert(hash);
        if new {
            let message = Arc::new(message);
            self.letters.push(Letter { from, to, message });
        }
        number
    }

    fn shows(&mut self, node: &Node) -> Shows {
        let status = node.replica.status();
        let durable = node.disk.durable();
        let decided = (1..=status.decided.0).map(Slot);
        let decided = decided.map(|slot| node.replica.decided_value(slot).cloned());
        let decided: Option<Vec<Value>> = decided.collect();
        let decided = decided.expect("small worlds stay in memory");
        let mut held = 0;
        for (&(lane, incarnation), &end) in &durable.held {
            held |= self.batches(lane, incarnation, Sequence(0), end);
        }
        Shows {
            syncing: node.disk.is_syncing(),
            can_tick: node.can_tick(),
            leads: node.leads(),
            at_risk: u8::try_from(node.disk.at_risk()).expect("few records are at risk"),
            last: status.last,
            decided: decided.iter().map(|value| self.value(value)).collect(),
            hashes: node.hashes.clone(),
            adopted: if durable.is_adopted {
                durable.adopted
            } else {
                Ballot::default()
            },
            log: durable.log.iter().map(|value| self.value(value)).collect(),
            held,
        }
    }

    /// The number of a value.
    fn value(&mut self, value: &Value) -> u32 {
        let hash = of_text(&format!("{value:?}"), &Reading::default());
        let (number, new) = self.value_hashes.insert(hash);
        if new {
            self.values.push(value.clone());
        }
        number
    }

    /// The bits of the batches of one incarnation behind `from`, up to `to`.
    pub(super) fn batches(
        &mut self,
        lane: ReplicaId,
        incarnation: Incarnation,
        from: Sequence,
        to: Sequence,
    ) -> u64 {
        let mut bits = 0;
        for sequence in from.0 + 1..=to.0 {
            let batch = (lane, Position::new(incarnation.0, sequence));
            let known = self.batches.iter().position(|known| *known == batch);
            let at = known.unwrap_or(self.batches.len());
            if at == self.batches.len() {
                self.batches.push(batch);
            }
            assert!(at < 64, "a small world has few batches");
            bits |= 1 << at;
        }
        bits
    }

    /// The batches with these bits, for people.
    pub(super) fn name_batches(&self, bits: u64) -> String {
        let named = self.batches.iter().enumerate();
        let named = named.filter(|(at, _)| bits >> at & 1 == 1);
        let names: Vec<String> = named
            .map(|(_, (lane, position))| format!("{lane}:{position}"))
            .collect();
        names.join(" ")
    }
}

/// Fields of a replica that decide nothing in such a world.
fn irrelevant_fields(world: &World) -> Vec<&'static str> {
    let lost = |name| world.undelivered.contains(&name);
    // Whose turn it is to fetch first matters only if a peer must read its log.
    let mut fields = vec!["turn"];
    if lost("FetchBatches") && lost("FetchSlots") {
        fields.extend(["fetcher", "may_ask"]);
    }
    if lost("Acks") {
        // Whom the acks are owed.
        fields.push("announced");
    }
    if world.modes.dissemination == Dissemination::All {
        // Whom one hears matters to those who forward requests.
        fields.push("leader");
    }
    if world.beats == 0 {
        fields.push("vote_at_beat");
        if lost("Heartbeat") && world.crashes == 0 {
            // Whether the log on disk is told how far it is decided, with the next heartbeat.
            fields.push("recorded_decided");
        }
    }
    fields
}
