//! Tests of the core as a whole: protocol scripts, and the messages that a request costs.

mod cluster;
mod commands;
mod describe;
mod disk;
mod forge;
mod message_counts;
#[cfg(planted)]
mod planted;
mod scripts;
mod trace;
