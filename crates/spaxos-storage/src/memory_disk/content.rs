//! The bytes of one file: what readers see, what the disk surely has, and what is on its way.

use std::collections::BTreeSet;

use crate::disk::BLOCK_BYTES;

const SECTOR_BYTES: usize = 512;

#[derive(Clone, Default)]
pub(super) struct Content {
    /// What readers see.
    pub(super) current: Vec<u8>,
    /// What the disk surely has.
    pub(super) durable: Vec<u8>,
    /// Blocks on their way.
    dirty: BTreeSet<usize>,
    /// Whether readers may see what the disk does not have.
    differs: bool,
    /// Whether something of that is not even on its way: a sync failed.
    forgotten: bool,
}

impl Content {
    /// That many zeros, on the disk.
    pub(super) fn zeros(bytes: usize) -> Content {
        Content {
            current: vec![0; bytes],
            durable: vec![0; bytes],
            ..Content::default()
        }
    }

    /// These bytes, on the disk.
    pub(super) fn durable(bytes: Vec<u8>) -> Content {
        Content {
            current: bytes.clone(),
            durable: bytes,
            ..Content::default()
        }
    }

    /// A sync failed: what was on its way is shown, and never written.
    pub(super) fn forget_writes(&mut self) {
        self.dirty.clear();
        self.forgotten = self.differs;
    }

    pub(super) fn write(&mut self, offset: usize, data: &[u8]) {
        self.differs = true;
        let end = offset + data.len();
        if self.current.len() < end {
            self.current.resize(end, 0);
        }
        self.current[offset..end].copy_from_slice(data);
        self.dirty
            .extend(offset / BLOCK_BYTES..end.div_ceil(BLOCK_BYTES));
    }

    pub(super) fn sync(&mut self) {
        self.durable.resize(self.current.len(), 0);
        for block in std::mem::take(&mut self.dirty) {
            let range = self.block(block);
            self.durable[range.clone()].copy_from_slice(&self.current[range]);
        }
        self.differs = self.forgotten;
    }

    fn block(&self, block: usize) -> std::ops::Range<usize> {
        let start = (block * BLOCK_BYTES).min(self.current.len());
        start..(start + BLOCK_BYTES).min(self.current.len())
    }

    pub(super) fn crash(&mut self, mode: u64, draw: &mut Draw) {
        if !self.differs {
            return;
        }
        let keep_length = match mode {
            0 => false,
            1 => true,
            _ => draw.below(2) == 0,
        };
        if keep_length && self.durable.len() != self.current.len() {
            self.durable.resize(self.current.len(), 0);
        }
        for block in std::mem::take(&mut self.dirty) {
            let range = self.block(block);
            if range.end > self.durable.len() {
                continue;
            }
            let (old, new) = (&mut self.durable[range.clone()], &self.current[range]);
            match (mode, draw.below(4)) {
                (0, _) | (2, 0 | 1) | (3, 0) => {}
                (1, _) | (2, _) | (3, 1) => old.copy_from_slice(new),
                (_, 2) => {
                    let sectors = old.chunks_mut(SECTOR_BYTES).zip(new.chunks(SECTOR_BYTES));
                    for (old, new) in sectors {
                        if draw.below(2) == 0 {
                            old.copy_from_slice(new);
                        }
                    }
                }
                _ => old.fill_with(|| draw.next().to_le_bytes()[0]),
            }
        }
        self.current.clone_from(&self.durable);
        self.differs = false;
        self.forgotten = false;
    }

    /// Reads what the disk has, and where something is on its way to it, that: `start` is a multiple of a
    /// block, and all of `buffer` lies in the file.
    pub(super) fn read_uncached(&self, start: usize, buffer: &mut [u8]) {
        for (block, part) in (start / BLOCK_BYTES..).zip(buffer.chunks_mut(BLOCK_BYTES)) {
            let range = block * BLOCK_BYTES..block * BLOCK_BYTES + part.len();
            let known = !self.dirty.contains(&block) && self.durable.len() >= range.end;
            let source = if known { &self.durable } else { &self.current };
            part.copy_from_slice(&source[range]);
        }
    }
}

/// Splitmix64: a few well-mixed numbers from a seed.
pub(super) struct Draw(pub(super) u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}
