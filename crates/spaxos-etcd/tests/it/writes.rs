//! Puts and deletes with their options.

use tonic::Code;

use crate::harness::{Endpoint, Refusal, delete, put, range, values};
use spaxos_etcd::proto::etcdserverpb as pb;

fn invalid(words: &str) -> Refusal {
    (Code::InvalidArgument, format!("etcdserver: {words}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_can_tell_what_was_before() {
    let endpoint = Endpoint::start().await;
    let with_prev = |value| pb::PutRequest {
        prev_kv: true,
        ..put("a", value)
    };
    let first: pb::PutResponse = endpoint
        .call("KV/Put", &with_prev("1"))
        .await
        .expect("a put");
    assert_eq!(first.prev_kv, None);
    let second: pb::PutResponse = endpoint
        .call("KV/Put", &with_prev(""))
        .await
        .expect("a put");
    let before = second.prev_kv.expect("the key existed");
    assert_eq!((before.value.as_ref(), before.mod_revision), (&b"1"[..], 2));
    let now = endpoint.range(range("a", "")).await;
    assert_eq!(values(&now), [""], "an empty value is one");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_present_value_and_lease_can_be_kept() {
    let endpoint = Endpoint::start().await;
    endpoint.put("a", "1").await;
    let keep = pb::PutRequest {
        ignore_value: true,
        ignore_lease: true,
        ..put("a", "")
    };
    let kept: Result<pb::PutResponse, _> = endpoint.call("KV/Put", &keep).await;
    assert!(kept.is_ok());
    let now = endpoint.range(range("a", "")).await;
    assert_eq!((values(&now), now.kvs[0].version), (vec!["1"], 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn puts_are_refused_in_etcds_words() {
    let endpoint = Endpoint::start().await;
    let cases = [
        (put("", "1"), invalid("key is not provided")),
        (
            pb::PutRequest {
                ignore_value: true,
                ..put("a", "1")
            },
            invalid("value is provided"),
        ),
        (
            pb::PutRequest {
                ignore_lease: true,
                lease: 7,
                ..put("a", "1")
            },
            invalid("lease is provided"),
        ),
        (
            pb::PutRequest {
                ignore_value: true,
                ..put("missing", "")
            },
            invalid("key not found"),
        ),
        (
            pb::PutRequest {
                ignore_lease: true,
                ..put("missing", "1")
            },
            invalid("key not found"),
        ),
        (
            pb::PutRequest {
                lease: 7,
                ..put("a", "1")
            },
            (
                Code::NotFound,
                "etcdserver: requested lease not found".to_owned(),
            ),
        ),
    ];
    for (request, refusal) in cases {
        let refused = endpoint
            .call::<_, pb::PutResponse>("KV/Put", &request)
            .await;
        assert_eq!(refused.expect_err("a refusal"), refusal, "{request:?}");
    }
    let untouched = endpoint.range(range("\0", "\0")).await;
    assert_eq!(endpoint.revision_of(untouched.header), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_takes_a_range_and_can_tell_what_it_took() {
    let endpoint = Endpoint::start().await;
    for key in ["a", "b", "c"] {
        endpoint.put(key, "1").await;
    }
    let request = pb::DeleteRangeRequest {
        prev_kv: true,
        ..delete("a", "c")
    };
    let response = endpoint.delete(request).await;
    assert_eq!(
        (response.deleted, endpoint.revision_of(response.header)),
        (2, 5)
    );
    let taken = response.prev_kvs.iter().map(|entry| entry.key.as_ref());
    assert_eq!(taken.collect::<Vec<_>>(), [b"a", b"b"]);
    let no_key = delete("", "\0");
    let refused = endpoint.call::<_, pb::DeleteRangeResponse>("KV/DeleteRange", &no_key);
    assert_eq!(
        refused.await.expect_err("no key"),
        invalid("key is not provided")
    );
    let all = endpoint.delete(delete("\0", "\0")).await;
    assert_eq!(all.deleted, 1);
}
