//! Everything that has a format, behind one face, so that each property is stated once.

use bytes::{Bytes, BytesMut};
use spaxos_core::message::Message;
use spaxos_core::record::Record;
use spaxos_wire::client::{self, Request, Response};
use spaxos_wire::frame::{Frame, FrameKind, Received};
use spaxos_wire::hello::{self, Hello, HelloReply};
use spaxos_wire::{DecodeError, WireLimits, message, record};

/// Something that has a format.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Anything {
    Record(Record),
    Message(Message),
    Hello(Hello),
    HelloReply(HelloReply),
    Request(Request),
    Response(Response),
}

impl Anything {
    /// Its body, in one piece.
    pub(crate) fn encode(&self) -> Bytes {
        let mut head = BytesMut::new();
        let mut payloads = Vec::new();
        match self {
            Anything::Record(record) => payloads.push(record::encode(record, &mut head)),
            Anything::Message(message) => message::encode(message, &mut head, &mut payloads),
            Anything::Hello(hello) => hello::encode(hello, &mut head),
            Anything::HelloReply(reply) => hello::encode_reply(reply, &mut head),
            Anything::Request(request) => {
                payloads.extend(client::encode_request(request, &mut head));
            }
            Anything::Response(response) => {
                payloads.extend(client::encode_response(response, &mut head));
            }
        }
        payloads
            .iter()
            .for_each(|payload| head.extend_from_slice(payload));
        head.freeze()
    }

    /// Reads `body` as something of the same sort.
    pub(crate) fn decode_alike(&self, body: Bytes) -> Result<Anything, DecodeError> {
        let limits = WireLimits::default();
        Ok(match self {
            Anything::Record(_) => Anything::Record(record::decode(body)?),
            Anything::Message(_) => Anything::Message(message::decode(body, &limits)?),
            Anything::Hello(_) => Anything::Hello(hello::decode(body)?),
            Anything::HelloReply(_) => Anything::HelloReply(hello::decode_reply(body)?),
            Anything::Request(request) => {
                let kind = request.kind();
                let frame = Received { kind, body };
                Anything::Request(client::decode_request(frame, &limits)?)
            }
            Anything::Response(response) => {
                let kind = response.kind();
                let frame = Received { kind, body };
                Anything::Response(client::decode_response(frame, &limits)?)
            }
        })
    }

    /// Its frame; records have none.
    pub(crate) fn frame(&self) -> Option<Frame> {
        let scratch = &mut BytesMut::new();
        match self {
            Anything::Record(_) => None,
            Anything::Message(message) => Some(Frame::message(message, scratch)),
            Anything::Hello(hello) => Some(Frame::hello(hello)),
            Anything::HelloReply(reply) => Some(Frame::hello_reply(reply)),
            Anything::Request(request) => Some(Frame::request(request, scratch)),
            Anything::Response(response) => Some(Frame::response(response, scratch)),
        }
    }

    /// The kind of its frame.
    pub(crate) fn frame_kind(&self) -> Option<FrameKind> {
        match self {
            Anything::Record(_) => None,
            Anything::Message(_) => Some(FrameKind::Message),
            Anything::Hello(_) => Some(FrameKind::Hello),
            Anything::HelloReply(_) => Some(FrameKind::HelloReply),
            Anything::Request(request) => Some(request.kind()),
            Anything::Response(response) => Some(response.kind()),
        }
    }
}

/// A frame in one piece.
pub(crate) fn joined(frame: &Frame) -> BytesMut {
    let mut bytes = BytesMut::new();
    frame
        .segments()
        .for_each(|part| bytes.extend_from_slice(part));
    bytes
}
