//! Nodes in one process, over loopback.

mod clients;
mod cluster;
mod replication;
