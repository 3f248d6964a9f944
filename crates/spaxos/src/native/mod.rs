//! The server's side of the native protocol: framed requests over TCP, answered by any replica.

mod connection;
pub(crate) mod output;
mod server;

pub(crate) use server::{Server, serve};
