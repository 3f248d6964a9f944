//! Status, the list of members, and a member that nobody leads.

use tonic::Code;

use crate::harness::{Endpoint, put, range, success, txn};
use spaxos_etcd::proto::etcdserverpb as pb;

#[tokio::test(flavor = "multi_thread")]
async fn status_tells_how_the_endpoint_is_doing() {
    let endpoint = Endpoint::start().await;
    endpoint.put("a", "1").await;
    let status = endpoint.status().await;
    assert_eq!(endpoint.revision_of(status.header), 2);
    assert_eq!(status.version, spaxos_etcd::ETCD_VERSION);
    assert_eq!(status.leader, 0xA1);
    assert!(status.raft_term > 0 && status.raft_index > 0);
    assert!(status.raft_applied_index > 0);
    assert!(status.db_size > 0 && status.db_size_in_use > 0);
    assert!(status.errors.is_empty() && !status.is_learner);
    assert_eq!(status.storage_version, "3.6.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_listed_without_a_revision() {
    let endpoint = Endpoint::start().await;
    for linearizable in [false, true] {
        let request = pb::MemberListRequest { linearizable };
        let list: pb::MemberListResponse = endpoint
            .call("Cluster/MemberList", &request)
            .await
            .expect("a list");
        assert_eq!(endpoint.revision_of(list.header), 0);
        let member = &list.members[0];
        assert_eq!((member.id, member.name.as_str()), (0xA1, "a"));
        assert_eq!(member.peer_ur_ls, ["http://127.0.0.1:12380"]);
        assert_eq!(member.client_ur_ls, ["http://127.0.0.1:12379"]);
        assert!(!member.is_learner);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_quorum_requests_time_out_and_serializable_reads_do_not() {
    let endpoint = Endpoint::start_alone().await;
    let late = (
        Code::Unavailable,
        "etcdserver: request timed out".to_owned(),
    );
    let write = put("a", "1");
    let write = endpoint.call::<_, pb::PutResponse>("KV/Put", &write);
    assert_eq!(write.await.expect_err("no quorum"), late);
    assert_eq!(endpoint.range_error(range("a", "")).await, late);
    let reads = txn([], [success::range("a", "")]);
    assert_eq!(endpoint.txn_error(reads).await, late);
    let list = pb::MemberListRequest { linearizable: true };
    let list = endpoint.call::<_, pb::MemberListResponse>("Cluster/MemberList", &list);
    assert_eq!(list.await.expect_err("no quorum"), late);

    let serializable = pb::RangeRequest {
        serializable: true,
        ..range("a", "")
    };
    let read = endpoint.range(serializable.clone()).await;
    assert_eq!(endpoint.revision_of(read.header), 1);
    let serializable = success::op(pb::request_op::Request::RequestRange(serializable));
    assert!(endpoint.txn(txn([], [serializable])).await.succeeded);

    let status = endpoint.status().await;
    assert_eq!(
        (status.leader, status.errors),
        (0, vec!["etcdserver: no leader".to_owned()])
    );
    let wants_leader: [(&'static str, &[u8]); 1] = [("hasleader", b"true")];
    let refused = endpoint
        .call_with::<_, pb::RangeResponse>("KV/Range", &range("a", ""), &wants_leader)
        .await;
    let words = "etcdserver: no leader".to_owned();
    assert_eq!(refused.expect_err("no leader"), (Code::Unavailable, words));
}
