//! A growing buffer whose first byte lies at a block's address, as direct input and output ask for.

use crate::disk::BLOCK_BYTES;

/// Zeroed memory, aligned to [`BLOCK_BYTES`], its length a multiple of it.
pub(crate) struct AlignedBuffer {
    /// One block larger than needed; never reallocated, so `start` stays right.
    memory: Vec<u8>,
    start: usize,
    bytes: usize,
}

impl AlignedBuffer {
    /// A buffer of at least `bytes`.
    pub(crate) fn new(bytes: usize) -> AlignedBuffer {
        let bytes = bytes.next_multiple_of(BLOCK_BYTES);
        let memory = vec![0; bytes + BLOCK_BYTES];
        let address = memory.as_ptr().addr();
        AlignedBuffer {
            start: address.next_multiple_of(BLOCK_BYTES) - address,
            memory,
            bytes,
        }
    }

    /// Makes room for at least `bytes`; what is there stays.
    pub(crate) fn grow(&mut self, bytes: usize) {
        if bytes > self.bytes {
            let mut larger = AlignedBuffer::new(bytes);
            larger.as_mut()[..self.bytes].copy_from_slice(self.as_ref());
            *self = larger;
        }
    }

    /// How many bytes there are.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl AsRef<[u8]> for AlignedBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.bytes]
    }
}

impl AsMut<[u8]> for AlignedBuffer {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + self.bytes]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growing_keeps_content_and_alignment() {
        let mut buffer = AlignedBuffer::new(1);
        assert_eq!(buffer.bytes(), BLOCK_BYTES);
        buffer.as_mut()[17] = 9;
        for bytes in [5000, 100_000, 1 << 20] {
            buffer.grow(bytes);
            assert_eq!(buffer.as_ref().as_ptr().addr() % BLOCK_BYTES, 0);
            assert!(buffer.bytes() >= bytes);
            assert_eq!(buffer.as_ref()[17], 9);
        }
    }
}
