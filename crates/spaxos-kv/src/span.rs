//! Which keys a request means.

use std::ops::Bound;

/// The one zero byte that stands for "no end".
const NO_END: &[u8] = &[0];

/// First key and end, as a map takes them.
pub(crate) type Bounds<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// The keys that a key and a `range_end` select, in byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span<'a> {
    /// This key alone.
    One(&'a [u8]),
    /// This key and everything above.
    From(&'a [u8]),
    /// From the first key, up to and without the second, which is above it.
    Between(&'a [u8], &'a [u8]),
    /// No key: the end is not above the start.
    Nothing,
}

impl<'a> Span<'a> {
    pub(crate) fn new(key: &'a [u8], range_end: &'a [u8]) -> Self {
        match range_end {
            [] => Self::One(key),
            NO_END => Self::From(key),
            end if end > key => Self::Between(key, end),
            _ => Self::Nothing,
        }
    }

    /// The span as bounds of a map; `None` where a map would have to panic.
    pub(crate) fn bounds(self) -> Option<Bounds<'a>> {
        match self {
            Self::One(key) => Some((Bound::Included(key), Bound::Included(key))),
            Self::From(key) => Some((Bound::Included(key), Bound::Unbounded)),
            Self::Between(key, end) => Some((Bound::Included(key), Bound::Excluded(end))),
            Self::Nothing => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn range_end_selects() {
        assert_eq!(Span::new(b"a", b""), Span::One(b"a"));
        assert_eq!(Span::new(b"a", b"\0"), Span::From(b"a"));
        assert_eq!(Span::new(b"\0", b"\0"), Span::From(b"\0"));
        assert_eq!(Span::new(b"a", b"b"), Span::Between(b"a", b"b"));
        assert_eq!(Span::new(b"a", b"a\0"), Span::Between(b"a", b"a\0"));
        assert_eq!(Span::new(b"b", b"b"), Span::Nothing);
        assert_eq!(Span::new(b"b", b"a"), Span::Nothing);
        assert_eq!(Span::new(b"b", b"\0\0"), Span::Nothing);
    }
}
