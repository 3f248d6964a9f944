//! The machine from outside: rule by rule, and against a model that is too simple to be wrong.

mod build;
mod compaction;
mod differential;
mod encoding;
mod execution;
mod generate;
mod naive;
mod ranges;
mod txn_validation;
mod txns;
mod writes;
