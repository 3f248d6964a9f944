//! What a client may ask that is not served, and what it may say beside its request.

use tonic::Code;

use crate::harness::{Endpoint, framed, range};
use spaxos_etcd::proto::etcdserverpb as pb;

#[tokio::test(flavor = "multi_thread")]
async fn methods_that_are_not_served_are_named() {
    let endpoint = Endpoint::start().await;
    let cases = [
        (
            "/etcdserverpb.Lease/LeaseGrant",
            "unknown method LeaseGrant for service etcdserverpb.Lease",
        ),
        (
            "/etcdserverpb.Watch/Watch",
            "unknown method Watch for service etcdserverpb.Watch",
        ),
        (
            "/etcdserverpb.KV/RangeStream",
            "unknown method RangeStream for service etcdserverpb.KV",
        ),
        (
            "/etcdserverpb.KV/NoSuchThing",
            "unknown method NoSuchThing for service etcdserverpb.KV",
        ),
        ("/v3lockpb.Lock/Lock", "unknown service v3lockpb.Lock"),
        ("/x", "malformed method name: \"/x\""),
    ];
    for (path, words) in cases {
        let refused = endpoint.call_raw(path, framed(b""), &[]).await;
        let refusal = refused.expect_err("not served");
        assert_eq!(refusal, (Code::Unimplemented, words.to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_request_are_refused() {
    let endpoint = Endpoint::start().await;
    let put = "/etcdserverpb.KV/Put";
    for body in [framed(b"\x0a\xff"), framed(b"")[..3].to_vec().into()] {
        let refused = endpoint.call_raw(put, body, &[]).await;
        let (code, words) = refused.expect_err("no request");
        assert_eq!(code, Code::Internal);
        let start = "grpc: error unmarshalling request: ";
        assert!(words.starts_with(start), "{words}");
    }
    let compressed = b"\x01\0\0\0\x01x"[..].into();
    let metadata = [("grpc-encoding", &b"gzip"[..])];
    let refused = endpoint.call_raw(put, compressed, &metadata).await;
    let words = "grpc: Decompressor is not installed for grpc-encoding \"gzip\"";
    let refusal = refused.expect_err("compression is not spoken");
    assert_eq!(refusal, (Code::Unimplemented, words.to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_is_looked_at() {
    let endpoint = Endpoint::start().await;
    let fine: [&[(&'static str, &[u8])]; 3] = [
        &[("hasleader", b"true")],
        &[("client-api-version", b"3.6.0"), ("token", b"abc.7")],
        &[("authorization", b"Bearer abc.7")],
    ];
    for metadata in fine {
        let response = endpoint
            .call_with::<_, pb::RangeResponse>("KV/Range", &range("a", ""), metadata)
            .await;
        assert!(response.is_ok(), "{metadata:?}: {response:?}");
    }
    let wrong: [(&'static str, &[u8]); 1] = [("client-api-version", b"\xff")];
    let refused = endpoint
        .call_with::<_, pb::RangeResponse>("KV/Range", &range("a", ""), &wrong)
        .await;
    let words = "etcdserver: invalid client api version".to_owned();
    let refusal = refused.expect_err("a version is text");
    assert_eq!(refusal, (Code::InvalidArgument, words));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_is_answered_before_the_endpoint_ends() {
    let endpoint = Endpoint::start().await;
    endpoint.put("a", "1").await;
    endpoint.stop().await;
}
