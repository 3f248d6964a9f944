//! The liveness phase: a random majority is healed, what befell the others stays, and everything that
//! the majority's clients ask for has to be answered in bounded time.

use spaxos_core::config::Dissemination;
use spaxos_core::types::{Ballot, Slot};

use super::World;
use crate::checkers::progress::{self, Standing};
use crate::event::Event;
use crate::faults::pairs;
use crate::history::What;
use crate::keyvalue::KEYS;
use crate::network::CutKind;
use crate::violation::Checked;

/// The majority that is healed, and until when it has to be done.
#[derive(Debug)]
pub(super) struct Healing {
    /// The healed replicas.
    core: Vec<usize>,
    /// Those of them that reach a majority: clients ask these.
    pub(super) served: Vec<usize>,
    /// Whether it is watched for a while once all is answered. Possible only if nobody outside is
    /// heard by them: then nothing is asked for any more.
    watched: bool,
    began_ns: u64,
    deadline_ns: u64,
    /// When everything was done.
    done_ns: Option<u64>,
    /// How things stood a while later: from then on nothing may move.
    quiet: Option<Quiet>,
}

/// The state of a healed majority that has nothing left to do.
#[derive(Clone, Debug)]
struct Quiet {
    decided: Slot,
    promised: Vec<Ballot>,
}

/// What becomes of a replica that is not healed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It is down for good.
    Buried,
    /// Nothing comes in or goes out.
    Isolated,
    /// It speaks and does not hear.
    Deaf,
    /// It hears and cannot speak.
    Mute,
    /// Some links work.
    Flawed,
}

impl Fate {
    /// Whether nobody hears of this replica any more.
    fn is_silent(self) -> bool {
        matches!(self, Fate::Buried | Fate::Isolated | Fate::Mute)
    }
}

/// How often the healed majority is connected only in part, with one member that reaches all.
const HUB_PPM: u32 = 200_000;

/// How often a healed majority is watched that could be.
const WATCHED_PPM: u32 = 400_000;
/// In election timeouts: how long a cluster with nothing to do may still elect a leader, and order
/// what was asked of members that reach no majority.
const SETTLE_ELECTIONS: u64 = 10;
/// In election timeouts: how long it is watched after that.
const QUIET_ELECTIONS: u64 = 6;

/// In election timeouts: how long the healed majority has, besides catching up.
const ELECTIONS_MAX: u64 = 200;

impl World {
    pub(super) fn on_begin_liveness(&mut self) -> Checked {
        if self.checkers.expects_forks() {
            self.finished = true;
            return Ok(());
        }
        let replicas = self.processes.len();
        let (core, others) = self.choose_core();
        let fates = self.draw_fates(&others);
        let mut cut = self.draw_inner_cut(&core);
        let served = reach_majority(&core, &cut, replicas);
        cut.extend(self.draw_outer_cut(&fates));
        self.trace.remark(self.now_ns, || {
            format!("liveness phase: {core:?} are healed, others are {fates:?}, cut are {cut:?}")
        });
        self.swarm.calm();
        self.clients.shape = self.swarm.clients;
        self.network.reshape(self.swarm.network);
        for process in &mut self.processes {
            process.slow_disk_ns = 0;
            process.log.heal();
        }
        let silent = fates.iter().all(|(_, fate)| fate.is_silent());
        let election_ns = self.swarm.timing.election_ns;
        let catching_up = (self.checkers.decided().0 + 100) * election_ns / 4;
        self.healing = Some(Healing {
            core: core.clone(),
            served,
            watched: silent && self.chance.faults.chance(WATCHED_PPM),
            began_ns: self.now_ns,
            done_ns: None,
            quiet: None,
            deadline_ns: self.now_ns + ELECTIONS_MAX * election_ns + catching_up,
        });
        self.clients.forget_answers();
        self.partition(&cut, CutKind::Drop);
        self.bury(&fates)?;
        for replica in core {
            self.heal(replica)?;
        }
        self.schedule_clients();
        self.queue
            .schedule(self.now_ns + election_ns, Event::Inspect);
        Ok(())
    }

    fn draw_fates(&mut self, others: &[usize]) -> Vec<(usize, Fate)> {
        let all = [
            Fate::Buried,
            Fate::Buried,
            Fate::Isolated,
            Fate::Deaf,
            Fate::Mute,
            Fate::Flawed,
        ];
        let possible = if self.relays() { &all[..] } else { &all[..5] };
        let faults = &mut self.chance.faults;
        others
            .iter()
            .map(|at| (*at, faults.pick(possible)))
            .collect()
    }

    /// Whether a replica that does not reach the leader serves its clients through others. Where it
    /// forwards requests to the leader, it cannot.
    fn relays(&self) -> bool {
        self.swarm.modes.dissemination == Dissemination::All
    }

    /// A random majority of those that have their memory, and all others.
    fn choose_core(&mut self) -> (Vec<usize>, Vec<usize>) {
        let replicas = self.processes.len();
        let mut order: Vec<usize> = (0..replicas).collect();
        self.chance.faults.shuffle(&mut order);
        let whole = |at: &usize| !self.checkers.is_lost(*at);
        let (mut core, mut others): (Vec<usize>, Vec<usize>) = order.into_iter().partition(whole);
        let least = replicas / 2 + 1;
        let healed = least + self.chance.faults.index(core.len() - least + 1);
        others.extend(core.split_off(healed));
        (core, others)
    }

    /// The links between healed replicas that stay cut, in both directions: now and then some, but
    /// none of the last one's.
    fn draw_inner_cut(&mut self, core: &[usize]) -> Vec<(usize, usize)> {
        let Some((_, spokes)) = core.split_last() else {
            return Vec::new();
        };
        let mut cut = Vec::new();
        if !self.relays() || !self.chance.faults.chance(HUB_PPM) {
            return cut;
        }
        self.figures.count("majority connected in part");
        for (at, one) in spokes.iter().enumerate() {
            for other in &spokes[at + 1..] {
                if self.chance.faults.chance(700_000) {
                    cut.extend([(*one, *other), (*other, *one)]);
                }
            }
        }
        cut
    }

    /// The links that stay cut because of what befell replicas outside the majority.
    fn draw_outer_cut(&mut self, fates: &[(usize, Fate)]) -> Vec<(usize, usize)> {
        let fate_of = |replica: usize| {
            let found = fates.iter().find(|fate| fate.0 == replica);
            found.map(|fate| fate.1)
        };
        let mut cut = Vec::new();
        for (from, to) in pairs(self.processes.len()) {
            let is_cut = match (fate_of(from), fate_of(to)) {
                (Some(Fate::Isolated | Fate::Mute), _) => true,
                (_, Some(Fate::Isolated | Fate::Deaf)) => true,
                (Some(Fate::Flawed), _) | (_, Some(Fate::Flawed)) => self.chance.faults.coin(),
                _ => false,
            };
            if is_cut {
                cut.push((from, to));
            }
        }
        cut
    }

    fn bury(&mut self, fates: &[(usize, Fate)]) -> Checked {
        for (replica, fate) in fates {
            if *fate == Fate::Buried {
                self.processes[*replica].buried = true;
                if !self.processes[*replica].is_down() {
                    self.crash(*replica, true)?;
                }
            }
        }
        Ok(())
    }

    /// A replica of the healed majority runs and goes on running.
    fn heal(&mut self, replica: usize) -> Checked {
        if self.processes[replica].is_down() {
            return self.on_restart(replica);
        }
        let boot = self.processes[replica].boot;
        if let Some(running) = self.processes[replica].running_mut() {
            running.dies_in = None;
        }
        self.on_resume(replica, boot)
    }

    /// Is everything answered, and does everybody agree? Then the run is over.
    pub(super) fn on_inspect(&mut self) -> Checked {
        let Some(healing) = &self.healing else {
            return Ok(());
        };
        let unhappy = (0..self.swarm.clients.clients).find(|at| !self.clients.is_content(*at));
        let standings: Vec<Standing<'_>> = healing
            .core
            .iter()
            .map(|&at| Standing::of(at, healing.served.contains(&at), &self.processes[at]))
            .collect();
        let waiting = progress::waits_for(unhappy, &standings, self.checkers.decided());
        let done = waiting.is_none();
        if let Some(what) = waiting.filter(|_| self.now_ns >= healing.deadline_ns) {
            for standing in &standings {
                self.trace.remark(self.now_ns, || format!("{standing}"));
            }
            return Err(progress::stuck(&what));
        }
        let promised = standings.iter().map(Standing::promised).collect();
        self.watch_quiet(done, promised)?;
        let at_ns = self.now_ns + self.swarm.timing.election_ns / 4;
        self.queue.schedule(at_ns, Event::Inspect);
        Ok(())
    }

    /// Once all is done, the cluster must stay as it is for a while: no slot is ordered for nothing,
    /// no ballot is raised for nothing.
    fn watch_quiet(&mut self, done: bool, promised: Vec<Ballot>) -> Checked {
        let election_ns = self.swarm.timing.election_ns;
        let decided = self.checkers.decided();
        let Some(healing) = &mut self.healing else {
            return Ok(());
        };
        let Some(done_ns) = healing.done_ns else {
            if done {
                let elections = (self.now_ns - healing.began_ns) / election_ns;
                self.figures.count(within(elections));
                healing.done_ns = Some(self.now_ns);
                self.finished = !healing.watched;
            }
            return Ok(());
        };
        if !done && healing.quiet.is_none() {
            // A member that reaches no majority had something left.
            healing.done_ns = None;
            return Ok(());
        }
        let settled_ns = done_ns + SETTLE_ELECTIONS * election_ns;
        if self.now_ns < settled_ns {
            return Ok(());
        }
        if healing.quiet.is_none() {
            healing.quiet = Some(Quiet { decided, promised });
            if self.swarm.network.last_loss_ppm > 0 {
                self.ask_once_more();
            }
            return Ok(());
        }
        self.check_quiet(done, decided, &promised, settled_ns)
    }

    /// Where messages get lost, clients ask once more: what is lost has to be sent again in time, and
    /// is no reason for another leader.
    fn ask_once_more(&mut self) {
        self.clients.forget_answers();
        let election_ns = self.swarm.timing.election_ns;
        if let Some(healing) = &mut self.healing {
            healing.deadline_ns = self.now_ns + ELECTIONS_MAX * election_ns;
        }
        self.schedule_clients();
    }

    fn schedule_clients(&mut self) {
        let election_ns = self.swarm.timing.election_ns;
        for client in 0..self.swarm.clients.clients {
            let at_ns = self.now_ns + election_ns * client as u64 / 8;
            self.queue.schedule(at_ns, Event::Client { client });
        }
    }

    fn check_quiet(
        &mut self,
        done: bool,
        decided: Slot,
        promised: &[Ballot],
        settled_ns: u64,
    ) -> Checked {
        let Some(quiet) = self.healing.as_ref().and_then(|it| it.quiet.as_ref()) else {
            return Ok(());
        };
        progress::stays_led(&quiet.promised, promised)?;
        if self.swarm.network.last_loss_ppm > 0 {
            self.finished = done;
            return Ok(());
        }
        let end_ns = settled_ns + QUIET_ELECTIONS * self.swarm.timing.election_ns;
        self.finished = self.now_ns >= end_ns;
        progress::stays_quiet(quiet.decided, decided, done)
    }

    /// After the last event: every acknowledged command is in the state of the healed majority.
    pub(super) fn check_end(&self) -> Checked {
        let core = self.healing.iter().flat_map(|healing| &healing.core);
        for &replica in core {
            if let Some(running) = self.processes[replica].running() {
                progress::keeps_all(replica, &running.machine, self.checkers.acknowledged())?;
            }
        }
        Ok(())
    }

    /// What clients of the key-value store saw, the last state of the healed majority included, is what
    /// a store promises.
    pub(super) fn check_journal(&mut self) -> Checked {
        let Some(healing) = &self.healing else {
            return Ok(());
        };
        for &replica in &healing.core {
            let Some(running) = self.processes[replica].running() else {
                continue;
            };
            for key in 0..KEYS {
                if let Some(answer) = running.machine.read(key)? {
                    self.journal
                        .on_read_at_once(replica, key, What::Get, &answer, self.now_ns);
                }
            }
        }
        let operations = self.journal.check()?;
        self.figures
            .add("operation on keys checked", operations as u64);
        Ok(())
    }
}

/// The name under which it is counted how long a healed majority took.
fn within(elections: u64) -> &'static str {
    match elections {
        0..4 => "healed within   4 election timeouts",
        4..8 => "healed within   8 election timeouts",
        8..16 => "healed within  16 election timeouts",
        16..32 => "healed within  32 election timeouts",
        32..64 => "healed within  64 election timeouts",
        _ => "healed after more election timeouts",
    }
}

/// The healed replicas that reach a majority over links that work in both directions.
fn reach_majority(core: &[usize], cut: &[(usize, usize)], replicas: usize) -> Vec<usize> {
    let reaches = |one: usize| {
        let whole = |other: &&usize| !cut.contains(&(one, **other));
        core.iter().filter(whole).count() > replicas / 2
    };
    core.iter().copied().filter(|one| reaches(*one)).collect()
}
