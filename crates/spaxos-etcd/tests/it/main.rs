//! The endpoint of a running node, driven as its clients drive it: by gRPC messages as they are on
//! the wire, by a client library, by `etcdctl` and by plain HTTP.

mod authority;
mod edges;
mod etcdctl;
mod harness;
mod library;
mod limits;
mod plain_http;
mod ranges;
mod revisions;
mod services;
mod txns;
mod writes;
