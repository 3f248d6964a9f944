//! Bytes to messages, log records and client frames, and back.
//!
//! # What this crate is
//!
//! The one place that knows how the things of `spaxos-core` look as bytes: little-endian fields of
//! fixed size, a `u32` in front of everything that repeats, a kind and a version in front of
//! everything that may change. `docs/formats.md` has all of it byte by byte, and golden files pin it.
//!
//! A batch's payload is never copied and never encoded again: encoders append the fixed *head* of
//! what they encode and hand on the shared payload that belongs behind it; decoders slice payloads
//! out of what arrived. The client's bytes are the log's bytes are the network's bytes.
//!
//! Decoders believe nothing: every length and count is checked against the bytes at hand and against
//! [`WireLimits`] before anything is allocated, every number against the range in which arithmetic on
//! it is safe, every order that later code relies on. Bytes behind the end are an error. No input
//! makes them panic. What only a member can judge (whether a lane belongs to one, whether a ballot
//! is too far ahead) is left to the core.
//!
//! # What it never does
//!
//! No file, socket, clock or log line. It does not know what a command means, nor whether a message
//! makes sense now.
//!
//! # Reading order
//!
//! [`record`] and [`message`] first, with `value.rs` and `batch.rs` for the parts that they share and
//! `cursor.rs` for how any field is read; then [`frame`] around messages, [`hello`] before them; then
//! the client's side: [`chunk`], [`answer`], [`client`].
//!
//! # Example
//!
//! ```
//! use bytes::BytesMut;
//! use spaxos_core::message::{Body, Header, Message};
//! use spaxos_core::types::Time;
//! use spaxos_wire::frame::{Frame, FrameReader};
//! use spaxos_wire::{WireLimits, message};
//!
//! let limits = WireLimits::default();
//! let sent = Message {
//!     header: Header::default(),
//!     body: Body::Acks { echo: Time(7) },
//! };
//! let mut scratch = BytesMut::with_capacity(4096);
//! let frame = Frame::message(&sent, &mut scratch); // once, for all receivers
//!
//! let mut buffer = BytesMut::new();
//! frame.segments().for_each(|part| buffer.extend_from_slice(part));
//! let received = FrameReader::new(limits.frame_bytes_max).read(&mut buffer)?;
//! let body = received.expect("the frame is whole").body;
//! assert_eq!(message::decode(body, &limits)?, sent);
//! # Ok::<(), spaxos_wire::DecodeError>(())
//! ```

pub mod answer;
mod batch;
pub mod chunk;
pub mod client;
mod cursor;
mod error;
pub mod frame;
pub mod hello;
mod limits;
pub mod message;
pub mod record;
mod status;
mod value;

pub use cursor::NUMBER_END;
pub use error::DecodeError;
pub use limits::WireLimits;
