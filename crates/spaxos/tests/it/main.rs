//! Nodes in one process, over loopback.

mod bad_input;
mod clients;
mod cluster;
mod frames;
mod replaced;
mod replication;
