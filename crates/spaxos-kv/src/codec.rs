//! Numbers and byte strings, written and read.
//!
//! Every value has exactly one encoding, and reading refuses all others: two different commands
//! never mean the same, and what was decoded encodes to the bytes it came from.

use bytes::Bytes;

use crate::error::DecodeError;

/// A 64-bit number takes at most this many bytes, seven bits in each.
const VARINT_BYTES_MAX: usize = 10;

/// Appends `number`, seven bits a byte, low bits first; the high bit says that more follow.
pub(crate) fn put_unsigned(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

/// Appends `number` so that small ones of either sign are short.
pub(crate) fn put_signed(out: &mut Vec<u8>, number: i64) {
    put_unsigned(out, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

/// Appends a length and that many bytes.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_unsigned(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends 1 or 0.
pub(crate) fn put_bool(out: &mut Vec<u8>, value: bool) {
    out.push(u8::from(value));
}

/// Takes values off the front of some bytes. Byte strings share the memory they are read from.
pub(crate) struct Reader<'a> {
    bytes: &'a Bytes,
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a Bytes) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bytes not yet taken.
    pub(crate) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Checks that nothing is left.
    pub(crate) fn finish(&self) -> Result<(), DecodeError> {
        if self.left() == 0 {
            Ok(())
        } else {
            Err(DecodeError::Trailing)
        }
    }

    pub(crate) fn byte(&mut self) -> Result<u8, DecodeError> {
        let byte = *self.bytes.get(self.at).ok_or(DecodeError::Truncated)?;
        self.at += 1;
        Ok(byte)
    }

    pub(crate) fn bool(&mut self) -> Result<bool, DecodeError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            tag => Err(DecodeError::UnknownTag(tag)),
        }
    }

    pub(crate) fn unsigned(&mut self) -> Result<u64, DecodeError> {
        let mut number = 0_u64;
        for index in 0..VARINT_BYTES_MAX {
            let byte = self.byte()?;
            let overflows = index == VARINT_BYTES_MAX - 1 && byte > 1;
            let overlong = index > 0 && byte == 0;
            if overflows || overlong {
                return Err(DecodeError::MalformedNumber);
            }
            number |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(DecodeError::MalformedNumber)
    }

    pub(crate) fn signed(&mut self) -> Result<i64, DecodeError> {
        let number = self.unsigned()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    /// A signed number that fits 32 bits.
    pub(crate) fn signed_32(&mut self) -> Result<i32, DecodeError> {
        i32::try_from(self.signed()?).map_err(|_| DecodeError::MalformedNumber)
    }

    /// A signed number that is only written when it is not zero.
    pub(crate) fn nonzero(&mut self) -> Result<i64, DecodeError> {
        match self.signed()? {
            0 => Err(DecodeError::MalformedNumber),
            number => Ok(number),
        }
    }

    /// The number of elements of a list, each of which takes at least `element_bytes_min`: more
    /// than could follow are refused, so that the number can be trusted for an allocation.
    pub(crate) fn list_len(&mut self, element_bytes_min: usize) -> Result<usize, DecodeError> {
        let len = usize::try_from(self.unsigned()?).map_err(|_| DecodeError::Truncated)?;
        if len > self.left() / element_bytes_min {
            return Err(DecodeError::Truncated);
        }
        Ok(len)
    }

    /// A byte string, not copied.
    pub(crate) fn bytes(&mut self) -> Result<Bytes, DecodeError> {
        let len = self.list_len(1)?;
        let bytes = self.bytes.slice(self.at..self.at + len);
        self.at += len;
        Ok(bytes)
    }

    /// A byte string that is only written when it is not empty.
    pub(crate) fn nonempty_bytes(&mut self) -> Result<Bytes, DecodeError> {
        let bytes = self.bytes()?;
        if bytes.is_empty() {
            Err(DecodeError::MalformedNumber)
        } else {
            Ok(bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unsigned_of(bytes: &[u8]) -> Result<u64, DecodeError> {
        let bytes = Bytes::copy_from_slice(bytes);
        let mut reader = Reader::new(&bytes);
        let number = reader.unsigned()?;
        reader.finish()?;
        Ok(number)
    }

    #[test]
    fn numbers_of_every_length_come_back() {
        for shift in 0..64 {
            for number in [1_u64 << shift, (1_u64 << shift) - 1, u64::MAX >> shift] {
                let mut out = Vec::new();
                put_unsigned(&mut out, number);
                assert_eq!(unsigned_of(&out), Ok(number));
                let signed = number.cast_signed();
                for signed in [signed, signed.wrapping_neg()] {
                    let mut out = Vec::new();
                    put_signed(&mut out, signed);
                    let bytes = Bytes::from(out);
                    assert_eq!(Reader::new(&bytes).signed(), Ok(signed));
                }
            }
        }
    }

    #[test]
    fn numbers_have_one_encoding() {
        assert_eq!(
            unsigned_of(&[0x80, 0x00]),
            Err(DecodeError::MalformedNumber)
        );
        assert_eq!(
            unsigned_of(&[0xff, 0x80, 0x00]),
            Err(DecodeError::MalformedNumber)
        );
        assert_eq!(unsigned_of(&[0xff; 10]), Err(DecodeError::MalformedNumber));
        let beyond_64_bits = [&[0xff; 9][..], &[2]].concat();
        assert_eq!(
            unsigned_of(&beyond_64_bits),
            Err(DecodeError::MalformedNumber)
        );
        assert_eq!(unsigned_of(&[0x80]), Err(DecodeError::Truncated));
        assert_eq!(unsigned_of(&[]), Err(DecodeError::Truncated));
        assert_eq!(unsigned_of(&[1, 1]), Err(DecodeError::Trailing));
    }

    #[test]
    fn lengths_are_checked_before_use() {
        let bytes = Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 0x0f, 1]);
        assert_eq!(Reader::new(&bytes).bytes(), Err(DecodeError::Truncated));
        assert_eq!(Reader::new(&bytes).list_len(6), Err(DecodeError::Truncated));
    }
}
