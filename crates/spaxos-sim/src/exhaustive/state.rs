//! A state of a small world as a few numbers, and the events that lead from one to the next.

use spaxos_core::types::ReplicaId;

use super::World;
use super::node::MEMBERS;
use super::tables::{Letter, Step, Tables};
use crate::trace;
use crate::violation::Checked;

/// A state of the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    /// The members in their states, by number.
    pub(super) members: [u32; MEMBERS],
    /// What may still happen.
    pub(super) left: Left,
    /// What was ever decided and executed, by number.
    pub(super) history: u32,
    /// The messages on their way, by number, sorted.
    pub(super) flight: Vec<u32>,
}

/// How often what is rationed may still happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) elections: u8,
    pub(super) step_downs: u8,
    pub(super) crashes: u8,
    pub(super) ticks: u8,
    pub(super) beats: u8,
    /// The requests that have not come in, a bit for each.
    pub(super) requests: u8,
    /// The same for reads.
    pub(super) reads: u8,
}

/// Something that happens in the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A message, by number, reaches its receiver.
    Deliver(u32),
    /// Two messages reach their receiver one right after the other.
    DeliverBoth(u32, u32),
    /// The rest happens to one member.
    Sync(u8),
    Restart(u8, u8),
    Submit(u8, u8),
    Read(u8, u8),
    TimeOut(u8),
    Tick(u8),
    Beat(u8),
}

impl Left {
    pub(super) fn of(world: &World) -> Left {
        let all = |clients: &[u8]| {
            let bits = (1_u16 << clients.len()) - 1;
            u8::try_from(bits).expect("at most eight requests, and reads")
        };
        Left {
            elections: world.elections,
            step_downs: world.step_downs,
            crashes: world.crashes,
            ticks: world.ticks,
            beats: world.beats,
            requests: all(&world.requests),
            reads: all(&world.reads),
        }
    }
}

impl State {
    /// The state as numbers, for keeping and hashing.
    pub(super) fn pack(&self) -> Box<[u32]> {
        let left = &self.left;
        let low = [left.elections, left.step_downs, left.crashes, left.requests];
        let high = [left.ticks, left.beats, left.reads, 0];
        let mut packed = Vec::with_capacity(MEMBERS + 3 + self.flight.len());
        packed.extend(self.members);
        packed.extend([
            u32::from_le_bytes(low),
            u32::from_le_bytes(high),
            self.history,
        ]);
        packed.extend(&self.flight);
        packed.into_boxed_slice()
    }

    /// The reverse of [`State::pack`].
    pub(super) fn unpack(packed: &[u32]) -> State {
        let (head, flight) = packed.split_at(MEMBERS + 3);
        let [elections, step_downs, crashes, requests] = head[MEMBERS].to_le_bytes();
        let [ticks, beats, reads, _] = head[MEMBERS + 1].to_le_bytes();
        State {
            members: head[..MEMBERS].try_into().expect("as it was packed"),
            left: Left {
                elections,
                step_downs,
                crashes,
                ticks,
                beats,
                requests,
                reads,
            },
            history: head[MEMBERS + 2],
            flight: flight.to_vec(),
        }
    }

    /// All deliveries that may happen now. What would only be remembered comes together with what
    /// makes it count.
    fn deliveries(&self, tables: &mut Tables) -> Vec<Event> {
        let mut events = Vec::with_capacity(self.flight.len() + 8);
        let mut remembered: Vec<(u32, u32)> = Vec::new();
        for &letter in &self.flight {
            let to = index(tables.letters[letter as usize].to);
            let member = self.members[usize::from(to)];
            if !tables.is_only_remembered(member, letter) {
                events.push(Event::Deliver(letter));
                continue;
            }
            let before = remembered
                .iter()
                .filter(|(receiver, _)| *receiver == member);
            for &(_, first) in before {
                if tables.do_together(member, first, letter) {
                    events.push(Event::DeliverBoth(first, letter));
                }
            }
            remembered.push((member, letter));
        }
        events
    }

    /// All events that may happen now.
    pub(super) fn events(&self, world: &World, tables: &mut Tables) -> Vec<Event> {
        let mut events = self.deliveries(tables);
        for at in 0..MEMBERS as u8 {
            let member = &tables.members[self.members[usize::from(at)] as usize];
            let shows = &member.shows;
            if shows.syncing {
                events.push(Event::Sync(at));
            }
            if shows.can_tick && self.left.ticks > 0 {
                events.push(Event::Tick(at));
            }
            if shows.leads && self.left.beats > 0 {
                events.push(Event::Beat(at));
            }
            let rest = match shows.leads {
                true => self.left.step_downs,
                false => self.left.elections,
            };
            if rest > 0 && world.may_time_out.contains(&(at + 1)) {
                events.push(Event::TimeOut(at));
            }
            if self.left.crashes > 0 && world.may_crash.contains(&(at + 1)) {
                let points = tables.crash_points(&member.node);
                events.extend(points.map(|kept| Event::Restart(at, kept)));
            }
        }
        for (request, &member) in (0..).zip(&world.requests) {
            if self.left.requests >> request & 1 == 1 {
                events.push(Event::Submit(member - 1, request));
            }
        }
        for (read, &member) in (0..).zip(&world.reads) {
            if self.left.reads >> read & 1 == 1 {
                events.push(Event::Read(member - 1, read));
            }
        }
        events
    }

    /// The state after `event`, when `decided` slots are decided; `None` if it is this one again, or this one with fewer messages:
    /// whatever can happen then can happen now.
    pub(super) fn after(
        &self,
        event: Event,
        decided: u8,
        world: &World,
        tables: &mut Tables,
    ) -> Checked<Option<State>> {
        let mut next = self.clone();
        match event {
            Event::Deliver(letter) => next.deliver(letter, world, tables)?,
            Event::DeliverBoth(first, second) => {
                next.deliver(first, world, tables)?;
                next.deliver(second, world, tables)?;
            }
            Event::Sync(at) => next.take(at, Step::Sync, tables)?,
            Event::Restart(at, kept) => {
                next.left.crashes -= 1;
                if world.greetings {
                    next.flight
                        .retain(|&letter| index(tables.letters[letter as usize].to) != at);
                }
                next.take(at, Step::Restart(kept), tables)?;
                if world.greetings {
                    next.greet(at, tables)?;
                }
            }
            Event::Submit(at, request) => {
                next.left.requests &= !(1 << request);
                next.take(at, Step::Submit(request), tables)?;
            }
            Event::Read(at, read) => {
                next.left.reads &= !(1 << read);
                next.take(at, Step::Read(decided), tables)?;
            }
            Event::TimeOut(at) => {
                let leads = tables.members[next.members[usize::from(at)] as usize]
                    .shows
                    .leads;
                match leads {
                    true => next.left.step_downs -= 1,
                    false => next.left.elections -= 1,
                }
                next.take(at, Step::TimeOut, tables)?;
            }
            Event::Tick(at) => {
                next.left.ticks -= 1;
                next.take(at, Step::Tick, tables)?;
            }
            Event::Beat(at) => {
                next.left.beats -= 1;
                next.take(at, Step::Beat, tables)?;
            }
        }
        let fewer = || {
            next.flight
                .iter()
                .all(|letter| self.flight.binary_search(letter).is_ok())
        };
        Ok((next.members != self.members || !fewer()).then_some(next))
    }

    fn deliver(&mut self, letter: u32, world: &World, tables: &mut Tables) -> Checked {
        if !world.duplicates {
            self.flight.retain(|known| *known != letter);
        }
        let at = index(tables.letters[letter as usize].to);
        self.take(at, Step::Deliver(letter), tables)
    }

    /// One member takes a step; what it sends is on its way.
    pub(super) fn take(&mut self, at: u8, step: Step, tables: &mut Tables) -> Checked {
        let member = &mut self.members[usize::from(at)];
        tables.note(at, step);
        let moved = tables.apply(*member, step)?;
        *member = moved.node;
        for &letter in &moved.sent {
            if let Err(place) = self.flight.binary_search(&letter) {
                self.flight.insert(place, letter);
            }
        }
        let members = self.members;
        self.flight.retain(|&letter| {
            let to = index(tables.letters[letter as usize].to);
            let known = to != at && !moved.sent.contains(&letter);
            known || !tables.is_useless(members[usize::from(to)], letter)
        });
        Ok(())
    }

    /// The connections between a member and its peers stand anew.
    pub(super) fn greet(&mut self, at: u8, tables: &mut Tables) -> Checked {
        for peer in (0..MEMBERS as u8).filter(|peer| *peer != at) {
            let [to_peer, to_member] = [
                greeting(self, at, peer, tables),
                greeting(self, peer, at, tables),
            ];
            self.take(peer, to_peer, tables)?;
            self.take(at, to_member, tables)?;
        }
        Ok(())
    }
}

/// What `from` says to `to` when they connect.
fn greeting(state: &State, from: u8, to: u8, tables: &Tables) -> Step {
    let node = &tables.members[state.members[usize::from(from)] as usize].node;
    let small = |number: u64| u8::try_from(number).expect("few lives");
    Step::Greet {
        peer: from + 1,
        incarnation: small(node.incarnation().0),
        known: small(node.knows(ReplicaId(u64::from(to) + 1)).0),
    }
}

/// Where a member stands among all.
pub(super) fn index(member: ReplicaId) -> u8 {
    u8::try_from(member.0 - 1).expect("few members")
}

fn describe(letter: &Letter) -> String {
    let Letter { from, to, message } = letter;
    format!("r{to} gets from r{from}: {}", trace::message(message))
}

impl Event {
    /// The event as one number, for keeping.
    pub(super) fn pack(self) -> u32 {
        let (kind, at, argument) = match self {
            Event::Deliver(letter) => return letter,
            Event::DeliverBoth(first, second) => {
                assert!(second < 1 << 14, "a small world has few messages");
                return 7 << 28 | first << 14 | second;
            }
            Event::Sync(at) => (1, at, 0),
            Event::Restart(at, kept) => (2, at, kept),
            Event::Submit(at, request) => (3, at, request),
            Event::Read(at, read) => (3, at, 128 + read),
            Event::TimeOut(at) => (4, at, 0),
            Event::Tick(at) => (5, at, 0),
            Event::Beat(at) => (6, at, 0),
        };
        kind << 28 | u32::from(at) << 8 | u32::from(argument)
    }

    /// The reverse of [`Event::pack`].
    pub(super) fn unpack(packed: u32) -> Event {
        let [argument, at, ..] = packed.to_le_bytes();
        match packed >> 28 {
            0 => Event::Deliver(packed),
            1 => Event::Sync(at),
            2 => Event::Restart(at, argument),
            3 if argument >= 128 => Event::Read(at, argument - 128),
            3 => Event::Submit(at, argument),
            4 => Event::TimeOut(at),
            5 => Event::Tick(at),
            6 => Event::Beat(at),
            _ => Event::DeliverBoth(packed >> 14 & 0x3fff, packed & 0x3fff),
        }
    }

    /// The event in words.
    pub(super) fn describe(self, tables: &Tables) -> String {
        match self {
            Event::Deliver(letter) => describe(&tables.letters[letter as usize]),
            Event::DeliverBoth(first, second) => {
                let both = [first, second].map(|letter| describe(&tables.letters[letter as usize]));
                both.join("; then ")
            }
            Event::Sync(at) => format!("r{} finishes a sync", at + 1),
            Event::Restart(at, kept) => {
                format!(
                    "r{} dies, {kept} records at risk survive, and starts",
                    at + 1
                )
            }
            Event::Submit(at, request) => format!("r{} gets request {request}", at + 1),
            Event::Read(at, _) => format!("r{} gets a read", at + 1),
            Event::TimeOut(at) => format!("r{} has heard nothing for long", at + 1),
            Event::Tick(at) => format!("r{} fetches what is missing", at + 1),
            Event::Beat(at) => format!("r{} sends heartbeats", at + 1),
        }
    }
}
