//! What must hold for arbitrary bytes, one function per target.
//!
//! A target takes any bytes, makes of them what its part of the project makes of bytes from outside,
//! and panics if something is wrong with the outcome. The same functions run twice: under libFuzzer,
//! from the thin binaries in `fuzz/`, and in this crate's test, over the corpus in `fuzz/corpus` and
//! seeded mutations of it.
//!
//! Two files of other crates are compiled here as well: the model of the store, which is part of its
//! tests, and the reading of compressed headers, which no crate hands out.
//!
//! A target is deterministic and keeps nothing from run to run: the same bytes always do the same.
//! Nothing here reads a clock, draws a number or opens a file; nobody depends on this crate but tests.
//!
//! Reading order: [`TARGETS`], then `draw.rs` for how bytes become decisions, then a target at will.
//! "Fuzzing" in `docs/testing.md` has the commands.

pub mod authority;
mod draw;
mod edit;
pub mod frames;
pub mod kv;
pub mod log;
mod model;
pub mod replica;
mod served;
pub mod wire;

/// Something that must hold for arbitrary bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name: that of the binary and of the folder in `fuzz/corpus`.
    pub name: &'static str,
    /// Runs it once.
    ///
    /// # Panics
    /// If what must hold does not.
    pub run: fn(&[u8]),
    /// How many mutations of the corpus the stable test tries: about two seconds in a debug build.
    pub mutations: u32,
}

/// All targets.
pub const TARGETS: &[Target] = &[
    target("frames", frames::run, 20_000),
    target("messages", wire::messages, 60_000),
    target("records", wire::records, 60_000),
    target("hellos", wire::hellos, 60_000),
    target("client", wire::client, 60_000),
    target("chunks", wire::chunks, 60_000),
    target("log", log::run, 1_500),
    target("commands", kv::commands, 30_000),
    target("transactions", kv::transactions, 4_000),
    target("replica", replica::run, 10_000),
    target("authority", authority::run, 60_000),
];

const fn target(name: &'static str, run: fn(&[u8]), mutations: u32) -> Target {
    Target {
        name,
        run,
        mutations,
    }
}
