//! Messages between members.
//!
//! A message is its *head* (kind, header, all fixed fields and all lengths) with its payloads
//! behind it. Nothing in it depends on who receives it, so a broadcast is encoded once.

mod decode;
mod encode;

pub use decode::decode;
pub use encode::encode;

use spaxos_core::message::Body;

const BATCH: u8 = 1;
const ACKS: u8 = 2;
const HEARTBEAT: u8 = 3;
const ACCEPT: u8 = 4;
const ACCEPTED: u8 = 5;
const ADOPT: u8 = 6;
const DECIDE: u8 = 7;
const PRE_VOTE: u8 = 8;
const PRE_VOTE_REPLY: u8 = 9;
const PREPARE: u8 = 10;
const PROMISE: u8 = 11;
const REFUSE: u8 = 12;
const FETCH_BATCHES: u8 = 13;
const FETCH_SLOTS: u8 = 14;
const SLOTS: u8 = 15;
const READ_QUERY: u8 = 16;
const READ_ANSWER: u8 = 17;
const FORWARD: u8 = 18;

/// One more than the highest message kind: the size of a table of counters by kind.
pub const KINDS_END: usize = FORWARD as usize + 1;

/// The first byte of an encoded message. For counters; the name is [`Body::name`].
#[must_use]
pub const fn kind(body: &Body) -> u8 {
    match body {
        Body::Batch(_) => BATCH,
        Body::Acks { .. } => ACKS,
        Body::Heartbeat { .. } => HEARTBEAT,
        Body::Accept { .. } => ACCEPT,
        Body::Accepted { .. } => ACCEPTED,
        Body::Adopt { .. } => ADOPT,
        Body::Decide => DECIDE,
        Body::PreVote { .. } => PRE_VOTE,
        Body::PreVoteReply { .. } => PRE_VOTE_REPLY,
        Body::Prepare { .. } => PREPARE,
        Body::Promise(_) => PROMISE,
        Body::Refuse { .. } => REFUSE,
        Body::FetchBatches { .. } => FETCH_BATCHES,
        Body::FetchSlots { .. } => FETCH_SLOTS,
        Body::Slots { .. } => SLOTS,
        Body::ReadQuery { .. } => READ_QUERY,
        Body::ReadAnswer { .. } => READ_ANSWER,
        Body::Forward { .. } => FORWARD,
    }
}

/// The name of a message kind as [`kind`] gives it; `None` if there is no such kind.
#[must_use]
pub const fn kind_name(kind: u8) -> Option<&'static str> {
    Some(match kind {
        BATCH => "Batch",
        ACKS => "Acks",
        HEARTBEAT => "Heartbeat",
        ACCEPT => "Accept",
        ACCEPTED => "Accepted",
        ADOPT => "Adopt",
        DECIDE => "Decide",
        PRE_VOTE => "PreVote",
        PRE_VOTE_REPLY => "PreVoteReply",
        PREPARE => "Prepare",
        PROMISE => "Promise",
        REFUSE => "Refuse",
        FETCH_BATCHES => "FetchBatches",
        FETCH_SLOTS => "FetchSlots",
        SLOTS => "Slots",
        READ_QUERY => "ReadQuery",
        READ_ANSWER => "ReadAnswer",
        FORWARD => "Forward",
        _ => return None,
    })
}
