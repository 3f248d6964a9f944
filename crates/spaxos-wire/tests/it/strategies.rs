//! Arbitrary records, messages, greetings and client frames, all of them valid.

mod bodies;
mod parts;
mod sessions;

use proptest::prelude::*;

use crate::anything::Anything;

/// Anything that has a format.
pub(crate) fn anything() -> BoxedStrategy<Anything> {
    prop_oneof![
        bodies::record().prop_map(Anything::Record),
        bodies::message().prop_map(Anything::Message),
        sessions::hello().prop_map(Anything::Hello),
        sessions::hello_reply().prop_map(Anything::HelloReply),
        sessions::request().prop_map(Anything::Request),
        sessions::response().prop_map(Anything::Response),
    ]
    .boxed()
}

/// A payload of valid chunks.
pub(crate) fn chunks() -> BoxedStrategy<bytes::Bytes> {
    sessions::chunks().boxed()
}
