//! Requests that are too large, too many, or too slow.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use hyper::Request;
use hyper::body::{Body, Frame};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tonic::Code;

use crate::harness::{Endpoint, connect, framed, outcome, put};
use spaxos_etcd::proto::etcdserverpb as pb;

/// A put whose message has exactly `bytes` bytes.
fn put_of(bytes: usize) -> pb::PutRequest {
    // Around the value: the key with its prefix, and the value's own prefix.
    let around = 3 + 4;
    let request = pb::PutRequest {
        value: Bytes::from(vec![b'v'; bytes - around]),
        ..put("k", "")
    };
    assert_eq!(prost::Message::encoded_len(&request), bytes);
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_may_have_a_mebibyte_and_a_half() {
    let endpoint = Endpoint::start().await;
    let largest = 1536 << 10;
    let put = async |bytes| {
        let request = put_of(bytes);
        endpoint
            .call::<_, pb::PutResponse>("KV/Put", &request)
            .await
    };
    assert!(put(largest).await.is_ok());
    let refusal = put(largest + 1).await.expect_err("one byte too many");
    let words = "etcdserver: request is too large".to_owned();
    assert_eq!(refusal, (Code::InvalidArgument, words));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_more_than_two_mebibytes_is_not_read() {
    let endpoint = Endpoint::start().await;
    let most = (2 << 20) + 1;
    let refused = endpoint
        .call::<_, pb::PutResponse>("KV/Put", &put_of(most))
        .await;
    let words = "grpc: received message larger than max (2097153 vs. 2097152)".to_owned();
    let refusal = refused.expect_err("too large");
    assert_eq!(refusal, (Code::ResourceExhausted, words));
    let promised = Bytes::from_static(b"\0\xff\xff\xff\xff");
    let refused = endpoint
        .call_raw("/etcdserverpb.KV/Put", promised, &[])
        .await;
    let words = "grpc: received message larger than max (4294967295 vs. 2097152)".to_owned();
    let refusal = refused.expect_err("a promise is enough");
    assert_eq!(refusal, (Code::ResourceExhausted, words));
    assert_eq!(
        endpoint.put("a", "1").await,
        2,
        "the connection still stands"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_says_nothing_is_closed() {
    let endpoint = Endpoint::start_with(1, |info| {
        info.limits.header_timeout = Duration::from_millis(20);
    })
    .await;
    let mut silent = TcpStream::connect(endpoint.address)
        .await
        .expect("it listens");
    let read = silent.read(&mut [0; 64]).await;
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    // One that speaks stays, though it is older.
    assert_eq!(endpoint.put("a", "1").await, 2);
}

/// A request's body that never goes on after its first piece.
struct Stalled(Option<Bytes>);

impl Body for Stalled {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.0.take() {
            Some(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
            None => Poll::Pending,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let endpoint = Endpoint::start_with(1, |info| {
        info.limits.body_timeout = Duration::from_millis(20);
    })
    .await;
    let mut sender = connect(endpoint.address).await;
    let request = Request::post(format!("http://{}/etcdserverpb.KV/Put", endpoint.address))
        .header("content-type", "application/grpc")
        .body(Stalled(Some(framed(b"abc").slice(..6))))
        .expect("a request");
    let response = sender.send_request(request).await.expect("an answer");
    let words = "context deadline exceeded".to_owned();
    let refusal = outcome(response).await.expect_err("half a request");
    assert_eq!(refusal, (Code::DeadlineExceeded, words));
}

/// A put that promises a message of two mebibytes, and never sends it.
async fn stalled_put(address: SocketAddr) -> JoinHandle<()> {
    let mut sender = connect(address).await;
    let mut first = BytesMut::new();
    first.put_u8(0);
    first.put_u32(2 << 20);
    let request = Request::post(format!("http://{address}/etcdserverpb.KV/Put"))
        .header("content-type", "application/grpc")
        .body(Stalled(Some(first.freeze())))
        .expect("a request");
    tokio::spawn(async move {
        let response = sender.send_request(request).await.expect("an answer");
        outcome(response).await.expect_err("half a request");
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_have_only_so_much_room_together() {
    let endpoint = Endpoint::start_with(1, |info| {
        info.limits.in_flight_bytes_max = info.limits.message_bytes_max();
    })
    .await;
    let small = put("a", "1");
    let put = async || endpoint.call::<_, pb::PutResponse>("KV/Put", &small).await;
    let mut waiting = stalled_put(endpoint.address).await;
    // The large request has its room as soon as its first bytes are read, unless a small one had a
    // part of the room at that moment: then it was the large one that was refused.
    let refusal = loop {
        if waiting.is_finished() {
            waiting = stalled_put(endpoint.address).await;
        }
        if let Err(refusal) = put().await {
            break refusal;
        }
    };
    let words = "etcdserver: too many requests".to_owned();
    assert_eq!(refusal, (Code::ResourceExhausted, words));
    waiting.abort();
    let _ = waiting.await;
    while put().await.is_err() {}
}
