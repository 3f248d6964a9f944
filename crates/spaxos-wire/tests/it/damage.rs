//! What is cut short, changed or made up is refused, and never more than refused.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use spaxos_wire::frame::FrameReader;
use spaxos_wire::{DecodeError, NUMBER_END, WireLimits, chunk, message, record};

use crate::anything::joined;
use crate::{examples, strategies};

#[test]
fn every_truncation_is_an_error() {
    for (name, thing) in examples::all() {
        let whole = thing.encode();
        for len in 0..whole.len() {
            let found = thing.decode_alike(whole.slice(..len));
            assert!(found.is_err(), "{name}, the first {len} bytes: {found:?}");
        }
    }
}

#[test]
fn bytes_behind_the_end_are_an_error() {
    for (name, thing) in examples::all() {
        let longer = [&thing.encode()[..], &[0]].concat();
        let found = thing.decode_alike(Bytes::from(longer));
        assert!(found.is_err(), "{name}: {found:?}");
    }
}

#[test]
fn every_flip_of_a_byte_of_a_frame_is_refused() {
    const BYTES_MAX: usize = 4096;
    let reader = FrameReader::new(BYTES_MAX);
    for (name, thing) in examples::all() {
        let Some(frame) = thing.frame() else { continue };
        let frame = joined(&frame);
        assert!(frame.len() < BYTES_MAX, "{name} is an example");
        for at in 0..frame.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut buffer = frame.clone();
                buffer[at] ^= flip;
                // So much follows that a length which became longer is borne out.
                buffer.resize(2 * BYTES_MAX, 0);
                let found = reader.read(&mut buffer);
                assert!(found.is_err(), "{name}, byte {at} ^ {flip}: {found:?}");
            }
        }
    }
}

proptest! {
    #[test]
    fn a_truncation_of_anything_is_an_error(
        thing in strategies::anything(),
        len in any::<prop::sample::Index>(),
    ) {
        let whole = thing.encode();
        let len = len.index(whole.len());
        prop_assert!(thing.decode_alike(whole.slice(..len)).is_err());
    }

    #[test]
    fn a_changed_body_is_refused_or_means_just_what_it_says(
        thing in strategies::anything(),
        at in any::<prop::sample::Index>(),
        flip in 1..=u8::MAX,
    ) {
        let mut body = BytesMut::from(&thing.encode()[..]);
        let at = at.index(body.len());
        body[at] ^= flip;
        let body = body.freeze();
        // Everything has one encoding: whatever can be read is written the same way again.
        if let Ok(other) = thing.decode_alike(body.clone()) {
            prop_assert_eq!(other.encode(), body);
        }
    }

    #[test]
    fn made_up_bytes_never_panic(
        thing in strategies::anything(),
        start in 0..4_usize,
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        // A true beginning lets the made-up rest get behind the first check.
        let whole = thing.encode();
        let body = [&whole[..start.min(whole.len())], &bytes[..]].concat();
        if let Ok(other) = thing.decode_alike(Bytes::from(body.clone())) {
            prop_assert_eq!(other.encode(), body);
        }
    }

    #[test]
    fn made_up_frames_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut buffer = BytesMut::from(&bytes[..]);
        let reader = FrameReader::new(200);
        while let Ok(Some(_)) = reader.read(&mut buffer) {}
    }

    #[test]
    fn made_up_payloads_never_panic(
        payload in strategies::chunks(),
        keep in any::<prop::sample::Index>(),
        bytes in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        let payload = [&payload[..keep.index(payload.len())], &bytes[..]].concat();
        let found: Vec<_> = chunk::iter(&payload).collect();
        let errors = found.iter().filter(|chunk| chunk.is_err()).count();
        prop_assert!(errors <= 1, "an error ends the payload");
        let valid = chunk::validate(&payload, &WireLimits::default());
        prop_assert_eq!(valid.is_ok(), errors == 0 && !payload.is_empty());
        for view in found.into_iter().flatten() {
            if let chunk::ChunkView::Plain { requests } = view {
                prop_assert_eq!(requests.len(), requests.count());
            }
        }
    }
}

/// A record body with `rest` behind kind and version.
fn record_body(kind: u8, rest: &[u64]) -> Bytes {
    let numbers = rest.iter().flat_map(|number| number.to_le_bytes());
    [kind, record::RECORD_VERSION]
        .into_iter()
        .chain(numbers)
        .collect()
}

#[test]
fn counters_near_the_end_of_their_range_are_refused() {
    // A decided slot is a single number.
    assert!(record::decode(record_body(6, &[NUMBER_END - 1])).is_ok());
    for value in [NUMBER_END, u64::MAX - 1, u64::MAX] {
        let what = "slot";
        let error = DecodeError::OutOfRange { what, value };
        assert_eq!(record::decode(record_body(6, &[value])), Err(error));
    }
    // A promise: configuration, round, replica.
    assert!(record::decode(record_body(3, &[1, NUMBER_END - 1, 2])).is_ok());
    assert!(record::decode(record_body(3, &[1, NUMBER_END, 2])).is_err());
    assert!(record::decode(record_body(3, &[NUMBER_END, 1, 2])).is_err());
}

/// A decided slot whose cut has these lanes.
fn decided_cut(count: u32, lanes: &[u64]) -> Bytes {
    let mut body = BytesMut::from(&record_body(7, &[5, 1])[..]);
    body.extend_from_slice(&[1]);
    body.extend_from_slice(&count.to_le_bytes());
    for lane in lanes {
        for number in [*lane, 1, 1, 0] {
            body.extend_from_slice(&number.to_le_bytes());
        }
    }
    body.freeze()
}

#[test]
fn the_lanes_of_a_cut_are_strictly_increasing() {
    assert!(record::decode(decided_cut(2, &[1, 2])).is_ok());
    let error = Err(DecodeError::Unordered { what: "a cut" });
    assert_eq!(record::decode(decided_cut(2, &[2, 1])), error);
    assert_eq!(record::decode(decided_cut(2, &[1, 1])), error);
    assert!(
        record::decode(decided_cut(2, &[0, 1])).is_err(),
        "no lane 0"
    );
}

#[test]
fn a_count_is_believed_only_if_the_bytes_are_there() {
    for count in [2, 1000, u32::MAX] {
        let error = record::decode(decided_cut(count, &[1]));
        let what = "a record";
        assert_eq!(error, Err(DecodeError::Truncated { what }));
    }
}

#[test]
fn limits_are_for_messages_and_not_for_the_own_log() {
    let limits = WireLimits {
        lanes_max: 1,
        batch_bytes_max: 3,
        slots_max: 1,
        held_max: 2,
        ..WireLimits::default()
    };
    for (name, thing) in examples::messages() {
        // The header of every example has three acks.
        let error = message::decode(thing.encode(), &limits);
        let what = "acks";
        let (count, count_max) = (3, 2);
        let expected = DecodeError::Count {
            what,
            count,
            count_max,
        };
        assert_eq!(error, Err(expected), "{name}");
    }
    let limits = WireLimits {
        held_max: 3,
        ..limits
    };
    for (name, thing) in examples::messages() {
        let refused = message::decode(thing.encode(), &limits).is_err();
        let has_much = ["Batch", "Accept", "Adopt", "Promise", "Slots"].contains(&name.as_str());
        assert_eq!(refused, has_much, "{name}");
    }
}

#[test]
fn unknown_kinds_and_versions_are_told_apart() {
    let what = "record";
    let unknown = Err(DecodeError::UnknownKind { what, kind: 99 });
    assert_eq!(record::decode(record_body(99, &[1])), unknown);
    let newer = Bytes::from_static(&[6, 9, 1, 0, 0, 0, 0, 0, 0, 0]);
    let version = Err(DecodeError::UnsupportedVersion { what, version: 9 });
    assert_eq!(record::decode(newer), version);
}
