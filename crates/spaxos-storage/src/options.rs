//! Every limit of this crate, and how durable a commit is.

use crate::disk::BLOCK_BYTES;

/// What a commit waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Synced to the disk. The only value for production.
    #[default]
    Fsync,
    /// Written to the system, which survives the process and not the machine.
    Os,
    /// Kept in this process' memory. Every start is a new member.
    Memory,
}

/// How a log is set up. All sizes are in bytes.
#[derive(Clone, Copy, Debug)]
pub struct LogOptions {
    /// What a commit waits for.
    pub durability: Durability,
    /// The length of a segment's file.
    pub segment_bytes: u64,
    /// The longest record, encoded.
    pub record_bytes_max: usize,
    /// Appended records wait in memory for the next commit up to this much; more are written early.
    pub pending_bytes_max: usize,
    /// The most that one call of [`crate::Log::prepare`] writes.
    pub prepare_bytes_max: usize,
    /// How far ahead of the log's end [`crate::Log::prepare`] writes.
    pub ahead_bytes_max: u64,
    /// Files kept for use as segments once more.
    pub spares_max: usize,
    /// How much is read from a file at once.
    pub read_bytes: usize,
    /// The index knows about the log in stretches of at least this length.
    pub stretch_bytes: u64,
    /// The most stretches; beyond it they are made twice as long.
    pub stretches_max: usize,
    /// The most lanes and incarnations that the index knows; the oldest ones are forgotten first.
    pub lanes_max: usize,
    /// The most that one query reads, except to find its first answer.
    pub query_read_bytes_max: u64,
    /// The most slots that one query answers.
    pub query_slots_max: u64,
    /// What durability `memory` keeps for reading back.
    pub memory_bytes_max: u64,
}

impl Default for LogOptions {
    fn default() -> Self {
        LogOptions {
            durability: Durability::Fsync,
            segment_bytes: 64 << 20,
            record_bytes_max: 16 << 20,
            pending_bytes_max: 4 << 20,
            prepare_bytes_max: 256 << 10,
            ahead_bytes_max: 16 << 20,
            spares_max: 2,
            read_bytes: 1 << 20,
            stretch_bytes: 256 << 10,
            stretches_max: 1 << 14,
            lanes_max: 1 << 16,
            query_read_bytes_max: 64 << 20,
            query_slots_max: 1024,
            memory_bytes_max: 64 << 20,
        }
    }
}

/// The longest segment: positions inside one fit into 32 bits, with room to spare.
const SEGMENT_BYTES_MAX: u64 = 1 << 30;

impl LogOptions {
    /// Checks the relations between the limits.
    ///
    /// # Errors
    /// A sentence about the first one that does not hold.
    pub fn check(&self) -> Result<(), &'static str> {
        let block = BLOCK_BYTES as u64;
        if !self.segment_bytes.is_multiple_of(block) || self.segment_bytes > SEGMENT_BYTES_MAX {
            return Err("segment_bytes is a multiple of a block and at most 1 GiB");
        }
        // The segment's header, its opening record, the rest of a block, and the block of the seal.
        if self.segment_bytes < self.record_bytes_max as u64 + 4 * block {
            return Err("a segment must have room for the longest record and four blocks");
        }
        if self.record_bytes_max == 0 || self.pending_bytes_max == 0 {
            return Err("record_bytes_max and pending_bytes_max are positive");
        }
        let blocks = [self.prepare_bytes_max, self.read_bytes];
        if blocks.iter().any(|b| *b == 0 || b % BLOCK_BYTES != 0) {
            return Err("prepare_bytes_max and read_bytes are positive multiples of a block");
        }
        if self.stretch_bytes == 0 || self.stretches_max < 2 || self.lanes_max == 0 {
            return Err("the index needs room for two stretches and one lane");
        }
        if self.query_slots_max == 0 {
            return Err("query_slots_max is positive");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_fit_together() {
        assert_eq!(LogOptions::default().check(), Ok(()));
    }

    #[test]
    fn each_relation_is_checked() {
        let wrong: [fn(&mut LogOptions); 7] = [
            |o| o.segment_bytes += 1,
            |o| o.segment_bytes = 2 << 30,
            |o| o.record_bytes_max = 64 << 20,
            |o| o.pending_bytes_max = 0,
            |o| o.read_bytes = 100,
            |o| o.stretches_max = 1,
            |o| o.query_slots_max = 0,
        ];
        for change in wrong {
            let mut options = LogOptions::default();
            change(&mut options);
            assert!(options.check().is_err(), "{options:?}");
        }
    }
}
