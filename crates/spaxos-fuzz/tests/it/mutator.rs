//! Mutations of a corpus, the same for the same seed.

/// How many mutations are made on top of each other at most.
const TURNS_MAX: u64 = 5;
/// No mutated input is longer.
const BYTES_MAX: usize = 2048;
/// Bytes that lie at the ends of ranges.
const EDGES: [u8; 8] = [0, 1, 2, 0x3f, 0x40, 0x7f, 0x80, 0xff];

/// A source of mutated inputs.
pub(crate) struct Mutator {
    state: u64,
}

impl Mutator {
    pub(crate) const fn new(seed: u64) -> Mutator {
        Mutator { state: seed }
    }

    /// Another input, from one or two of the corpus.
    pub(crate) fn mutated(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut input = corpus[self.below(corpus.len())].clone();
        let other = &corpus[self.below(corpus.len())];
        for _ in 0..=self.next() % TURNS_MAX {
            self.mutate(&mut input, other);
        }
        input.truncate(BYTES_MAX);
        input
    }

    fn mutate(&mut self, input: &mut Vec<u8>, other: &[u8]) {
        let at = self.below(input.len() + 1);
        let len = self.below(24);
        let end = (at + len).min(input.len());
        match self.next() % 9 {
            0 => {
                input.drain(at..end);
            }
            1 => {
                let piece = input[at..end].to_vec();
                let to = self.below(input.len() + 1);
                input.splice(to..to, piece);
            }
            2 => {
                let from = self.below(other.len() + 1);
                let to = (from + self.below(200)).min(other.len());
                input.splice(at..end, other[from..to].iter().copied());
            }
            3 => {
                let made_up: Vec<u8> = (0..len).map(|_| self.byte()).collect();
                input.splice(at..at, made_up);
            }
            4 => input.truncate(at.max(1)),
            5 => input.extend_from_slice(other),
            turn => self.change(input, at, turn),
        }
    }

    /// Changes one byte.
    fn change(&mut self, input: &mut [u8], at: usize, turn: u64) {
        let edge = EDGES[self.below(EDGES.len())];
        let drawn = self.byte();
        let Some(byte) = input.get_mut(at) else {
            return;
        };
        *byte = match turn {
            6 => *byte ^ 1 << (drawn % 8),
            7 => edge,
            _ => byte.wrapping_add(drawn % 17).wrapping_sub(8),
        };
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[7]
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// Splitmix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
