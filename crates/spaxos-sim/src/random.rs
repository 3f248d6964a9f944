//! The only source of chance in the world: a small generator whose whole state is one number, so
//! that a seed is a run.

/// Splits and draws pseudo-random numbers (SplitMix64; Steele, Lea, Flood, OOPSLA 2014).
#[derive(Clone, Debug)]
pub(crate) struct Random {
    state: u64,
}

/// An inclusive range to draw from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) min: u64,
    pub(crate) max: u64,
}

impl Span {
    pub(crate) const fn new(min: u64, max: u64) -> Span {
        Span { min, max }
    }
}

/// One million: chances are given in parts per million, so that no float decides anything.
const PPM: u64 = 1_000_000;

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random { state: seed }
    }

    /// A generator of its own for one part of the world: switching another part off does not move it.
    pub(crate) fn fork(&mut self) -> Random {
        Random::new(self.number())
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is positive.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "nothing lies below zero");
        let wide = u128::from(self.number()) * u128::from(bound);
        (wide >> 64) as u64
    }

    pub(crate) fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    pub(crate) fn within(&mut self, span: Span) -> u64 {
        assert!(span.min <= span.max, "a span has its bounds in order");
        span.min + self.below(span.max - span.min + 1)
    }

    /// Mostly near the lower end, now and then near the upper one: as delays and outages are.
    pub(crate) fn skewed(&mut self, span: Span) -> u64 {
        let width = u128::from(span.max - span.min);
        let part = u128::from(self.below(PPM));
        let cubed = part * part * part;
        let scale = u128::from(PPM) * u128::from(PPM) * u128::from(PPM);
        span.min + (width * cubed / scale) as u64
    }

    pub(crate) fn chance(&mut self, ppm: u32) -> bool {
        self.below(PPM) < u64::from(ppm)
    }

    pub(crate) fn coin(&mut self) -> bool {
        self.chance(500_000)
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.index(from.len())]
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            let other = self.index(at + 1);
            items.swap(at, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_stay_inside_their_span() {
        let mut random = Random::new(1);
        for _ in 0..1000 {
            assert!((3..=5).contains(&random.within(Span::new(3, 5))));
            assert!((3..=500).contains(&random.skewed(Span::new(3, 500))));
            assert!(random.index(7) < 7);
        }
        assert!(!random.chance(0));
        assert!(random.chance(1_000_000));
    }

    #[test]
    fn a_seed_is_a_sequence() {
        let draw = |seed| {
            let mut random = Random::new(seed);
            let mut fork = random.fork();
            [random.number(), fork.number()]
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }
}
