//! Arbitrary bytes where a segment should be: an error or a start, never a panic.

use proptest::prelude::*;
use spaxos_core::record::Record;
use spaxos_storage::MemoryDisk;

use crate::trace::{Call, appended, calls, open, written};

fn some_disk() -> MemoryDisk {
    let mut calls = calls();
    calls.push(Call::Settle);
    written(&calls)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_as_a_segment(
        number in 1_u32..6,
        bytes in proptest::collection::vec(any::<u8>(), 0..40_000),
    ) {
        let disk = some_disk();
        disk.put(&format!("log-{number:010}"), bytes);
        let _ = open(&disk);
    }

    #[test]
    fn arbitrary_bytes_somewhere_in_a_segment(
        number in 1_u32..4,
        at in 0_usize..32_000,
        bytes in proptest::collection::vec(any::<u8>(), 1..600),
    ) {
        let disk = some_disk();
        let name = format!("log-{number:010}");
        let mut content = disk.content(&name).expect("it is there");
        let end = (at + bytes.len()).min(content.len());
        content[at..end].copy_from_slice(&bytes[..end - at]);
        disk.put(&name, content);
        if let Ok((_, found)) = open(&disk) {
            prop_assert_eq!(found, appended(&calls()));
        }
    }

    #[test]
    fn what_is_appended_is_what_is_found(
        shapes in proptest::collection::vec((0_usize..7000, 0_u8..6), 1..60),
        seed in any::<u64>(),
    ) {
        let disk = MemoryDisk::new();
        let mut run = crate::trace::Run::new(open(&disk).expect("an empty log").0);
        for (at, (bytes, then)) in shapes.iter().enumerate() {
            let record: Record = crate::trace::batch(1, at as u64 + 1, *bytes);
            run.call(&Call::Append(record)).expect("appends");
            let call = match then {
                0 | 1 => Call::Commit,
                2 => Call::Write,
                3 => Call::Prepare,
                4 => Call::Settle,
                _ => continue,
            };
            run.call(&call).expect("works");
        }
        disk.crash(seed);
        let (_, found) = open(&disk).expect("recovers");
        prop_assert!(found.len() >= run.committed);
        prop_assert_eq!(&found[..], &run.appended[..found.len()]);
    }
}
