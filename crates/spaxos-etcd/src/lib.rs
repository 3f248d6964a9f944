//! The etcd v3 services over a replicated store: gRPC and HTTP/1.1 on one port.
//!
//! An [`EtcdServer`] stands between etcd's clients and a running node of the `spaxos` crate whose
//! state machine is the store of `spaxos-kv`. It reads requests, checks what must be checked before
//! they are ordered, has the node order and execute them, and answers with etcd's codes, words and
//! headers. What is not served yet answers `Unimplemented`, as etcd does for methods it lacks.
//!
//! It never decides what a request means (the store does), never keeps state that outlives a
//! request, and never logs a key or a value. No other crate knows protobuf.
//!
//! Reading order: `server.rs` takes connections, `connection.rs` tells gRPC from HTTP,
//! `authority.rs` mends what some clients call the endpoint, `unary.rs` walks through one gRPC call,
//! `kv.rs` serves the KV service, `translate.rs` moves between etcd's messages and the store's
//! types, `endpoint.rs` meets the cluster. `fault.rs` is the table of all errors; `http.rs` serves
//! `/health`, `/version`, `/metrics` and the status.
//!
//! ```no_run
//! # async fn run(options: spaxos::Options) -> Result<(), Box<dyn std::error::Error>> {
//! use spaxos_etcd::{EtcdServer, Member, ServerInfo, SharedMachine};
//!
//! let machine = SharedMachine::new(spaxos_kv::Limits::DEFAULT);
//! let node = spaxos::Node::start(options, Box::new(machine.clone())).await?;
//! let mut info = ServerInfo::new(0xC1, 0xA1, "a");
//! info.members.push(Member {
//!     id: 0xA1,
//!     replica: 1,
//!     name: "a".to_owned(),
//!     ..Member::default()
//! });
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:2379").await?;
//! let server = EtcdServer::new(node.handle(), machine, info)?;
//! server.serve(vec![listener], std::future::pending()).await?;
//! # Ok(())
//! # }
//! ```

mod authority;
mod body;
mod budget;
mod call;
mod connection;
mod endpoint;
mod fault;
mod grpc;
mod http;
mod info;
mod kv;
mod limits;
mod machine;
mod maintenance;
mod metadata;
mod metrics;
mod process;
pub mod proto;
mod scrape;
mod server;
mod status_json;
mod term;
mod translate;
mod unary;

pub use info::{ETCD_CLUSTER_VERSION, ETCD_VERSION, Member, ServerInfo};
pub use limits::Limits;
pub use machine::SharedMachine;
pub use server::{EtcdServer, ServeError};
