//! Payloads are shared, never copied; and a batch looks the same in the log and on the network.

use bytes::{Bytes, BytesMut};
use spaxos_core::message::{Body, Header, Message};
use spaxos_core::record::Record;
use spaxos_wire::frame::{Frame, FrameReader};
use spaxos_wire::{WireLimits, message, record};

use crate::anything::{Anything, joined};
use crate::examples;

fn lies_in(part: &Bytes, whole: &Bytes) -> bool {
    whole.as_ptr_range().contains(&part.as_ptr())
}

fn batch_message() -> Message {
    let header = Header::default();
    let body = Body::Batch(examples::batch());
    Message { header, body }
}

#[test]
fn encoders_hand_on_the_payload_itself() {
    let message = batch_message();
    let Body::Batch(batch) = &message.body else {
        unreachable!("it is one")
    };
    let mut payloads = Vec::new();
    message::encode(&message, &mut BytesMut::new(), &mut payloads);
    assert_eq!(payloads[0].as_ptr(), batch.payload.as_ptr());
    let payload = record::encode(&Record::Batch(batch.clone()), &mut BytesMut::new());
    assert_eq!(payload.as_ptr(), batch.payload.as_ptr());

    let frame = Frame::message(&message, &mut BytesMut::new());
    let for_another = frame.clone();
    let shared = frame.segments().zip(for_another.segments());
    shared.for_each(|(one, other)| assert_eq!(one.as_ptr(), other.as_ptr()));
    assert_eq!(
        frame.segments().last().map(|s| s.as_ptr()),
        Some(batch.payload.as_ptr())
    );
}

#[test]
fn decoders_slice_the_payload_out_of_what_arrived() {
    let limits = WireLimits::default();
    let mut buffer = joined(&Frame::message(&batch_message(), &mut BytesMut::new()));
    let reader = FrameReader::new(limits.frame_bytes_max);
    let body = reader
        .read(&mut buffer)
        .expect("intact")
        .expect("whole")
        .body;
    let found = message::decode(body.clone(), &limits).expect("valid").body;
    assert!(matches!(found, Body::Batch(batch) if lies_in(&batch.payload, &body)));

    let body = Anything::Record(Record::Batch(examples::batch())).encode();
    let found = record::decode(body.clone()).expect("valid");
    assert!(matches!(found, Record::Batch(batch) if lies_in(&batch.payload, &body)));
}

#[test]
fn a_batch_has_the_same_bytes_in_the_log_and_on_the_network() {
    for batch in [examples::batch(), examples::forwarded_batch()] {
        let record = Anything::Record(Record::Batch(batch.clone())).encode();
        let header = Header::default();
        let body = Body::Batch(batch);
        let message = Anything::Message(Message { header, body }).encode();
        // Kind and version stand before the one, kind and an empty header before the other.
        assert_eq!(record[2..], message[53..]);
    }
}

#[test]
fn frames_of_one_scratch_buffer_share_its_memory() {
    let mut scratch = BytesMut::with_capacity(4096);
    let first = Frame::message(&batch_message(), &mut scratch);
    let second = Frame::message(&batch_message(), &mut scratch);
    let end = |frame: &Frame| frame.segments().next().map(|head| head.as_ptr_range().end);
    let start = |frame: &Frame| frame.segments().next().map(|head| head.as_ptr());
    assert_eq!(end(&first), start(&second));
    assert_eq!(first, second);
}
