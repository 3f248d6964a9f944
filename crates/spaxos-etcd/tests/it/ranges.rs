//! Reading ranges: every option of a range.

use tonic::Code;

use crate::harness::{Endpoint, keys, range, values};
use spaxos_etcd::proto::etcdserverpb as pb;

/// An endpoint with a to e, of which b was written twice; revisions 2 to 7.
async fn filled() -> Endpoint {
    let endpoint = Endpoint::start().await;
    for (key, value) in [
        ("a", "5"),
        ("b", "x"),
        ("c", "3"),
        ("d", "2"),
        ("e", "1"),
        ("b", "4"),
    ] {
        endpoint.put(key, value).await;
    }
    endpoint
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_says_how_far_a_range_goes() {
    let endpoint = filled().await;
    let cases: [(&str, &str, &[&str]); 7] = [
        ("b", "", &["b"]),
        ("b", "d", &["b", "c"]),
        ("c", "\0", &["c", "d", "e"]),
        ("\0", "\0", &["a", "b", "c", "d", "e"]),
        ("d", "b", &[]),
        ("d", "d", &[]),
        ("x", "", &[]),
    ];
    for (key, end, expected) in cases {
        let response = endpoint.range(range(key, end)).await;
        assert_eq!(keys(&response), expected, "{key:?} to {end:?}");
        let count = i64::try_from(expected.len()).expect("few keys");
        assert_eq!((response.count, response.more), (count, false));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_revision_is_read_under_the_present_header() {
    let endpoint = filled().await;
    let at = |revision| pb::RangeRequest {
        revision,
        ..range("\0", "\0")
    };
    let response = endpoint.range(at(4)).await;
    assert_eq!(values(&response), ["5", "x", "3"]);
    assert_eq!(endpoint.revision_of(response.header), 7);
    for latest in [0, -1, -7] {
        let response = endpoint.range(at(latest)).await;
        assert_eq!(values(&response), ["5", "4", "3", "2", "1"], "{latest}");
    }
    let future = endpoint.range_error(at(8)).await;
    assert_eq!(future.0, Code::OutOfRange);
    assert_eq!(
        future.1,
        "etcdserver: mvcc: required revision is a future revision"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_cuts_keys_but_not_the_count() {
    let endpoint = filled().await;
    let limited = |limit| pb::RangeRequest {
        limit,
        ..range("\0", "\0")
    };
    let response = endpoint.range(limited(2)).await;
    assert_eq!(keys(&response), ["a", "b"]);
    assert_eq!((response.count, response.more), (5, true));
    for none in [0, -3, 5, 6] {
        let response = endpoint.range(limited(none)).await;
        assert_eq!((response.kvs.len(), response.more), (5, false), "{none}");
    }
    let counted = pb::RangeRequest {
        count_only: true,
        limit: 2,
        ..range("\0", "\0")
    };
    let response = endpoint.range(counted).await;
    assert_eq!((response.count, response.more), (5, false));
    assert!(response.kvs.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn sorting_comes_before_the_limit() {
    use pb::range_request::{SortOrder, SortTarget};
    let endpoint = filled().await;
    let cases: [(SortTarget, SortOrder, &[&str]); 7] = [
        (SortTarget::Key, SortOrder::Descend, &["e", "d"]),
        (SortTarget::Value, SortOrder::Ascend, &["e", "d"]),
        (SortTarget::Value, SortOrder::None, &["e", "d"]),
        (SortTarget::Version, SortOrder::Descend, &["b", "a"]),
        (SortTarget::Mod, SortOrder::Descend, &["b", "e"]),
        (SortTarget::Create, SortOrder::Descend, &["e", "d"]),
        (SortTarget::Key, SortOrder::None, &["a", "b"]),
    ];
    for (target, order, expected) in cases {
        let request = pb::RangeRequest {
            sort_target: target.into(),
            sort_order: order.into(),
            limit: 2,
            ..range("\0", "\0")
        };
        let response = endpoint.range(request).await;
        assert_eq!(keys(&response), expected, "{target:?} {order:?}");
        assert!(response.more);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_way_to_sort_is_refused() {
    let endpoint = filled().await;
    for (sort_order, sort_target) in [(3, 0), (0, 9), (-1, 0)] {
        let request = pb::RangeRequest {
            sort_order,
            sort_target,
            ..range("a", "")
        };
        let error = endpoint.range_error(request).await;
        let text = "etcdserver: invalid sort option".to_owned();
        assert_eq!(error, (Code::InvalidArgument, text));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_leave_keys_out_and_the_count_alone() {
    let endpoint = filled().await;
    let all = || range("\0", "\0");
    let cases: [(pb::RangeRequest, &[&str]); 4] = [
        (
            pb::RangeRequest {
                min_mod_revision: 6,
                ..all()
            },
            &["b", "e"],
        ),
        (
            pb::RangeRequest {
                max_mod_revision: 4,
                ..all()
            },
            &["a", "c"],
        ),
        (
            pb::RangeRequest {
                min_create_revision: 5,
                ..all()
            },
            &["d", "e"],
        ),
        (
            pb::RangeRequest {
                max_create_revision: 3,
                ..all()
            },
            &["a", "b"],
        ),
    ];
    for (request, expected) in cases {
        let response = endpoint.range(request.clone()).await;
        assert_eq!(keys(&response), expected);
        assert_eq!((response.count, response.more), (5, false));
        let limited = pb::RangeRequest {
            limit: 1,
            ..request
        };
        let response = endpoint.range(limited).await;
        assert_eq!(keys(&response), expected[..1], "filters before the limit");
        assert!(response.more);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_can_be_left_out_and_a_member_asked_alone() {
    let endpoint = filled().await;
    let request = pb::RangeRequest {
        keys_only: true,
        serializable: true,
        ..range("b", "")
    };
    let response = endpoint.range(request).await;
    let entry = &response.kvs[0];
    assert!(entry.value.is_empty());
    assert_eq!(
        (entry.create_revision, entry.mod_revision, entry.version),
        (3, 7, 2)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_key_is_no_key() {
    let endpoint = Endpoint::start().await;
    let error = endpoint.range_error(range("", "\0")).await;
    let text = "etcdserver: key is not provided".to_owned();
    assert_eq!(error, (Code::InvalidArgument, text));
}
