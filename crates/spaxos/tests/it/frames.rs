//! Connections that greet as they should, and then do not behave.

use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use spaxos::{Durability, Member, Options, ReplicaId};
use spaxos_core::record::Life;
use spaxos_core::types::Incarnation;
use spaxos_wire::WireLimits;
use spaxos_wire::chunk::ChunkBuilder;
use spaxos_wire::client::{ErrorKind, Request, Response, decode_response};
use spaxos_wire::frame::{Frame, FrameReader};
use spaxos_wire::hello::{ClientHello, Hello, HelloReply, PeerHello, Refusal, decode_reply};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::cluster::{CLUSTER_ID, Cluster, command, local, start};

struct Wire {
    stream: TcpStream,
    buffer: BytesMut,
}

impl Wire {
    async fn greet(address: SocketAddr, hello: Hello) -> (Wire, HelloReply) {
        let mut wire = Wire {
            stream: TcpStream::connect(address).await.expect("it listens"),
            buffer: BytesMut::new(),
        };
        wire.send(&Frame::hello(&hello)).await;
        let reader = FrameReader::new(1 << 20);
        let reply = loop {
            if let Some(frame) = reader.read(&mut wire.buffer).expect("intact") {
                break decode_reply(frame.body).expect("readable");
            }
            assert!(wire.receive().await > 0, "closed instead of an answer");
        };
        (wire, reply)
    }

    async fn client(address: SocketAddr) -> Wire {
        let hello = Hello::Client(ClientHello { cluster_id: 0 });
        let (wire, reply) = Wire::greet(address, hello).await;
        assert!(matches!(reply, HelloReply::Client(_)), "{reply:?}");
        wire
    }

    async fn send(&mut self, frame: &Frame) {
        for segment in frame.segments() {
            self.stream.write_all(segment).await.expect("open");
        }
    }

    async fn receive(&mut self) -> usize {
        self.stream.read_buf(&mut self.buffer).await.unwrap_or(0)
    }

    async fn response(&mut self) -> Option<Response> {
        let reader = FrameReader::new(1 << 20);
        loop {
            if let Some(frame) = reader.read(&mut self.buffer).expect("intact") {
                return Some(decode_response(frame, &WireLimits::default()).expect("readable"));
            }
            if self.receive().await == 0 {
                return None;
            }
        }
    }
}

fn submit(request_id: u64, payload: Bytes) -> Frame {
    let request = Request::Submit {
        request_id,
        payload,
    };
    Frame::request(&request, &mut BytesMut::new())
}

fn plain() -> Bytes {
    let mut builder = ChunkBuilder::plain();
    builder.push(b"x");
    builder.finish()
}

fn bytes(frame: &Frame) -> Vec<u8> {
    frame
        .segments()
        .flat_map(|segment| segment.to_vec())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_submission_is_refused_and_the_next_one_answered() {
    let cluster = Cluster::start(1).await;
    let mut wire = Wire::client(cluster.clients[0]).await;
    wire.send(&submit(7, Bytes::from_static(&[99, 1, 2]))).await;
    let refused = Response::Error {
        request_id: 7,
        kind: ErrorKind::Malformed,
    };
    assert_eq!(wire.response().await, Some(refused));
    wire.send(&submit(8, plain())).await;
    let answered = wire.response().await.expect("answered");
    assert_eq!(answered.request_id(), 8);
    assert!(matches!(answered, Response::Replies(_)), "{answered:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_frame_of_a_client_closes_its_connection() {
    let cluster = Cluster::start(1).await;
    for at in 0..bytes(&submit(1, plain())).len() {
        let mut wire = Wire::client(cluster.clients[0]).await;
        let mut damaged = bytes(&submit(1, plain()));
        damaged[at] ^= 0x10;
        wire.stream.write_all(&damaged).await.expect("open");
        wire.stream.shutdown().await.expect("open");
        // At most a word of goodbye; never an answer.
        while let Some(response) = wire.response().await {
            assert!(matches!(response, Response::Error { .. }), "{response:?}");
        }
    }
    let read = cluster
        .handle(0)
        .read(Bytes::new(), spaxos::Consistency::Serializable)
        .await;
    assert_eq!(
        read.expect("answered").bytes,
        b""[..],
        "nothing was executed"
    );
    cluster
        .handle(0)
        .submit(command("y"))
        .await
        .expect("unharmed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_sends_nonsense_is_cut_off() {
    // The second of two members never comes: this test speaks for it.
    let listener = local();
    let address = listener.local_addr().expect("bound");
    let nobody = local().local_addr().expect("bound").to_string();
    let members = vec![Member::new(1, address.to_string()), Member::new(2, nobody)];
    let mut options = Options::new(CLUSTER_ID, 1, members, listener, "unused");
    options.durability = Durability::Memory;
    let node = start(options).await;
    let mut hello = PeerHello {
        cluster_id: CLUSTER_ID,
        member_id: ReplicaId(2),
        receiver_id: ReplicaId(1),
        disk_id: 5,
        life: Life {
            incarnation: Incarnation(50),
            nonce: 5,
        },
        known: Life::default(),
        fingerprint: 0,
    };
    // A member with other settings is refused, and told what they should be.
    let (_wire, reply) = Wire::greet(address, Hello::Peer(hello)).await;
    let HelloReply::Refused(Refusal::OtherSettings { fingerprint }) = reply else {
        panic!("{reply:?}");
    };
    hello.fingerprint = fingerprint;
    let mut inputs = vec![bytes(&submit(1, plain())), vec![0; 100], vec![0xff; 100]];
    inputs.push(bytes(&Frame::hello(&Hello::Peer(hello))));
    for input in inputs {
        let before = node.handle().counters().frames_refused;
        let (mut wire, reply) = Wire::greet(address, Hello::Peer(hello)).await;
        assert!(matches!(reply, HelloReply::Peer(_)), "{reply:?}");
        wire.stream.write_all(&input).await.expect("open");
        assert_eq!(wire.receive().await, 0, "closed without a word");
        assert_eq!(node.handle().counters().frames_refused, before + 1);
    }
    node.shutdown().await.expect("unharmed");
}
