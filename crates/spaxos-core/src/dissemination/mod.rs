//! The dissemination layer: every replica takes requests and spreads them.
//!
//! `batcher` closes batches, `batch_store` keeps all lanes, `sender` moves own batches to peers,
//! `acks` knows what peers hold, `fetcher` gets what is missing.

pub(crate) mod acks;
pub(crate) mod batch_store;
pub(crate) mod batcher;
pub(crate) mod fetcher;
pub(crate) mod sender;
