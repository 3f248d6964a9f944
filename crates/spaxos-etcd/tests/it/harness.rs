//! A member of its own with an endpoint, and a client that speaks the wire and nothing else.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http2::SendRequest;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use spaxos::{Durability, Node, Options};
use spaxos_etcd::proto::etcdserverpb as pb;
use spaxos_etcd::{EtcdServer, Member, ServerInfo, SharedMachine};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::Code;

/// How a call is refused: the code and the words.
pub(crate) type Refusal = (Code, String);

/// A running endpoint.
pub(crate) struct Endpoint {
    pub(crate) address: SocketAddr,
    sender: SendRequest<Full<Bytes>>,
    node: Node,
    _data_dir: tempfile::TempDir,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Endpoint {
    /// The only member of a cluster, able to write.
    pub(crate) async fn start() -> Endpoint {
        let endpoint = Endpoint::start_with(1, |_| {}).await;
        // What the node shows of itself follows what it does within milliseconds.
        while endpoint.status().await.leader == 0 {}
        endpoint
    }

    /// One member of a cluster of three whose others do not run: nobody leads. Requests give up
    /// soon.
    pub(crate) async fn start_alone() -> Endpoint {
        Endpoint::start_with(3, |info| {
            info.limits.request_timeout = Duration::from_millis(50);
            info.election_timeout = Duration::from_millis(50);
        })
        .await
    }

    /// A member of a cluster of `size`.
    pub(crate) async fn start_with(size: u64, adjust: impl FnOnce(&mut ServerInfo)) -> Endpoint {
        let data_dir = tempfile::tempdir().expect("a temporary directory");
        let machine = SharedMachine::new(spaxos_kv::Limits::DEFAULT);
        let peers = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let own = peers.local_addr().expect("an address").to_string();
        // Nobody listens on port 1.
        let address = |id| if id == 1 { &*own } else { "127.0.0.1:1" };
        let members = (1..=size).map(|id| spaxos::Member::new(id, address(id)));
        let mut options = Options::new(0xC1, 1, members.collect(), peers, data_dir.path())
            .with_durability(Durability::Memory);
        // A single member has nobody to wait for before it leads.
        options.timing.heartbeat_ns = 10_000_000;
        options.timing.election_ns = 30_000_000;
        let node = Node::start(options, Box::new(machine.clone()));
        let node = node.await.expect("the node starts");

        let mut info = ServerInfo::new(0xC1, 0xA1, "a");
        info.members = (1..=size).map(member).collect();
        adjust(&mut info);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let server = EtcdServer::new(node.handle(), machine, info).expect("it makes sense");
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(async move {
            let served = server.serve(vec![listener], async {
                let _ = stopped.await;
            });
            served.await.expect("it serves");
        });
        Endpoint {
            address,
            sender: connect(address).await,
            node,
            _data_dir: data_dir,
            stop,
            serving,
        }
    }

    /// Ends the endpoint, gracefully, and the node.
    pub(crate) async fn stop(self) {
        let _ = self.stop.send(());
        self.serving.await.expect("the endpoint ends well");
        self.node.shutdown().await.expect("the node ends well");
    }

    /// Calls `Service/Method` of etcd's package.
    pub(crate) async fn call<Q: Message, R: Message + Default>(
        &self,
        method: &str,
        request: &Q,
    ) -> Result<R, Refusal> {
        self.call_with(method, request, &[]).await
    }

    /// As [`Endpoint::call`], with metadata.
    pub(crate) async fn call_with<Q: Message, R: Message + Default>(
        &self,
        method: &str,
        request: &Q,
        metadata: &[(&'static str, &[u8])],
    ) -> Result<R, Refusal> {
        let path = format!("/etcdserverpb.{method}");
        let body = framed(&request.encode_to_vec());
        let message = self.call_raw(&path, body, metadata).await?;
        Ok(R::decode(message).expect("an answer that can be read"))
    }

    /// Posts `body` to `path` as gRPC does, and reads the answer's message.
    pub(crate) async fn call_raw(
        &self,
        path: &str,
        body: Bytes,
        metadata: &[(&'static str, &[u8])],
    ) -> Result<Bytes, Refusal> {
        let mut request = Request::post(format!("http://{}{path}", self.address))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        for (name, value) in metadata {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).expect("a request");
        let mut sender = self.sender.clone();
        sender.ready().await.expect("the connection stands");
        let response = sender.send_request(request).await.expect("an answer");
        outcome(response).await
    }

    pub(crate) async fn status(&self) -> pb::StatusResponse {
        let request = pb::StatusRequest::default();
        let status = self.call("Maintenance/Status", &request).await;
        status.expect("a status needs nobody")
    }

    pub(crate) async fn put(&self, key: &str, value: &str) -> i64 {
        let response: pb::PutResponse = self.call("KV/Put", &put(key, value)).await.expect("a put");
        self.revision_of(response.header)
    }

    pub(crate) async fn range(&self, request: pb::RangeRequest) -> pb::RangeResponse {
        self.call("KV/Range", &request).await.expect("a range")
    }

    pub(crate) async fn range_error(&self, request: pb::RangeRequest) -> Refusal {
        let response = self.call::<_, pb::RangeResponse>("KV/Range", &request);
        response.await.expect_err("a refused range")
    }

    pub(crate) async fn delete(&self, request: pb::DeleteRangeRequest) -> pb::DeleteRangeResponse {
        self.call("KV/DeleteRange", &request)
            .await
            .expect("a delete")
    }

    pub(crate) async fn txn(&self, request: pb::TxnRequest) -> pb::TxnResponse {
        self.call("KV/Txn", &request).await.expect("a transaction")
    }

    pub(crate) async fn txn_error(&self, request: pb::TxnRequest) -> Refusal {
        let response = self.call::<_, pb::TxnResponse>("KV/Txn", &request);
        response.await.expect_err("a refused transaction")
    }

    /// Compacts, and returns the header's revision.
    pub(crate) async fn compact(&self, revision: i64) -> Result<i64, Refusal> {
        let request = pb::CompactionRequest {
            revision,
            physical: true,
        };
        let response: pb::CompactionResponse = self.call("KV/Compact", &request).await?;
        Ok(self.revision_of(response.header))
    }

    /// The revision of a header, which is this member's.
    pub(crate) fn revision_of(&self, header: Option<pb::ResponseHeader>) -> i64 {
        let header = header.expect("every answer has a header");
        assert_eq!((header.cluster_id, header.member_id), (0xC1, 0xA1));
        header.revision
    }

    /// `GET` by HTTP/1.1: the status, the content type and the body.
    pub(crate) async fn get(&self, path: &str) -> (u16, String, String) {
        self.plain("GET", path).await
    }

    /// Any method by HTTP/1.1.
    pub(crate) async fn plain(&self, method: &str, path: &str) -> (u16, String, String) {
        let stream = TcpStream::connect(self.address).await.expect("it listens");
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .expect("a connection");
        tokio::spawn(connection);
        let request = Request::builder().method(method).uri(path);
        let request = request.header("host", "x").body(Full::<Bytes>::default());
        let response = sender.send_request(request.expect("a request")).await;
        let response = response.expect("an answer");
        let content_type = response.headers().get("content-type");
        let content_type = content_type.map_or("", |value| value.to_str().expect("text"));
        let head = (response.status().as_u16(), content_type.to_owned());
        let body = response.into_body().collect().await.expect("a body");
        let body = String::from_utf8(body.to_bytes().to_vec()).expect("text");
        (head.0, head.1, body)
    }
}

fn member(id: u64) -> Member {
    let letter = char::from(b'a' + u8::try_from(id - 1).expect("few members"));
    Member {
        id: 0xA0 + id,
        replica: id,
        name: letter.to_string(),
        peer_urls: vec![format!("http://127.0.0.1:{id}2380")],
        client_urls: vec![format!("http://127.0.0.1:{id}2379")],
    }
}

pub(crate) async fn connect<B>(address: SocketAddr) -> SendRequest<B>
where
    B: Body<Data = Bytes, Error = Infallible> + Unpin + Send + 'static,
{
    let stream = TcpStream::connect(address).await.expect("it listens");
    let io = TokioIo::new(stream);
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), io);
    let (sender, connection) = handshake.await.expect("a connection");
    tokio::spawn(connection);
    sender
}

/// The message of an answer, or how the call was refused. Checks what every answer must have.
pub(crate) async fn outcome(response: Response<Incoming>) -> Result<Bytes, Refusal> {
    assert_eq!(response.status(), 200, "the outcome is in the trailers");
    assert_eq!(response.headers()["content-type"], "application/grpc");
    let (head, body) = response.into_parts();
    if let Some(refusal) = refusal(&head.headers) {
        return Err(refusal);
    }
    let body = body.collect().await.expect("a body");
    let trailers = body.trailers().expect("trailers").clone();
    if let Some(refusal) = refusal(&trailers) {
        return Err(refusal);
    }
    assert_eq!(trailers["grpc-status"], "0");
    let body = body.to_bytes();
    let length = u32::from_be_bytes(body[1..5].try_into().expect("four bytes"));
    assert_eq!((body[0], length as usize), (0, body.len() - 5));
    Ok(body.slice(5..))
}

fn refusal(headers: &HeaderMap) -> Option<Refusal> {
    let status = tonic::Status::from_header_map(headers)?;
    (status.code() != Code::Ok).then(|| (status.code(), status.message().to_owned()))
}

/// A message as it is in the body of a request.
pub(crate) fn framed(message: &[u8]) -> Bytes {
    let mut body = BytesMut::new();
    body.put_u8(0);
    body.put_u32(u32::try_from(message.len()).expect("a short message"));
    body.put_slice(message);
    body.freeze()
}

pub(crate) fn range(key: &str, range_end: &str) -> pb::RangeRequest {
    pb::RangeRequest {
        key: Bytes::copy_from_slice(key.as_bytes()),
        range_end: Bytes::copy_from_slice(range_end.as_bytes()),
        ..pb::RangeRequest::default()
    }
}

pub(crate) fn put(key: &str, value: &str) -> pb::PutRequest {
    pb::PutRequest {
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: Bytes::copy_from_slice(value.as_bytes()),
        ..pb::PutRequest::default()
    }
}

pub(crate) fn delete(key: &str, range_end: &str) -> pb::DeleteRangeRequest {
    pb::DeleteRangeRequest {
        key: Bytes::copy_from_slice(key.as_bytes()),
        range_end: Bytes::copy_from_slice(range_end.as_bytes()),
        prev_kv: false,
    }
}

/// A transaction that does `success` if all of `compare` hold.
pub(crate) fn txn(
    compare: impl IntoIterator<Item = pb::Compare>,
    success: impl IntoIterator<Item = pb::RequestOp>,
) -> pb::TxnRequest {
    pb::TxnRequest {
        compare: compare.into_iter().collect(),
        success: success.into_iter().collect(),
        failure: Vec::new(),
    }
}

/// Operations of a transaction.
pub(crate) mod success {
    use super::pb;
    use pb::request_op::Request;

    pub(crate) fn op(request: Request) -> pb::RequestOp {
        pb::RequestOp {
            request: Some(request),
        }
    }

    pub(crate) fn put(key: &str, value: &str) -> pb::RequestOp {
        op(Request::RequestPut(super::put(key, value)))
    }

    pub(crate) fn range(key: &str, range_end: &str) -> pb::RequestOp {
        op(Request::RequestRange(super::range(key, range_end)))
    }

    pub(crate) fn delete(key: &str, range_end: &str) -> pb::RequestOp {
        op(Request::RequestDeleteRange(super::delete(key, range_end)))
    }

    pub(crate) fn txn(txn: pb::TxnRequest) -> pb::RequestOp {
        op(Request::RequestTxn(txn))
    }
}

/// The keys of an answer.
pub(crate) fn keys(response: &pb::RangeResponse) -> Vec<&str> {
    let keys = response.kvs.iter().map(|entry| &entry.key[..]);
    keys.map(|key| str::from_utf8(key).expect("text")).collect()
}

/// The values of an answer.
pub(crate) fn values(response: &pb::RangeResponse) -> Vec<&str> {
    let values = response.kvs.iter().map(|entry| &entry.value[..]);
    values
        .map(|value| str::from_utf8(value).expect("text"))
        .collect()
}
