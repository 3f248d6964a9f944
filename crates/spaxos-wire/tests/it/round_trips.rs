//! What is written can be read back, whatever it is and however it arrives.

use std::collections::BTreeSet;

use bytes::BytesMut;
use proptest::prelude::*;
use spaxos_wire::chunk;
use spaxos_wire::frame::FrameReader;
use spaxos_wire::{WireLimits, message, record};

use crate::anything::{Anything, joined};
use crate::{examples, strategies};

proptest! {
    #[test]
    fn everything_comes_back(thing in strategies::anything()) {
        prop_assert_eq!(thing.decode_alike(thing.encode()), Ok(thing.clone()));
    }

    #[test]
    fn frames_come_back_in_whatever_pieces_they_arrive(
        things in proptest::collection::vec(strategies::anything(), 1..4),
        pieces in proptest::collection::vec(1..200_usize, 1..9),
    ) {
        let framed = || things.iter().filter(|thing| thing.frame().is_some());
        let frames: Vec<_> = framed().filter_map(|thing| thing.frame()).collect();
        let mut wire: &[u8] = &frames.iter().map(joined).collect::<Vec<_>>().concat();
        let reader = FrameReader::new(WireLimits::default().frame_bytes_max);
        let mut buffer = BytesMut::new();
        let mut found = Vec::new();
        for piece in pieces.into_iter().cycle() {
            while let Some(frame) = reader.read(&mut buffer).expect("intact") {
                found.push(frame);
            }
            if wire.is_empty() {
                break;
            }
            reader.reserve(&mut buffer);
            let (now, later) = wire.split_at(piece.min(wire.len()));
            buffer.extend_from_slice(now);
            wire = later;
        }
        prop_assert!(buffer.is_empty());
        prop_assert_eq!(found.len(), frames.len());
        for (thing, frame) in framed().zip(found) {
            prop_assert_eq!(Some(frame.kind), thing.frame_kind());
            prop_assert_eq!(thing.decode_alike(frame.body), Ok(thing.clone()));
        }
    }

    #[test]
    fn chunks_are_valid_as_their_builders_make_them(payload in strategies::chunks()) {
        let requests = chunk::validate(&payload, &WireLimits::default()).expect("valid");
        let views = chunk::iter(&payload).map(|found| found.expect("valid"));
        prop_assert_eq!(views.map(|view| view.requests()).sum::<u32>(), requests);
    }
}

#[test]
fn every_kind_has_a_name_and_an_example() {
    let mut kinds = BTreeSet::new();
    for (name, thing) in examples::messages() {
        let Anything::Message(message) = thing else {
            continue;
        };
        let kind = message::kind(&message.body);
        assert_eq!(message::kind_name(kind), Some(name.as_str()));
        assert!(kinds.insert(usize::from(kind)));
    }
    assert!(kinds.into_iter().eq(1..message::KINDS_END));
    let mut kinds = BTreeSet::new();
    for (name, thing) in examples::records() {
        let Anything::Record(record) = thing else {
            continue;
        };
        let kind = record::kind(&record);
        assert_eq!(record::kind_name(kind), Some(name.as_str()));
        assert!(kinds.insert(usize::from(kind)));
    }
    assert!(kinds.into_iter().eq(1..record::KINDS_END));
}
