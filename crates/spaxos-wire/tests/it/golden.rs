//! The formats, pinned: what the files in `tests/golden` say was written by some release, must be
//! written the same way and read the same way for ever. A format that has to change gets a new version
//! and new lines; the old ones stay.

use std::fmt::Write;

use bytes::Bytes;
use spaxos_wire::frame::FrameKind;
use spaxos_wire::{message, record};

use crate::anything::{Anything, joined};
use crate::examples;

/// How many bytes stand in a line.
const BYTES_PER_LINE: usize = 32;

#[test]
fn records() {
    let pinned = include_str!("../golden/records.txt");
    check(pinned, &examples::records(), Anything::encode);
}

#[test]
fn messages() {
    let pinned = include_str!("../golden/messages.txt");
    check(pinned, &examples::messages(), Anything::encode);
}

#[test]
fn hellos() {
    let pinned = include_str!("../golden/hellos.txt");
    check(pinned, &examples::hellos(), Anything::encode);
}

#[test]
fn client_frames() {
    let pinned = include_str!("../golden/client.txt");
    check(pinned, &examples::client_frames(), Anything::encode);
}

/// Whole frames, with their headers.
#[test]
fn frames() {
    let pinned = include_str!("../golden/frames.txt");
    let one_each = ["Decide", "Batch", "Hello of a member", "Status"];
    let all = examples::all();
    let framed = all
        .into_iter()
        .filter(|(name, thing)| one_each.contains(&name.as_str()) && thing.frame().is_some());
    let framed: Vec<_> = framed.collect();
    assert_eq!(framed.len(), one_each.len());
    let written = shown(&framed, |thing| {
        joined(&thing.frame().expect("it has one")).freeze()
    });
    compare(&written, pinned);
}

fn check(pinned: &str, examples: &[(String, Anything)], encode: fn(&Anything) -> Bytes) {
    let written = shown(examples, encode);
    compare(&written, pinned);
    let bodies = parse(pinned);
    assert_eq!(bodies.len(), examples.len());
    for ((name, thing), body) in examples.iter().zip(bodies) {
        assert_eq!(thing.decode_alike(body).as_ref(), Ok(thing), "{name}");
    }
}

fn compare(written: &str, pinned: &str) {
    let same = written == pinned;
    assert!(
        same,
        "a format has changed; now it would be\n<<<\n{written}>>>"
    );
}

fn shown(examples: &[(String, Anything)], encode: impl Fn(&Anything) -> Bytes) -> String {
    let mut text = String::new();
    for (name, thing) in examples {
        writeln!(text, "# {name}").expect("a string takes everything");
        for line in encode(thing).chunks(BYTES_PER_LINE) {
            let hex: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
            writeln!(text, "{}", hex.join(" ")).expect("a string takes everything");
        }
    }
    text
}

fn parse(text: &str) -> Vec<Bytes> {
    let mut bodies: Vec<Vec<u8>> = Vec::new();
    for line in text.lines() {
        if line.starts_with('#') {
            bodies.push(Vec::new());
            continue;
        }
        let bytes = line
            .split_whitespace()
            .map(|hex| u8::from_str_radix(hex, 16).expect("two hex digits"));
        let body = bodies.last_mut().expect("a name stands first");
        body.extend(bytes);
    }
    bodies.into_iter().map(Bytes::from).collect()
}

/// The page that describes the formats has every kind, with its code.
#[test]
fn the_page_of_formats_names_every_kind() {
    let page = include_str!("../../../../docs/formats.md");
    let section = |title: &str| {
        let behind = page.split_once(title).expect("the section is there").1;
        behind
            .split("\n## ")
            .next()
            .expect("a split has a first part")
    };
    let frames = FrameKind::ALL.map(|kind| (kind.code(), kind.name()));
    let messages = (1..message::KINDS_END).map(|kind| u8::try_from(kind).expect("a byte"));
    let messages = messages.map(|kind| (kind, message::kind_name(kind).expect("named")));
    let records = (1..record::KINDS_END).map(|kind| u8::try_from(kind).expect("a byte"));
    let records = records.map(|kind| (kind, record::kind_name(kind).expect("named")));
    let tables: [(&str, Vec<(u8, &str)>); 3] = [
        ("\n## Frames\n", frames.to_vec()),
        ("\n## Messages\n", messages.collect()),
        ("\n## Records (bodies)\n", records.collect()),
    ];
    for (title, kinds) in tables {
        let rows = |line: &&str| line.split_once("| `").is_some_and(|row| row.0.len() < 6);
        assert_eq!(section(title).lines().filter(rows).count(), kinds.len());
        for (code, name) in kinds {
            let row = format!("\n| {code} | `{name}` |");
            assert!(section(title).contains(&row), "{title} lacks {row}");
        }
    }
}
