//! Reading and writing the fixed-size little-endian fields that everything here is made of.

use bytes::{BufMut, Bytes, BytesMut};

use crate::error::DecodeError;

/// Counters of the protocol stay far below this. A greater number can only come from damage or
/// malice; refused here, no arithmetic behind the decoder can overflow.
pub const NUMBER_END: u64 = 1 << 62;

/// A checked reader over shared bytes: no field is read past the end, no payload is copied.
#[derive(Debug)]
pub(crate) struct Cursor {
    bytes: Bytes,
    at: usize,
    what: &'static str,
}

impl Cursor {
    /// Starts at the beginning of `bytes`, which should be a `what`.
    pub(crate) const fn new(bytes: Bytes, what: &'static str) -> Cursor {
        Cursor { bytes, at: 0, what }
    }

    /// How many bytes are left.
    const fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let rest = &self.bytes[self.at..];
        let Some(array) = rest.first_chunk::<N>() else {
            return Err(DecodeError::Truncated { what: self.what });
        };
        self.at += N;
        Ok(*array)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u16(&mut self) -> Result<u16, DecodeError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, DecodeError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// 0 or 1, and nothing else: each value has one encoding.
    pub(crate) fn flag(&mut self, what: &'static str) -> Result<bool, DecodeError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            kind => Err(DecodeError::UnknownKind { what, kind }),
        }
    }

    /// A counter below [`NUMBER_END`].
    pub(crate) fn number(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        let value = self.u64()?;
        if value >= NUMBER_END {
            return Err(DecodeError::OutOfRange { what, value });
        }
        Ok(value)
    }

    /// How many elements follow, each of at least `bytes_min` bytes. What this returns may be
    /// allocated: the bytes for that many elements are really there.
    pub(crate) fn count(
        &mut self,
        what: &'static str,
        count_max: usize,
        bytes_min: usize,
    ) -> Result<usize, DecodeError> {
        let count = self.u32()? as usize;
        if count > count_max {
            return Err(DecodeError::Count {
                what,
                count: count as u64,
                count_max: count_max as u64,
            });
        }
        if count > self.remaining() / bytes_min {
            return Err(DecodeError::Truncated { what: self.what });
        }
        Ok(count)
    }

    /// A length in bytes of something that follows later, at most `bytes_max`.
    pub(crate) fn length(
        &mut self,
        what: &'static str,
        bytes_max: usize,
    ) -> Result<usize, DecodeError> {
        self.count(what, bytes_max, 1)
    }

    /// The next `len` bytes, shared with the input.
    pub(crate) fn slice(&mut self, len: usize) -> Result<Bytes, DecodeError> {
        if len > self.remaining() {
            return Err(DecodeError::Truncated { what: self.what });
        }
        let slice = self.bytes.slice(self.at..self.at + len);
        self.at += len;
        Ok(slice)
    }

    /// All that is left, shared with the input.
    pub(crate) fn rest(&mut self) -> Bytes {
        let slice = self.bytes.slice(self.at..);
        self.at = self.bytes.len();
        slice
    }

    /// Refuses bytes that nobody asked for.
    pub(crate) fn finish(self) -> Result<(), DecodeError> {
        match self.remaining() {
            0 => Ok(()),
            bytes => Err(DecodeError::Trailing {
                what: self.what,
                bytes,
            }),
        }
    }
}

/// Appends a count or a length. What is encoded was built under the cluster's limits, which are all
/// far below the range of a `u32`.
pub(crate) fn put_count(head: &mut BytesMut, count: usize) {
    let count = u32::try_from(count).expect("counts and lengths are limited far below 2^32");
    head.put_u32_le(count);
}
