//! Messages on their way out: encoded once, shared by everybody who gets them.

use std::sync::Arc;

use bytes::BytesMut;
use spaxos_core::message::{Body, Message};
use spaxos_wire::frame::Frame;
use spaxos_wire::message;

/// One frame, ready to be written. Payloads are the shared bytes of the batches themselves.
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// What is written.
    pub(crate) frame: Frame,
    /// Its length.
    pub(crate) bytes: usize,
    /// The kind of message, for counters.
    pub(crate) kind: u8,
    /// Whether it may be dropped first: a batch, which the receiver fetches when it misses it.
    pub(crate) is_batch: bool,
}

impl Outgoing {
    /// Encodes `message`; `scratch` as [`Frame::message`] wants it.
    pub(crate) fn new(message: &Message, scratch: &mut BytesMut) -> Arc<Outgoing> {
        let frame = Frame::message(message, scratch);
        let bytes = frame.bytes();
        Arc::new(Outgoing {
            frame,
            bytes,
            kind: message::kind(&message.body),
            is_batch: matches!(message.body, Body::Batch(_)),
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use spaxos_core::batch::Batch;
    use spaxos_core::message::Header;
    use spaxos_core::types::{Position, ReplicaId, Time};

    use super::*;

    /// A batch of `payload` bytes, or an ack.
    pub(crate) fn outgoing(payload: Option<usize>) -> Arc<Outgoing> {
        let batch = |bytes| {
            let payload = vec![0; bytes].into();
            Batch::new(ReplicaId(1), Position::new(1, 1), 0, 1, payload, Vec::new())
        };
        let body = match payload {
            Some(bytes) => Body::Batch(Arc::new(batch(bytes))),
            None => Body::Acks { echo: Time(0) },
        };
        let header = Header::default();
        Outgoing::new(&Message { header, body }, &mut BytesMut::new())
    }
}
