//! Messages as the bytes that really travel: encoded by the sender, decoded by the receiver.

use bytes::{Bytes, BytesMut};
use spaxos_core::config::Limits;
use spaxos_core::message::Message;
use spaxos_wire::WireLimits;
use spaxos_wire::frame::{Frame, FrameKind, FrameReader};
use spaxos_wire::message;

use crate::violation::{Checked, Violation, ensure};

const NAME: &str = "wire";

/// The codec of both ends.
#[derive(Debug)]
pub(crate) struct Wire {
    limits: WireLimits,
}

impl Wire {
    pub(crate) fn new(limits: &Limits) -> Wire {
        Wire {
            limits: WireLimits::new(limits),
        }
    }

    /// The frame of a message, which must be one that every member takes.
    pub(crate) fn encode(&self, message: &Message) -> Checked<Bytes> {
        let frame = Frame::message(message, &mut BytesMut::new());
        ensure(frame.fits(self.limits.frame_bytes_max), NAME, || {
            format!("{} has {} bytes", message.body.name(), frame.bytes())
        })?;
        let segments: Vec<Bytes> = frame.segments().cloned().collect();
        Ok(Bytes::from(segments.concat()))
    }

    /// What a receiver makes of these bytes: `None` if it closes the connection.
    pub(crate) fn decode(&self, bytes: &Bytes) -> Option<Message> {
        let mut buffer = BytesMut::from(&bytes[..]);
        let reader = FrameReader::new(self.limits.frame_bytes_max);
        let received = reader.read(&mut buffer).ok()??;
        if received.kind != FrameKind::Message {
            return None;
        }
        message::decode(received.body, &self.limits).ok()
    }

    /// Bytes that arrive as they were sent mean what was sent.
    pub(crate) fn check(&self, bytes: &Bytes, sent: &Message) -> Checked {
        let decoded = self.decode(bytes);
        ensure(decoded.as_ref() == Some(sent), NAME, || {
            format!("{sent:?} arrives as {decoded:?}")
        })
    }

    /// Bytes that were changed under way are noticed.
    pub(crate) fn check_noticed(&self, bytes: &Bytes) -> Checked {
        match self.decode(bytes) {
            None => Ok(()),
            Some(message) => Err(Violation::new(
                NAME,
                format!("damage passes as {message:?}"),
            )),
        }
    }
}
