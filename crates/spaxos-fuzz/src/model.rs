//! The model that the store's own tests compare it with.

#[path = "../../spaxos-kv/tests/it/naive.rs"]
mod naive;

pub(crate) use naive::Naive;
