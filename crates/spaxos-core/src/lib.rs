//! x
pub mod batch;
pub mod config;
pub mod cut;
pub mod effect;
pub mod message;
pub mod record;
pub mod recovery;
pub mod replica;
pub mod sessions;
pub mod status;
pub mod types;
