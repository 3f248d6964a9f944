//! Which lives and disks of the other members this node has heard of.

use parking_lot::Mutex;
use spaxos_core::record::Life;
use spaxos_core::types::{LaneMap, ReplicaId};

/// This node's life, and the latest known ones of the others: all that greetings are judged by. The
/// lives come from the log, the disks from this process' greetings.
#[derive(Debug)]
pub(crate) struct Lives {
    own: Life,
    known: Mutex<LaneMap<Known>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Known {
    life: Life,
    /// 0 while unknown.
    disk_id: u64,
}

/// Why a member's greeting is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stale {
    /// A later life is known, or another one with the same number.
    Life(Life),
    /// Another disk is known.
    Disk(u64),
}

impl Lives {
    /// Knows the given lives of others.
    pub(crate) fn new(own: Life, others: impl Iterator<Item = (ReplicaId, Life)>) -> Lives {
        let mut known = LaneMap::default();
        for (member, life) in others {
            known.insert(member, Known { life, disk_id: 0 });
        }
        Lives {
            own,
            known: Mutex::new(known),
        }
    }

    /// This node's present life.
    pub(crate) const fn own(&self) -> Life {
        self.own
    }

    /// The latest known life of `member`; zero if none is.
    pub(crate) fn known(&self, member: ReplicaId) -> Life {
        let known = self.known.lock();
        known
            .get(member)
            .map_or(Life::default(), |known| known.life)
    }

    /// The core has recorded a life of `member`.
    pub(crate) fn learn(&self, member: ReplicaId, life: Life) {
        let mut known = self.known.lock();
        match known.get_mut(member) {
            Some(known) if known.life.incarnation < life.incarnation => known.life = life,
            Some(_) => {}
            None => known.insert(member, Known { life, disk_id: 0 }),
        }
    }

    /// Judges what `member` says of itself. Its life is remembered by the core once it sends messages,
    /// not here: until then it must be told of the one that was known before.
    pub(crate) fn check(&self, member: ReplicaId, life: Life, disk_id: u64) -> Result<(), Stale> {
        let mut lives = self.known.lock();
        let known = lives.get(member).copied().unwrap_or_default();
        let same = known.life.incarnation == life.incarnation;
        if life.incarnation < known.life.incarnation || (same && life != known.life) {
            return Err(Stale::Life(known.life));
        }
        if known.disk_id != 0 && known.disk_id != disk_id {
            return Err(Stale::Disk(known.disk_id));
        }
        let life = known.life;
        lives.insert(member, Known { life, disk_id });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use spaxos_core::types::Incarnation;

    use super::*;

    fn life(incarnation: u64, nonce: u64) -> Life {
        Life {
            incarnation: Incarnation(incarnation),
            nonce,
        }
    }

    #[test]
    fn a_member_may_only_become_older() {
        let lives = Lives::new(life(1, 1), [(ReplicaId(2), life(4, 44))].into_iter());
        let check = |life, disk| lives.check(ReplicaId(2), life, disk);
        assert_eq!(check(life(3, 33), 9), Err(Stale::Life(life(4, 44))));
        assert_eq!(check(life(4, 45), 9), Err(Stale::Life(life(4, 44))));
        assert_eq!(check(life(4, 44), 9), Ok(()), "again");
        assert_eq!(check(life(5, 55), 8), Err(Stale::Disk(9)));
        assert_eq!(check(life(5, 55), 9), Ok(()));
        assert_eq!(
            lives.known(ReplicaId(2)),
            life(4, 44),
            "it is told what was known"
        );
        lives.learn(ReplicaId(2), life(5, 55));
        assert_eq!(lives.known(ReplicaId(2)), life(5, 55));
        assert_eq!(lives.known(ReplicaId(3)), Life::default());
    }
}
