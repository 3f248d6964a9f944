//! Telling states apart: text without what does not matter, hashed; and the set of what was seen.
//!
//! A replica is described by the debug text of its parts. Whatever is added to a part later is thereby
//! told apart by itself; only what this file names is passed over.

use spaxos_core::batch::hash_words;

/// Names whose number says when something happened or was drawn, and nothing about what follows:
/// clocks move by whole events here, and all that may be due is due with the next of them.
const PASSED_OVER: &[&str] = &["Time", "SplitMix"];

/// How a description is read.
#[derive(Clone, Debug, Default)]
pub(super) struct Reading {
    /// Record numbers count from here on: earlier ones are all the same.
    pub(super) durable: u64,
    /// Votes for slots up to here are all the same; `None` if they are told apart.
    pub(super) decided: Option<u64>,
    /// Fields whose values are passed over.
    pub(super) without: Vec<&'static str>,
}

/// Hashes a description.
pub(super) fn of_text(text: &str, reading: &Reading) -> u64 {
    let mut words = Words::default();
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if !is_name(bytes[at]) {
            words.push(bytes[at]);
            at += 1;
            continue;
        }
        let end = at + name_length(&bytes[at..]);
        let name = &text[at..end];
        bytes[at..end].iter().for_each(|&byte| words.push(byte));
        at = end;
        let rest = &text[end..];
        match (name, reading.decided) {
            ("Lsn", _) => {
                if let Some((lsn, length)) = number(rest, "(") {
                    words.number(lsn.saturating_sub(reading.durable));
                    at += length;
                }
            }
            ("votes", Some(decided)) => {
                let value = &rest[..value_length(rest)];
                votes(value).for_each(|vote| words.number(vote.max(decided)));
                at += value.len();
            }
            _ if PASSED_OVER.contains(&name) => {
                at += number(rest, "(").map_or(0, |(_, length)| length);
            }
            _ if reading.without.contains(&name) => at += value_length(rest),
            _ => {}
        }
    }
    words.hash()
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn name_length(bytes: &[u8]) -> usize {
    let end = bytes.iter().position(|&byte| !is_name(byte));
    end.unwrap_or(bytes.len())
}

/// The number behind `opening`, and the length of both.
fn number(text: &str, opening: &str) -> Option<(u64, usize)> {
    let rest = text.strip_prefix(opening)?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let number = rest[..digits].parse().ok()?;
    Some((number, opening.len() + digits))
}

/// The length of a field's value, from the colon on; 0 if there is no colon.
fn value_length(text: &str) -> usize {
    if !text.starts_with(": ") {
        return 0;
    }
    let mut depth = 0_u32;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b',' | b')' | b']' | b'}' | b'\n' if depth == 0 => return at,
            b')' | b']' | b'}' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

/// The slots voted for, 0 for none, in a list of members with their votes.
fn votes(text: &str) -> impl Iterator<Item = u64> {
    text.split("(ReplicaId(").skip(1).map(|entry| {
        let slot = entry.split_once("Slot(").map(|(_, rest)| rest);
        slot.and_then(|rest| number(rest, ""))
            .map_or(0, |(slot, _)| slot)
    })
}

/// Bytes on their way into a hash of words.
#[derive(Default)]
struct Words {
    words: Vec<u64>,
    last: u64,
    filled: u32,
}

impl Words {
    fn push(&mut self, byte: u8) {
        self.last = self.last << 8 | u64::from(byte);
        self.filled += 1;
        if self.filled == 8 {
            self.words.push(self.last);
            (self.last, self.filled) = (0, 0);
        }
    }

    fn number(&mut self, number: u64) {
        for byte in number.to_le_bytes() {
            self.push(byte);
        }
    }

    fn hash(mut self) -> u64 {
        self.words.push(self.last);
        hash_words(&self.words)
    }
}

/// A set of hashes that remembers in which order they came: open addressing over a list.
#[derive(Debug)]
pub(super) struct Seen {
    hashes: Vec<u64>,
    /// Indices into `hashes` plus one; 0 is free. Its length is a power of two.
    table: Vec<u32>,
}

impl Seen {
    pub(super) fn new() -> Seen {
        Seen {
            hashes: Vec::new(),
            table: vec![0; 1 << 12],
        }
    }

    pub(super) fn len(&self) -> usize {
        self.hashes.len()
    }

    /// The index of `hash`, and whether it is new.
    pub(super) fn insert(&mut self, hash: u64) -> (u32, bool) {
        if self.hashes.len() * 2 >= self.table.len() {
            self.grow();
        }
        let at = self.slot(hash);
        if self.table[at] != 0 {
            return (self.table[at] - 1, false);
        }
        self.hashes.push(hash);
        let count = u32::try_from(self.hashes.len()).expect("memory ends before");
        self.table[at] = count;
        (count - 1, true)
    }

    /// Where `hash` is, or would be.
    fn slot(&self, hash: u64) -> usize {
        let mask = self.table.len() - 1;
        let mut at = hash as usize & mask;
        while self.table[at] != 0 && self.hashes[self.table[at] as usize - 1] != hash {
            at = (at + 1) & mask;
        }
        at
    }

    fn grow(&mut self) {
        self.table = vec![0; self.table.len() * 2];
        for index in 0..self.hashes.len() {
            let at = self.slot(self.hashes[index]);
            self.table[at] = u32::try_from(index + 1).expect("memory ends before");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_past_records_and_old_votes_are_passed_over() {
        let reading = Reading {
            durable: 3,
            decided: Some(2),
            without: vec!["turn"],
        };
        let hash = |text: &str| of_text(text, &reading);
        let text = "Some(Time(1)) LogTime(7) durable: Lsn(3), turn: [1, 2], \
                    votes: [(ReplicaId(1), None), (ReplicaId(2), Some(Slot(3)))], x: 1";
        for (from, to, same) in [
            ("(Time(1", "(Time(2", true),
            ("LogTime(7", "LogTime(8", false),
            ("Lsn(3", "Lsn(1", true),
            ("Lsn(3", "Lsn(4", false),
            ("[1, 2]", "Some(X { y: [7] })", true),
            ("None", "Some(Slot(2))", true),
            ("None", "Some(Slot(3))", false),
            ("x: 1", "x: 2", false),
        ] {
            let other = text.replace(from, to);
            assert_ne!(text, other);
            assert_eq!(hash(text) == hash(&other), same, "{from} {to}");
        }
    }

    #[test]
    fn seen_keeps_the_order_and_finds_everything_again() {
        let mut seen = Seen::new();
        for n in 0..10_000_u64 {
            let expected = u32::try_from(n).expect("small");
            assert_eq!(seen.insert(hash_words(&[n])), (expected, true));
        }
        assert_eq!(seen.insert(hash_words(&[77])), (77, false));
        assert_eq!(seen.len(), 10_000);
    }
}
