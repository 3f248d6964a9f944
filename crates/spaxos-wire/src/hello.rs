//! Greetings: the first frame each way on every connection, before anything else is believed.
//!
//! Whoever connects says who it is and whom it means to reach; the other side answers with the same
//! about itself, or refuses with a reason. Both sides check both.

use bytes::{BufMut, Bytes, BytesMut};
use spaxos_core::batch::hash_words;
use spaxos_core::config::{Dissemination, Limits, Modes, Propose, Votes};
use spaxos_core::record::Life;
use spaxos_core::sessions::SessionLimits;
use spaxos_core::types::{Incarnation, ReplicaId};

use crate::cursor::Cursor;
use crate::error::DecodeError;
use crate::value;

/// The version of everything that members and clients exchange. Both sides of a connection must
/// have the same.
pub const FORMAT: u16 = 1;
/// The longest frame that is read before the greeting is done, in bytes as in
/// [`crate::frame::FrameReader::new`].
pub const HELLO_BYTES_MAX: usize = 256;

/// `SPXO` in the order of the bytes: tells a stray connection from an old version.
const MAGIC: u32 = u32::from_le_bytes(*b"SPXO");

const PEER: u8 = 1;
const CLIENT: u8 = 2;
const REFUSED: u8 = 3;

/// The first frame of whoever opened the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hello {
    /// A member of the cluster, or who claims to be one.
    Peer(PeerHello),
    /// A client of the native protocol.
    Client(ClientHello),
}

/// What a member says of itself and of the one it talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerHello {
    /// Clusters do not mix.
    pub cluster_id: u64,
    /// Who speaks.
    pub member_id: ReplicaId,
    /// Whom the speaker means to reach: a moved address is noticed.
    pub receiver_id: ReplicaId,
    /// Drawn when the speaker's data directory was made: an exchanged disk is noticed.
    pub disk_id: u64,
    /// The speaker's present life.
    pub life: Life,
    /// The latest life of the receiver that the speaker has heard of; zero if none. A receiver that
    /// finds itself older than this has lost its memory.
    pub known: Life,
    /// [`fingerprint`] of what must be equal on all members.
    pub fingerprint: u64,
}

/// What a client says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientHello {
    /// The cluster it means to reach; 0 if any will do.
    pub cluster_id: u64,
}

/// The answer to a [`Hello`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HelloReply {
    /// To a member: the same about the other side.
    Peer(PeerHello),
    /// To a client: where it is, and what it may send.
    Client(ClientWelcome),
    /// To anybody: no, and why. The connection is closed behind it.
    Refused(Refusal),
}

/// What a client learns at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientWelcome {
    /// The cluster.
    pub cluster_id: u64,
    /// The member.
    pub member_id: ReplicaId,
    /// The largest submission, in bytes of chunks.
    pub chunk_bytes_max: u32,
    /// The most requests in one submission.
    pub requests_max: u32,
    /// The longest frame either way, in bytes.
    pub frame_bytes_max: u32,
}

/// Why a connection was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The greeting could not be read.
    #[error("the greeting could not be read")]
    Malformed,
    /// Another format version is spoken here.
    #[error("format version {format} is spoken here")]
    Format {
        /// The receiver's version.
        format: u16,
    },
    /// Another cluster.
    #[error("this is cluster {cluster_id:016x}")]
    WrongCluster {
        /// The receiver's cluster.
        cluster_id: u64,
    },
    /// Another member has this address.
    #[error("this is member {member_id}")]
    WrongReceiver {
        /// Who the receiver is.
        member_id: ReplicaId,
    },
    /// The greeter is no member here.
    #[error("not a member of this cluster")]
    NotAMember,
    /// The greeter claims the receiver's own id.
    #[error("this member id is in use by the process that was greeted")]
    SameMember,
    /// The greeter's member id belongs to another disk.
    #[error("this member has another disk, {disk_id:016x}")]
    WrongDisk {
        /// The disk that the receiver knows of.
        disk_id: u64,
    },
    /// Modes or limits differ, which must be equal on all members.
    #[error("modes or limits of the members differ")]
    OtherSettings {
        /// The receiver's fingerprint.
        fingerprint: u64,
    },
    /// A later life of the greeter, or another one with the same number, is known here.
    #[error("a later life of this member is known: incarnation {}", known.incarnation)]
    Replaced {
        /// The life that the receiver knows of.
        known: Life,
    },
    /// Too many connections.
    #[error("too many connections")]
    Busy,
    /// The receiver is starting or stopping; try again.
    #[error("not ready")]
    NotReady,
}

impl Refusal {
    /// A short name, for counters and logs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Refusal::Malformed => "Malformed",
            Refusal::Format { .. } => "Format",
            Refusal::WrongCluster { .. } => "WrongCluster",
            Refusal::WrongReceiver { .. } => "WrongReceiver",
            Refusal::NotAMember => "NotAMember",
            Refusal::SameMember => "SameMember",
            Refusal::WrongDisk { .. } => "WrongDisk",
            Refusal::OtherSettings { .. } => "OtherSettings",
            Refusal::Replaced { .. } => "Replaced",
            Refusal::Busy => "Busy",
            Refusal::NotReady => "NotReady",
        }
    }
}

/// A hash over everything that must be equal on all members. A batch that one member may make and
/// another may not take would block its lane for ever, so members that differ do not talk.
#[must_use]
pub fn fingerprint(modes: &Modes, limits: &Limits, sessions: &SessionLimits) -> u64 {
    let parts = [
        modes_hash(modes),
        limits_hash(limits),
        sessions_hash(sessions),
    ];
    hash_words(&parts)
}

fn modes_hash(modes: &Modes) -> u64 {
    let Modes {
        dissemination,
        propose,
        votes,
    } = *modes;
    hash_words(&[
        u64::from(dissemination == Dissemination::Leader),
        u64::from(propose == Propose::Stable),
        u64::from(votes == Votes::Leader),
    ])
}

/// The limits that decide what a member may send and must be able to take. Those of its own caches
/// and queues may differ.
fn limits_hash(limits: &Limits) -> u64 {
    hash_words(&[
        limits.members_max as u64,
        limits.chunk_bytes_max as u64,
        limits.batch_bytes_max as u64,
        limits.slot_bytes_max,
        limits.window_slots_max,
        limits.lane_bytes_max,
        limits.reserve_bytes,
        limits.incarnations_max as u64,
        limits.held_bytes_max,
        limits.message_slots_max as u64,
        limits.round_step_max,
    ])
}

/// All of them: the session table is replicated state.
fn sessions_hash(limits: &SessionLimits) -> u64 {
    let SessionLimits {
        sessions_max,
        window_max,
        answer_bytes_max,
        idle_ns_max,
    } = *limits;
    hash_words(&[
        sessions_max as u64,
        window_max,
        answer_bytes_max,
        idle_ns_max,
    ])
}

/// Appends the body of a hello.
pub fn encode(hello: &Hello, head: &mut BytesMut) {
    put_magic(head);
    match hello {
        Hello::Peer(peer) => {
            head.put_u8(PEER);
            put_peer(head, peer);
        }
        Hello::Client(client) => {
            head.put_u8(CLIENT);
            head.put_u64_le(client.cluster_id);
        }
    }
}

/// Reads a hello that fills `body`.
///
/// # Errors
/// See [`DecodeError`]. [`Refusal::from`] says what to answer.
pub fn decode(body: Bytes) -> Result<Hello, DecodeError> {
    let mut cursor = Cursor::new(body, "a hello");
    check_magic(&mut cursor)?;
    let hello = match cursor.u8()? {
        PEER => Hello::Peer(peer(&mut cursor)?),
        CLIENT => Hello::Client(ClientHello {
            cluster_id: cursor.u64()?,
        }),
        kind => {
            let what = "hello";
            return Err(DecodeError::UnknownKind { what, kind });
        }
    };
    cursor.finish()?;
    Ok(hello)
}

/// Appends the body of the answer to a hello.
pub fn encode_reply(reply: &HelloReply, head: &mut BytesMut) {
    put_magic(head);
    match reply {
        HelloReply::Peer(peer) => {
            head.put_u8(PEER);
            put_peer(head, peer);
        }
        HelloReply::Client(welcome) => {
            head.put_u8(CLIENT);
            head.put_u64_le(welcome.cluster_id);
            head.put_u64_le(welcome.member_id.0);
            head.put_u32_le(welcome.chunk_bytes_max);
            head.put_u32_le(welcome.requests_max);
            head.put_u32_le(welcome.frame_bytes_max);
        }
        HelloReply::Refused(refusal) => {
            head.put_u8(REFUSED);
            let (reason, first, second) = refusal_numbers(refusal);
            head.put_u8(reason);
            head.put_u64_le(first);
            head.put_u64_le(second);
        }
    }
}

/// Reads the answer to a hello that fills `body`.
///
/// # Errors
/// See [`DecodeError`]. A refusal is not an error of reading.
pub fn decode_reply(body: Bytes) -> Result<HelloReply, DecodeError> {
    let mut cursor = Cursor::new(body, "an answer to a hello");
    check_magic(&mut cursor)?;
    let reply = match cursor.u8()? {
        PEER => HelloReply::Peer(peer(&mut cursor)?),
        CLIENT => HelloReply::Client(ClientWelcome {
            cluster_id: cursor.u64()?,
            member_id: ReplicaId(cursor.u64()?),
            chunk_bytes_max: cursor.u32()?,
            requests_max: cursor.u32()?,
            frame_bytes_max: cursor.u32()?,
        }),
        REFUSED => HelloReply::Refused(refusal(&mut cursor)?),
        kind => {
            let what = "answer to a hello";
            return Err(DecodeError::UnknownKind { what, kind });
        }
    };
    cursor.finish()?;
    Ok(reply)
}

impl From<DecodeError> for Refusal {
    /// What to answer to a hello that could not be read.
    fn from(error: DecodeError) -> Refusal {
        match error {
            DecodeError::UnsupportedVersion { .. } => Refusal::Format { format: FORMAT },
            _ => Refusal::Malformed,
        }
    }
}

fn put_magic(head: &mut BytesMut) {
    head.put_u32_le(MAGIC);
    head.put_u16_le(FORMAT);
}

fn check_magic(cursor: &mut Cursor) -> Result<(), DecodeError> {
    if cursor.u32()? != MAGIC {
        return Err(DecodeError::NotAGreeting);
    }
    let version = cursor.u16()?;
    if version != FORMAT {
        let what = "greeting";
        return Err(DecodeError::UnsupportedVersion { what, version });
    }
    Ok(())
}

fn put_peer(head: &mut BytesMut, peer: &PeerHello) {
    head.put_u64_le(peer.cluster_id);
    head.put_u64_le(peer.member_id.0);
    head.put_u64_le(peer.receiver_id.0);
    head.put_u64_le(peer.disk_id);
    value::put_life(head, peer.life);
    value::put_life(head, peer.known);
    head.put_u64_le(peer.fingerprint);
}

fn peer(cursor: &mut Cursor) -> Result<PeerHello, DecodeError> {
    Ok(PeerHello {
        cluster_id: cursor.u64()?,
        member_id: ReplicaId(cursor.u64()?),
        receiver_id: ReplicaId(cursor.u64()?),
        disk_id: cursor.u64()?,
        life: value::life(cursor)?,
        known: value::life(cursor)?,
        fingerprint: cursor.u64()?,
    })
}

/// A refusal as its reason and two numbers, which are 0 where the reason has less to say.
const fn refusal_numbers(refusal: &Refusal) -> (u8, u64, u64) {
    match refusal {
        Refusal::Malformed => (1, 0, 0),
        Refusal::Format { format } => (2, *format as u64, 0),
        Refusal::WrongCluster { cluster_id } => (3, *cluster_id, 0),
        Refusal::WrongReceiver { member_id } => (4, member_id.0, 0),
        Refusal::NotAMember => (5, 0, 0),
        Refusal::SameMember => (6, 0, 0),
        Refusal::WrongDisk { disk_id } => (7, *disk_id, 0),
        Refusal::OtherSettings { fingerprint } => (8, *fingerprint, 0),
        Refusal::Replaced { known } => (9, known.incarnation.0, known.nonce),
        Refusal::Busy => (10, 0, 0),
        Refusal::NotReady => (11, 0, 0),
    }
}

fn refusal(cursor: &mut Cursor) -> Result<Refusal, DecodeError> {
    let reason = cursor.u8()?;
    let first = cursor.u64()?;
    let second = cursor.u64()?;
    let refusal = match reason {
        1 => Refusal::Malformed,
        // A wider number than a version has does not come back as it was, and is caught below.
        2 => Refusal::Format {
            format: (first & 0xffff) as u16,
        },
        3 => Refusal::WrongCluster { cluster_id: first },
        4 => Refusal::WrongReceiver {
            member_id: ReplicaId(first),
        },
        5 => Refusal::NotAMember,
        6 => Refusal::SameMember,
        7 => Refusal::WrongDisk { disk_id: first },
        8 => Refusal::OtherSettings { fingerprint: first },
        9 => Refusal::Replaced {
            known: Life {
                incarnation: Incarnation(first),
                nonce: second,
            },
        },
        10 => Refusal::Busy,
        11 => Refusal::NotReady,
        kind => {
            let what = "refusal";
            return Err(DecodeError::UnknownKind { what, kind });
        }
    };
    if refusal_numbers(&refusal) != (reason, first, second) {
        let what = "number of a refusal";
        return Err(DecodeError::OutOfRange { what, value: first });
    }
    Ok(refusal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_is_told_ours_and_garbage_is_told_nothing() {
        let mut head = BytesMut::new();
        encode(&Hello::Client(ClientHello { cluster_id: 1 }), &mut head);
        let mut other = head.clone();
        other[4] = 9;
        other.put_slice(b"things that we do not know");
        let error = decode(other.freeze()).expect_err("another version");
        assert_eq!(Refusal::from(error), Refusal::Format { format: FORMAT });
        head[0] = b'X';
        let error = decode(head.freeze()).expect_err("another protocol");
        assert_eq!(error, DecodeError::NotAGreeting);
        assert_eq!(Refusal::from(error), Refusal::Malformed);
    }

    #[test]
    fn each_setting_changes_the_fingerprint() {
        let sessions = SessionLimits::default();
        let of = |modes: Modes, limits: Limits| fingerprint(&modes, &limits, &sessions);
        let base = of(Modes::default(), Limits::default());
        let votes = Modes {
            votes: Votes::Leader,
            ..Modes::default()
        };
        let limits = Limits {
            batch_bytes_max: 1 << 20,
            ..Limits::default()
        };
        assert_ne!(base, of(votes, Limits::default()));
        assert_ne!(base, of(Modes::default(), limits));
        assert_eq!(base, of(Modes::default(), Limits::default()));
    }

    #[test]
    fn numbers_that_a_refusal_does_not_have_must_be_zero() {
        let mut head = BytesMut::new();
        encode_reply(&HelloReply::Refused(Refusal::Busy), &mut head);
        head[8] = 1;
        assert!(decode_reply(head.freeze()).is_err());
    }
}
