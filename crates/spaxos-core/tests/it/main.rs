//! Tests of the core as a whole: protocol scripts, and the messages that a request costs.

mod cluster;
mod describe;
mod message_counts;
mod scripts;
