//! Load for replicated stores, and what it measures.
//!
//! [`PutLoad`] drives any endpoint of the etcd v3 API in a closed loop: each caller sends its next put
//! when the last one is answered. [`NativeLoad`] keeps many small requests on their way over our own
//! protocol. Both give a [`Report`].
//!
//! It never looks inside a replica: it is a client as any other, and what the replicas spent is asked
//! for by who runs it. It never prints.
//!
//! Read `report.rs`, then `put.rs`, then `native.rs`.

mod native;
mod put;
mod report;

pub use native::NativeLoad;
pub use put::PutLoad;
pub use report::{LoadError, Report};
