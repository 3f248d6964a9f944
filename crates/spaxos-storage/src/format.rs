//! The bytes of a segment: its header, and the frame around each record. `docs/formats.md`, "Log
//! files", has the same in tables.

use spaxos_core::record::{Life, Record};
use spaxos_core::types::{Ballot, Incarnation, ReplicaId};
use spaxos_wire::NUMBER_END;

use crate::directory::Identity;
use crate::disk::BLOCK_BYTES;
use crate::planted::planted;

/// The version of everything in this module.
pub(crate) const SEGMENT_VERSION: u32 = 1;
const SEGMENT_MAGIC: [u8; 8] = *b"SPAXOSLG";
const SEGMENT_HEADER_BYTES: usize = 72;

/// What stands in front of a record's body.
pub(crate) const FRAME_BYTES: usize = 40;
/// Records start at multiples of this.
pub(crate) const RECORD_ALIGNMENT: usize = 8;
/// Where a segment's first record starts: behind the block of the header.
pub(crate) const FIRST_RECORD: u64 = BLOCK_BYTES as u64;

/// A byte's place in the whole log, for ever: the number of the segment and the position in its file.
/// Segment numbers are never used again, so no two records ever have the same offset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LogOffset(pub(crate) u64);

impl LogOffset {
    pub(crate) fn new(segment: u32, position: u64) -> LogOffset {
        assert!(position >> 32 == 0, "a position lies in a segment's file");
        LogOffset(u64::from(segment) << 32 | position)
    }

    pub(crate) fn segment(self) -> u32 {
        (self.0 >> 32) as u32
    }

    pub(crate) fn position(self) -> u64 {
        self.0 & u64::from(u32::MAX)
    }
}

/// The name of a segment's file.
pub(crate) fn segment_name(number: u32) -> String {
    format!("log-{number:010}")
}

/// The name of a file that was a segment and waits to be one again.
pub(crate) fn spare_name(number: u32) -> String {
    format!("spare-{number:010}")
}

/// The number in a segment's name.
pub(crate) fn segment_number(name: &str) -> Option<u32> {
    let number = name.strip_prefix("log-")?.parse().ok()?;
    (segment_name(number) == name && number > 0).then_some(number)
}

/// The number in a spare's name.
pub(crate) fn spare_number(name: &str) -> Option<u32> {
    let number = name.strip_prefix("spare-")?.parse().ok()?;
    (spare_name(number) == name).then_some(number)
}

/// The first block of a segment. Synced before the file gets its name, so it is never torn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) number: u32,
    /// The segments from here to `number`, itself not counted, are void: this one has what they had.
    pub(crate) replaces: u32,
    /// Up to here the log had been synced when the segment got its name; 0 if that says nothing.
    pub(crate) synced: LogOffset,
    /// The length of the file.
    pub(crate) bytes: u64,
    pub(crate) cluster_id: u64,
    pub(crate) member_id: u64,
    pub(crate) disk_id: u64,
}

/// Why a first block is no segment header.
pub(crate) enum HeaderError {
    Unreadable,
    Version(u32),
}

impl SegmentHeader {
    pub(crate) fn new(identity: &Identity, number: u32, replaces: u32, bytes: u64) -> Self {
        SegmentHeader {
            number,
            replaces,
            synced: LogOffset(0),
            bytes,
            cluster_id: identity.cluster_id,
            member_id: identity.member_id.0,
            disk_id: identity.disk_id,
        }
    }

    /// Writes the header over the first bytes of `block`.
    pub(crate) fn encode(&self, block: &mut [u8]) {
        let mut fields = Fields::new(&mut block[..SEGMENT_HEADER_BYTES]);
        fields.put(&SEGMENT_MAGIC);
        fields.put(&SEGMENT_VERSION.to_le_bytes());
        fields.put(&[0; 4]);
        for number in [
            u64::from(self.number),
            u64::from(self.replaces),
            self.synced.0,
            self.bytes,
            self.cluster_id,
            self.member_id,
            self.disk_id,
        ] {
            fields.put(&number.to_le_bytes());
        }
        let checksum = crc32c::crc32c(&block[..SEGMENT_HEADER_BYTES]);
        block[12..16].copy_from_slice(&checksum.to_le_bytes());
    }

    /// Reads the header of the segment that `identity` and `number` lead one to expect.
    pub(crate) fn decode(
        block: &[u8],
        identity: &Identity,
        number: u32,
    ) -> Result<SegmentHeader, HeaderError> {
        let unreadable = HeaderError::Unreadable;
        let Some(bytes) = block.get(..SEGMENT_HEADER_BYTES) else {
            return Err(unreadable);
        };
        let mut blank = [0; SEGMENT_HEADER_BYTES];
        blank.copy_from_slice(bytes);
        blank[12..16].fill(0);
        if bytes[..8] != SEGMENT_MAGIC || crc32c::crc32c(&blank) != u32_at(bytes, 12) {
            return Err(unreadable);
        }
        match u32_at(bytes, 8) {
            SEGMENT_VERSION => {}
            version => return Err(HeaderError::Version(version)),
        }
        let replaces = u64_at(bytes, 24);
        let header = SegmentHeader {
            number,
            replaces: u32::try_from(replaces).unwrap_or(0),
            synced: LogOffset(u64_at(bytes, 32)),
            bytes: u64_at(bytes, 40),
            cluster_id: identity.cluster_id,
            member_id: identity.member_id.0,
            disk_id: identity.disk_id,
        };
        let mut expected = [0; SEGMENT_HEADER_BYTES];
        header.encode(&mut expected);
        let sound = 0 < header.replaces && header.replaces <= number;
        match expected == bytes && sound {
            true => Ok(header),
            false => Err(unreadable),
        }
    }
}

/// What a record of the log is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A record of the replica.
    Entry = 1,
    /// The first record of a segment: an [`Opening`].
    Opening = 2,
    /// The last record of a segment that has a successor.
    Seal = 3,
    /// Nothing but the claim of what has been synced.
    Mark = 4,
    /// The log begins with the segment whose number is the body.
    Trim = 5,
}

impl Kind {
    fn from_number(number: u32) -> Option<Kind> {
        let kinds = [
            Kind::Entry,
            Kind::Opening,
            Kind::Seal,
            Kind::Mark,
            Kind::Trim,
        ];
        kinds.into_iter().find(|kind| *kind as u32 == number)
    }
}

/// What stands in front of a record's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    /// The length of the body.
    pub(crate) body_bytes: usize,
    /// The record's place in the log.
    pub(crate) offset: LogOffset,
    /// Up to here the log had been synced when the record was written.
    pub(crate) synced: LogOffset,
    /// Records of all kinds are numbered without gap.
    pub(crate) number: u64,
}

impl Frame {
    /// How many bytes the record takes, with what fills it up to the alignment.
    pub(crate) fn total_bytes(&self) -> usize {
        record_bytes(self.body_bytes)
    }

    /// The frame's bytes; the body is `parts`, one behind the other.
    pub(crate) fn encode(&self, seed: u32, parts: [&[u8]; 2]) -> [u8; FRAME_BYTES] {
        let mut bytes = [0; FRAME_BYTES];
        let mut fields = Fields::new(&mut bytes);
        fields.put(&[0; 4]);
        let length = u32::try_from(self.body_bytes);
        fields.put(&length.expect("limited by the options").to_le_bytes());
        fields.put(&self.offset.0.to_le_bytes());
        fields.put(&self.synced.0.to_le_bytes());
        fields.put(&self.number.to_le_bytes());
        fields.put(&(self.kind as u32).to_le_bytes());
        let checksum = parts
            .iter()
            .fold(crc32c::crc32c_append(seed, &bytes[4..]), |sum, part| {
                crc32c::crc32c_append(sum, part)
            });
        bytes[..4].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads a frame that has to be at `offset`. `None` if it is none, or one from elsewhere. The
    /// checksum is still to be checked, with [`is_intact`].
    pub(crate) fn decode(bytes: &[u8], offset: LogOffset) -> Option<Frame> {
        if bytes.len() < FRAME_BYTES || u64_at(bytes, 8) != offset.0 || u32_at(bytes, 36) != 0 {
            return None;
        }
        // No log gets that far; the number after it always is one.
        let number = Some(u64_at(bytes, 24)).filter(|number| *number < NUMBER_END)?;
        Some(Frame {
            kind: Kind::from_number(u32_at(bytes, 32))?,
            body_bytes: u32_at(bytes, 4) as usize,
            offset,
            synced: LogOffset(u64_at(bytes, 16)),
            number,
        })
    }
}

/// How many bytes a record with a body of `body_bytes` takes.
pub(crate) fn record_bytes(body_bytes: usize) -> usize {
    (FRAME_BYTES + body_bytes).next_multiple_of(RECORD_ALIGNMENT)
}

/// Whether the checksum in front of `record`, a frame and its body, is right.
pub(crate) fn is_intact(seed: u32, record: &[u8]) -> bool {
    crc32c::crc32c_append(seed, &record[4..]) == u32_at(record, 0) || planted!(ChecksumNotCompared)
}

/// Where the checksums of this disk's records start from: a record of another disk is not readable
/// here, and nobody outside can make bytes that look like a record.
pub(crate) fn checksum_seed(identity: &Identity) -> u32 {
    let mut seed = 0;
    for id in [identity.cluster_id, identity.member_id.0, identity.disk_id] {
        seed = crc32c::crc32c_append(seed, &id.to_le_bytes());
    }
    seed
}

/// What a replica must know even when the segments in front are gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogHead {
    /// The latest life.
    pub life: Life,
    /// The highest ballot promised.
    pub promised: Ballot,
    /// The ballot of the adopted log.
    pub adopted: Ballot,
}

impl LogHead {
    /// Takes note of a record that follows.
    pub(crate) fn follow(&mut self, record: &Record) {
        match record {
            Record::Incarnation(life) => self.life = *life,
            Record::Promise { ballot } => self.promised = self.promised.max(*ballot),
            Record::Adoption { ballot, .. } | Record::Vote { ballot, .. } => {
                self.adopted = self.adopted.max(*ballot);
                self.promised = self.promised.max(*ballot);
            }
            _ => {}
        }
    }
}

/// The body of a segment's first record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Opening {
    /// As of the end of the segment before.
    pub(crate) head: LogHead,
    /// The segment with which the log begins; what lies in front of it was trimmed.
    pub(crate) first: u32,
}

const OPENING_BYTES: usize = 72;

impl Opening {
    pub(crate) fn encode(&self) -> [u8; OPENING_BYTES] {
        let mut bytes = [0; OPENING_BYTES];
        let mut fields = Fields::new(&mut bytes);
        let LogHead {
            life,
            promised,
            adopted,
        } = self.head;
        fields.put(&life.incarnation.0.to_le_bytes());
        fields.put(&life.nonce.to_le_bytes());
        for ballot in [promised, adopted] {
            fields.put(&ballot.configuration.to_le_bytes());
            fields.put(&ballot.round.to_le_bytes());
            fields.put(&ballot.replica.0.to_le_bytes());
        }
        fields.put(&u64::from(self.first).to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Opening> {
        if bytes.len() != OPENING_BYTES {
            return None;
        }
        let ballot = |at: usize| Ballot {
            configuration: u64_at(bytes, at),
            round: u64_at(bytes, at + 8),
            replica: ReplicaId(u64_at(bytes, at + 16)),
        };
        Some(Opening {
            head: LogHead {
                life: Life {
                    incarnation: Incarnation(u64_at(bytes, 0)),
                    nonce: u64_at(bytes, 8),
                },
                promised: ballot(16),
                adopted: ballot(40),
            },
            first: u32::try_from(u64_at(bytes, 64)).ok()?,
        })
    }
}

/// The body of a [`Kind::Trim`].
pub(crate) fn decode_trim(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

/// Puts fields one behind the other.
struct Fields<'a> {
    rest: &'a mut [u8],
}

impl<'a> Fields<'a> {
    fn new(rest: &'a mut [u8]) -> Fields<'a> {
        Fields { rest }
    }

    fn put(&mut self, bytes: &[u8]) {
        let rest = std::mem::take(&mut self.rest);
        let (field, rest) = rest.split_at_mut(bytes.len());
        field.copy_from_slice(bytes);
        self.rest = rest;
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut field = [0; 4];
    field.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(field)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut field = [0; 8];
    field.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(field)
}
