//! Requests and reads at every replica.

use bytes::Bytes;
use spaxos::Consistency::{Linearizable, Serializable};

use crate::cluster::{Cluster, command};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_submitted_anywhere_is_read_everywhere() {
    let cluster = Cluster::start(3).await;
    for at in 0..3 {
        let reply = cluster.handle(at).submit(command(&format!("c{at}"))).await;
        assert_eq!(
            reply.expect("executed").bytes,
            (at as u64 + 1).to_le_bytes()[..]
        );
    }
    for at in 0..3 {
        let read = cluster.handle(at).read(Bytes::new(), Linearizable).await;
        assert_eq!(read.expect("answered").bytes, b"c0 c1 c2"[..]);
        let read = cluster.handle(at).read(Bytes::new(), Serializable).await;
        assert_eq!(read.expect("answered").bytes, b"c0 c1 c2"[..]);
    }
}
