//! The Maintenance service, as far as it goes, and the Cluster service beside it.

use crate::endpoint::Endpoint;
use crate::fault::Fault;
use crate::proto::etcdserverpb as pb;

/// The version of the storage format that we tell: clients want one of etcd's.
const STORAGE_VERSION: &str = "3.6.0";

/// Says how the endpoint is doing. Never waits for the cluster.
pub(crate) fn status(endpoint: &Endpoint) -> pb::StatusResponse {
    let store = endpoint.machine().read().status();
    let node = endpoint.status();
    let leader = node.leader.map_or(0, |id| endpoint.info.member_of(id.0));
    let errors = if leader == 0 {
        vec![Fault::NoLeader.code_and_text().1.into_owned()]
    } else {
        Vec::new()
    };
    pb::StatusResponse {
        header: endpoint.header(store.revision),
        version: endpoint.info.etcd_version.clone(),
        db_size: signed(store.size_bytes),
        leader,
        raft_index: node.decided.0,
        raft_term: endpoint.term(),
        raft_applied_index: node.applied.0,
        errors,
        db_size_in_use: signed(store.size_in_use_bytes),
        is_learner: false,
        storage_version: STORAGE_VERSION.to_owned(),
        db_size_quota: endpoint.info.quota_bytes,
        downgrade_info: Some(pb::DowngradeInfo::default()),
    }
}

/// Lists the members. They do not change yet, so being up to date only shows that a quorum lives.
pub(crate) async fn member_list(
    endpoint: &Endpoint,
    request: pb::MemberListRequest,
) -> Result<pb::MemberListResponse, Fault> {
    if request.linearizable {
        endpoint.catch_up().await?;
    }
    let members = endpoint.info.members.iter().map(|member| pb::Member {
        id: member.id,
        name: member.name.clone(),
        peer_ur_ls: member.peer_urls.clone(),
        client_ur_ls: member.client_urls.clone(),
        is_learner: false,
    });
    Ok(pb::MemberListResponse {
        header: endpoint.header(0),
        members: members.collect(),
    })
}

/// etcd tells sizes as signed numbers.
fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
