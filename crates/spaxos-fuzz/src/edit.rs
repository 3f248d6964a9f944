//! Edits of the files of a log, drawn from bytes.

use spaxos_storage::{BLOCK_BYTES, Disk, MemoryDisk};

use crate::draw::Draw;

/// What the edits so far leave of what is known about a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trust {
    /// Everything.
    Untouched,
    /// One byte differs: nothing that was certain may be missing.
    OneByte,
    /// Damage: what is found was appended, but the end may be gone.
    Damaged,
    /// Checksums agree with what nobody wrote.
    Forged,
}

impl Trust {
    /// What is left after one more edit, which alone would leave `edit`.
    pub(crate) fn after(self, edit: Trust) -> Trust {
        match (self, edit) {
            (before, Trust::Untouched) => before,
            (Trust::OneByte, Trust::OneByte) => Trust::Damaged,
            (before, edit) => before.max(edit),
        }
    }
}

/// The header of a segment, its checksum at 12.
const HEADER_BYTES: usize = 72;
const HEADER_FIELDS: usize = 7;
/// What stands in front of a record's body, its checksum at 0, the body's length at 4.
const FRAME_BYTES: usize = 40;
const ALIGNMENT: usize = 8;

/// Makes one edit.
pub(crate) fn edit(disk: &MemoryDisk, draw: &mut Draw<'_>) -> Trust {
    let mut names = disk.list().expect("memory lists");
    names.sort();
    let kind = draw.below(14);
    if names.is_empty() || kind == 0 {
        return put_whole(disk, draw);
    }
    let name = &names[draw.below(names.len())];
    let content = disk.content(name).expect("it was listed");
    let (edited, trust) = match kind {
        1 | 2 => flip(content, draw),
        3 => overwrite(content, draw),
        4 => zero(content, draw),
        5 => {
            let other = &names[draw.below(names.len())];
            copy_block(content, &disk.content(other).expect("it was listed"), draw)
        }
        6 => resize(content, draw),
        7 => {
            disk.take(name);
            return Trust::Damaged;
        }
        8 => {
            disk.take(name);
            disk.put(&drawn_name(draw), content);
            return Trust::Damaged;
        }
        9 => forge_stamp(content, draw),
        10 | 11 => forge_header(content, draw),
        _ => forge_record(content, draw),
    };
    disk.put(name, edited);
    trust
}

type Edited = (Vec<u8>, Trust);

/// Whatever follows, as a file of any name.
fn put_whole(disk: &MemoryDisk, draw: &mut Draw<'_>) -> Trust {
    let name = drawn_name(draw);
    let len = usize::from(draw.short());
    disk.put(&name, draw.bytes(len).to_vec());
    Trust::Damaged
}

fn drawn_name(draw: &mut Draw<'_>) -> String {
    match draw.below(8) {
        0 => String::from("IDENTITY"),
        1 => String::from("BOOT"),
        2 => String::from("segment.tmp"),
        3 => format!("spare-{:010}", draw.number()),
        4 => String::from("log-0000000000"),
        _ => format!("log-{:010}", draw.number()),
    }
}

fn place(content: &[u8], draw: &mut Draw<'_>) -> usize {
    usize::from(draw.short()) % content.len().max(1)
}

fn flip(mut content: Vec<u8>, draw: &mut Draw<'_>) -> Edited {
    let at = place(&content, draw);
    let flip = draw.byte();
    match content.get_mut(at) {
        Some(byte) if flip != 0 => *byte ^= flip,
        _ => return (content, Trust::Untouched),
    }
    (content, Trust::OneByte)
}

fn overwrite(mut content: Vec<u8>, draw: &mut Draw<'_>) -> Edited {
    let at = place(&content, draw);
    let len = draw.below(64);
    let bytes = draw.bytes(len.min(content.len() - at));
    content[at..at + bytes.len()].copy_from_slice(bytes);
    (content, Trust::Damaged)
}

fn zero(mut content: Vec<u8>, draw: &mut Draw<'_>) -> Edited {
    let at = place(&content, draw);
    let end = (at + usize::from(draw.short())).min(content.len());
    content[at..end].fill(0);
    (content, Trust::Damaged)
}

fn copy_block(mut content: Vec<u8>, source: &[u8], draw: &mut Draw<'_>) -> Edited {
    let blocks = |bytes: &[u8]| bytes.len() / BLOCK_BYTES;
    if blocks(&content) > 0 && blocks(source) > 0 {
        let from = draw.below(blocks(source)) * BLOCK_BYTES;
        let to = draw.below(blocks(&content)) * BLOCK_BYTES;
        content[to..to + BLOCK_BYTES].copy_from_slice(&source[from..from + BLOCK_BYTES]);
    }
    (content, Trust::Damaged)
}

fn resize(mut content: Vec<u8>, draw: &mut Draw<'_>) -> Edited {
    content.resize(usize::from(draw.short()), draw.byte());
    (content, Trust::Damaged)
}

/// Replaces a piece of a text file whose last line is the checksum of the others.
fn forge_stamp(mut content: Vec<u8>, draw: &mut Draw<'_>) -> Edited {
    const LAST_LINE_BYTES: usize = 16;
    let Some(end) = content.len().checked_sub(LAST_LINE_BYTES) else {
        return (content, Trust::Untouched);
    };
    if !content[end..].starts_with(b"crc32c ") {
        return (content, Trust::Untouched);
    }
    let from = draw.below(end + 1);
    let to = (from + draw.below(20)).min(end);
    content.truncate(end);
    let len = draw.below(40);
    content.splice(from..to, draw.bytes(len).iter().copied());
    let checksum = crc32c::crc32c(&content);
    content.extend_from_slice(format!("crc32c {checksum:08x}\n").as_bytes());
    (content, Trust::Forged)
}

/// Replaces a field of a segment's header.
fn forge_header(mut content: Vec<u8>, draw: &mut Draw<'_>) -> Edited {
    if content.len() < HEADER_BYTES {
        return (content, Trust::Untouched);
    }
    let at = 16 + 8 * draw.below(HEADER_FIELDS);
    content[at..at + 8].copy_from_slice(&drawn_field(draw).to_le_bytes());
    content[12..16].fill(0);
    let checksum = crc32c::crc32c(&content[..HEADER_BYTES]);
    content[12..16].copy_from_slice(&checksum.to_le_bytes());
    (content, Trust::Forged)
}

/// A number, or a place in the log.
fn drawn_field(draw: &mut Draw<'_>) -> u64 {
    let number = draw.number();
    match draw.coin() {
        true => number << 32 | u64::from(draw.short()),
        false => number,
    }
}

/// Replaces something in one of a segment's records, or in the frame around it.
fn forge_record(mut content: Vec<u8>, draw: &mut Draw<'_>) -> Edited {
    let records = records(&content);
    if records.is_empty() {
        return (content, Trust::Untouched);
    }
    let record = records[draw.below(records.len())].clone();
    let seed = seed(&content);
    let bytes = &mut content[record];
    let at = 4 + usize::from(draw.short()) % (bytes.len() - 4);
    if draw.coin() {
        let at = (at / 8 * 8).max(8);
        if let Some(field) = bytes.get_mut(at..at + 8) {
            field.copy_from_slice(&drawn_field(draw).to_le_bytes());
        }
    } else {
        let len = draw.below(16);
        let put = draw.bytes(len.min(bytes.len() - at));
        bytes[at..at + put.len()].copy_from_slice(put);
    }
    let checksum = crc32c::crc32c_append(seed, &bytes[4..]);
    bytes[..4].copy_from_slice(&checksum.to_le_bytes());
    (content, Trust::Forged)
}

/// Where the intact records of a segment are. Groups begin at blocks.
fn records(content: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    let mut at = BLOCK_BYTES;
    let seed = seed(content);
    while let Some(frame) = content.get(at..at + FRAME_BYTES) {
        let body = u32::from_le_bytes([frame[4], frame[5], frame[6], frame[7]]) as usize;
        let end = at.saturating_add(FRAME_BYTES).saturating_add(body);
        let checksum = u32::from_le_bytes([frame[0], frame[1], frame[2], frame[3]]);
        match content.get(at + 4..end) {
            Some(rest) if crc32c::crc32c_append(seed, rest) == checksum => {
                found.push(at..end);
                at = end.next_multiple_of(ALIGNMENT);
            }
            _ => at = (at + 1).next_multiple_of(BLOCK_BYTES),
        }
    }
    found
}

/// Where the checksums of a segment's records start from: cluster, member and disk, as its header has
/// them.
fn seed(content: &[u8]) -> u32 {
    content.get(48..HEADER_BYTES).map_or(0, crc32c::crc32c)
}
