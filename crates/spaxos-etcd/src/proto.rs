//! etcd's messages, made from `proto/` by `cargo xtask proto`.

/// The messages of the six services, and the table of their methods.
#[path = "generated/etcdserverpb.rs"]
pub mod etcdserverpb;

/// Keys and events.
#[path = "generated/mvccpb.rs"]
pub mod mvccpb;

/// Users, roles and rights.
#[path = "generated/authpb.rs"]
pub mod authpb;
