//! A block of headers as HTTP/2 compresses them (HPACK, RFC 7541), as far as it must be understood
//! to find an authority in it. What the table holds is never looked at.

/// Where the static table has `:authority`.
const AUTHORITY: usize = 1;

/// The block without the schemes of its authorities. `None` if there are none, or if the block makes
/// no sense, which whoever reads it next will notice.
pub(super) fn mend(block: &[u8]) -> Option<Vec<u8>> {
    let mut mended = Vec::new();
    let mut copied = 0;
    let mut cursor = Cursor { block, at: 0 };
    while let Some(first) = block.get(cursor.at) {
        let name_bits = match first {
            0x80.. => {
                // A whole entry of a table.
                cursor.integer(7)?;
                continue;
            }
            0x40.. => 6,
            0x20.. => {
                // A new size of the table.
                cursor.integer(5)?;
                continue;
            }
            _ => 4,
        };
        let name = cursor.integer(name_bits)?;
        if name == 0 {
            cursor.string()?;
        }
        let value_at = cursor.at;
        let (huffman, value) = cursor.string()?;
        if name != AUTHORITY {
            continue;
        }
        if let Some(authority) = without_scheme(huffman, value) {
            mended.extend_from_slice(&block[copied..value_at]);
            put_string(&authority, &mut mended);
            copied = cursor.at;
        }
    }
    if copied == 0 {
        return None;
    }
    mended.extend_from_slice(&block[copied..]);
    Some(mended)
}

/// The authority within a URL, or `None` if it is none.
fn without_scheme(huffman: bool, value: &[u8]) -> Option<Vec<u8>> {
    let value = if huffman {
        decode(value)?
    } else {
        value.to_vec()
    };
    let schemes = [&b"http://"[..], b"https://"];
    let authority = schemes.iter().find_map(|scheme| {
        let (start, rest) = value.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    })?;
    let authority = authority.split(|byte| *byte == b'/').next()?;
    (!authority.is_empty()).then(|| authority.to_vec())
}

/// Where a block is read.
struct Cursor<'a> {
    block: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.block.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    /// An integer whose first byte has `bits` bits of it (section 5.1). At most four bytes of it are
    /// read: that reaches far beyond the longest block that is looked at.
    fn integer(&mut self, bits: u32) -> Option<usize> {
        let full = (1 << bits) - 1;
        let mut value = usize::from(self.byte()?) & full;
        if value < full {
            return Some(value);
        }
        for shift in [0, 7, 14] {
            let byte = self.byte()?;
            value += usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// A string, and whether it is Huffman coded (section 5.2).
    fn string(&mut self) -> Option<(bool, &'a [u8])> {
        let huffman = self.block.get(self.at)? & 0x80 != 0;
        let length = self.integer(7)?;
        let string = self.block.get(self.at..)?.get(..length)?;
        self.at += length;
        Some((huffman, string))
    }
}

/// Appends a string as it is.
fn put_string(string: &[u8], into: &mut Vec<u8>) {
    const FULL: usize = 0x7f;
    if let Some(mut rest) = string.len().checked_sub(FULL) {
        into.push(0x7f);
        while rest > 0x7f {
            into.push(0x80 | (rest & 0x7f) as u8);
            rest >>= 7;
        }
        into.push(rest as u8);
    } else {
        into.push(string.len() as u8);
    }
    into.extend_from_slice(string);
}

/// The codes of each length: bits, the first code, and what it and those after it stand for
/// (appendix B). Longer ones stand for what no address contains.
const CODES: [(u32, u32, &[u8]); 9] = [
    (5, 0, b"012aceiost"),
    (6, 0x14, b" %-./3456789=A_bdfghlmnpru"),
    (7, 0x5c, b":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz"),
    (8, 0xf8, b"&*,;XZ"),
    (10, 0x3f8, b"!\"()?"),
    (11, 0x7fa, b"'+|"),
    (12, 0xffa, b"#>"),
    // What stands for a zero byte is left out.
    (13, 0x1ff9, b"$@[]~"),
    (14, 0x3ffc, b"^}"),
];
const CODE_BITS_MAX: u32 = 14;
/// Less than a byte, and only ones.
const PADDING_BITS_MAX: u32 = 7;

/// The string that is Huffman coded in `coded`, or `None` if there are other codes in it.
fn decode(coded: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(coded.len() * 8 / 5);
    // Bits that do not make a code yet, and how many they are.
    let (mut code, mut bits) = (0_u32, 0);
    for byte in coded {
        for shift in (0..8).rev() {
            code = code << 1 | u32::from(byte >> shift & 1);
            bits += 1;
            if let Some(symbol) = symbol(bits, code) {
                decoded.push(symbol);
                (code, bits) = (0, 0);
            } else if bits == CODE_BITS_MAX {
                return None;
            }
        }
    }
    let padded = bits <= PADDING_BITS_MAX && code == (1 << bits) - 1;
    padded.then_some(decoded)
}

fn symbol(bits: u32, code: u32) -> Option<u8> {
    let (_, first, symbols) = CODES.iter().find(|codes| codes.0 == bits)?;
    symbols.get(code.checked_sub(*first)? as usize).copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Huffman codes a string whose codes are known.
    fn encode(string: &[u8]) -> Vec<u8> {
        let mut bits = Vec::new();
        for byte in string {
            let found = CODES.iter().find_map(|(length, first, symbols)| {
                let place = symbols.iter().position(|symbol| symbol == byte)?;
                Some((*length, first + place as u32))
            });
            let (length, code) = found.expect("a known code");
            bits.extend((0..length).rev().map(|shift| code >> shift & 1 != 0));
        }
        bits.resize(bits.len().next_multiple_of(8), true);
        let byte = |bits: &[bool]| bits.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
        bits.chunks(8).map(byte).collect()
    }

    /// A literal of `:authority`.
    fn literal(first: u8, value: &[u8], huffman: bool) -> Vec<u8> {
        let value = if huffman {
            encode(value)
        } else {
            value.to_vec()
        };
        let mut block = vec![first];
        let length_at = block.len();
        put_string(&value, &mut block);
        block[length_at] |= if huffman { 0x80 } else { 0 };
        block
    }

    /// An entry, a new size, and a literal with a name of its own.
    const BEFORE: &[u8] = b"\x83\x3f\xe1\x1f\x40\x01x\x07http://";
    /// An entry, a new size, an entry, and a literal of another name.
    const AFTER: &[u8] = b"\xfe\x21\xc1\x0f\x2f\x08http://a";

    fn block(authority: &[u8]) -> Vec<u8> {
        [BEFORE, authority, AFTER].concat()
    }

    #[test]
    fn strings_of_the_specification_are_decoded() {
        // Appendix C.4.1 and C.6.1.
        let host = [
            0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff,
        ];
        assert_eq!(decode(&host).as_deref(), Some(&b"www.example.com"[..]));
        let url = [
            0x9d, 0x29, 0xad, 0x17, 0x18, 0x63, 0xc7, 0x8f, 0x0b, 0x97, 0xc8, 0xe9, 0xae, 0x82,
            0xae, 0x43, 0xd3,
        ];
        let expected = &b"https://www.example.com"[..];
        assert_eq!(decode(&url).as_deref(), Some(expected));
        assert_eq!(decode(&[0xff]), None, "a byte of padding");
        assert_eq!(decode(&[0b0000_0110]), None, "padding that is not ones");
        assert_eq!(decode(&[0xff; 4]), None, "a long code");
    }

    #[test]
    fn schemes_are_cut_off() {
        let cases: [(&[u8], &[u8]); 5] = [
            (b"http://127.0.0.1:2379", b"127.0.0.1:2379"),
            (b"https://h-0.example.com:2379/", b"h-0.example.com:2379"),
            (b"HTTP://Xyz:1", b"Xyz:1"),
            (b"http://[fe80::1%25e]:2379", b"[fe80::1%25e]:2379"),
            (
                b"http://a23456789.b23456789.c23456789.d23456789.e23456789.f23456789.g23456789.h23456789.\
                  i23456789.j23456789.k23456789.l23456789.m23456789:2379",
                b"a23456789.b23456789.c23456789.d23456789.e23456789.f23456789.g23456789.h23456789.\
                  i23456789.j23456789.k23456789.l23456789.m23456789:2379",
            ),
        ];
        for (url, authority) in cases {
            // With indexing, without, and never.
            for first in [0x41, 0x01, 0x11] {
                let expected = Some(block(&literal(first, authority, false)));
                for huffman in [false, true] {
                    let sent = block(&literal(first, url, huffman));
                    assert_eq!(mend(&sent), expected, "{}", url.escape_ascii());
                }
            }
        }
    }

    #[test]
    fn each_authority_is_mended() {
        let sent = [0x41, 8]
            .iter()
            .chain(b"http://a\x01\x08http://b\x41\x01c\x82");
        let sent: Vec<u8> = sent.copied().collect();
        assert_eq!(
            mend(&sent).as_deref(),
            Some(&b"\x41\x01a\x01\x01b\x41\x01c\x82"[..])
        );
    }

    #[test]
    fn others_are_left_alone() {
        let values: [&[u8]; 6] = [
            b"127.0.0.1:2379",
            b"http:/",
            b"http://",
            b"http:///x",
            b"",
            b"x",
        ];
        for value in values {
            for huffman in [false, true] {
                assert_eq!(mend(&block(&literal(0x41, value, huffman))), None);
            }
        }
        assert_eq!(mend(&[]), None);
        assert_eq!(mend(&[0x83, 0x7f, 0xff, 0xff, 0xff, 0xff, 1]), None);
    }

    #[test]
    fn half_a_block_is_left_alone_or_mended_as_far_as_it_goes() {
        let authority = literal(0x41, b"http://127.0.0.1:2379", true);
        let whole = block(&authority);
        let complete = BEFORE.len() + authority.len();
        for end in 0..complete {
            assert_eq!(mend(&whole[..end]), None, "{end} bytes");
        }
        assert!(mend(&whole[..complete]).is_some());
        for end in complete..whole.len() {
            mend(&whole[..end]);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_read(block in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = mend(&block);
            let _ = decode(&block);
        }

        #[test]
        fn lengths_can_be_read(string in proptest::collection::vec(any::<u8>(), 0..20_000)) {
            let mut block = Vec::new();
            put_string(&string, &mut block);
            let mut cursor = Cursor { block: &block, at: 0 };
            prop_assert_eq!(cursor.string(), Some((false, &string[..])));
            prop_assert_eq!(cursor.at, block.len());
        }

        #[test]
        fn what_is_coded_is_decoded(string in "[!#-;=?-\\[\\]_a-z~]{0,40}") {
            prop_assert_eq!(decode(&encode(string.as_bytes())), Some(string.into_bytes()));
        }
    }
}
