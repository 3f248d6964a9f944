//! Bytes as a source of decisions: what a target chooses, it takes from the front of its input.

/// Input that is used up decision by decision. An empty one decides for zero.
#[derive(Clone, Debug)]
pub(crate) struct Draw<'a> {
    rest: &'a [u8],
}

impl<'a> Draw<'a> {
    pub(crate) const fn new(data: &'a [u8]) -> Draw<'a> {
        Draw { rest: data }
    }

    /// Whether all is used up.
    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.rest.split_first() else {
            return 0;
        };
        self.rest = rest;
        *first
    }

    pub(crate) fn coin(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// Two bytes, little-endian.
    pub(crate) fn short(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// Less than `end`, which is at most 256.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end
    }

    /// One of `all`.
    pub(crate) fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// A number of any size, the more often the smaller.
    pub(crate) fn number(&mut self) -> u64 {
        match self.byte() {
            small @ 0..=0xef => u64::from(small),
            0xf0..=0xf7 => u64::from(self.short()),
            0xf8..=0xfb => {
                let bits = u32::from(self.byte() % 64);
                (1_u64 << bits).wrapping_sub(u64::from(self.byte() % 3))
            }
            0xfc..=0xfe => u64::from_le_bytes(std::array::from_fn(|_| self.byte())),
            0xff => u64::MAX,
        }
    }

    /// At most `len` bytes; fewer if there are no more.
    pub(crate) fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(len.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    /// All that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        self.bytes(usize::MAX)
    }
}
