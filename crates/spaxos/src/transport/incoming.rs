//! The connections that other members open, and this node receives on.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use spaxos_core::batch::Batch;
use spaxos_core::message::{Body, Message};
use spaxos_core::types::{LaneMap, ReplicaId};
use spaxos_wire::frame::{FrameKind, FrameReader, HEADER_BYTES, Received};
use spaxos_wire::hello::{HelloReply, Refusal};
use spaxos_wire::{DecodeError, frame, message};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::transport::Transport;
use crate::transport::handshake::{HandshakeError, misplaced};

/// The newest connection of each member: a second one takes the place of the first.
type Newest = Mutex<LaneMap<Arc<Notify>>>;

/// After a failed accept, which means that the system is out of something.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections for ever.
pub(crate) async fn accept(transport: Arc<Transport>, listener: TcpListener) {
    let newest = Arc::new(Newest::default());
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(ended) = connections.join_next() => {
                if ended.is_err_and(|error: tokio::task::JoinError| error.is_panic()) {
                    // One connection's bug must not be the node's end.
                    tracing::error!("the task of a peer's connection panicked");
                }
                continue;
            }
        };
        match accepted {
            Ok((stream, _)) if connections.len() < transport.limits.peer_connections_max => {
                let serving = serve(Arc::clone(&transport), Arc::clone(&newest), stream);
                connections.spawn(serving);
            }
            Ok((stream, _)) => {
                transport.counters.connections_refused.add(1);
                refuse_busy(&stream);
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a peer's connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Says why, if that takes no waiting.
pub(crate) fn refuse_busy(stream: &TcpStream) {
    let refusal = frame::Frame::hello_reply(&HelloReply::Refused(Refusal::Busy));
    for segment in refusal.segments() {
        if stream.try_write(segment).is_err() {
            return;
        }
    }
}

async fn serve(transport: Arc<Transport>, newest: Arc<Newest>, mut stream: TcpStream) {
    let mut buffer = BytesMut::new();
    let answering = transport.answer(&mut stream, &mut buffer);
    let answered = timeout(transport.limits.handshake_timeout, answering).await;
    let greeting = match answered.unwrap_or(Err(HandshakeError::TimedOut)) {
        Ok(greeting) => greeting,
        Err(error) => {
            transport.counters.greetings_refused.add(1);
            tracing::warn!(%error, "refused a connection to the peer port");
            return;
        }
    };
    let replaced = Arc::new(Notify::new());
    let before = {
        let mut newest = newest.lock();
        let before = newest.get(greeting.peer).cloned();
        newest.insert(greeting.peer, Arc::clone(&replaced));
        before
    };
    if let Some(before) = before {
        before.notify_one();
    }
    transport.inbox.greeted(greeting);
    let receiving = receive(&transport, greeting.peer, &mut stream, buffer);
    let ended = tokio::select! {
        ended = receiving => ended,
        () = replaced.notified() => return,
    };
    if let Err(ReceiveError::Unreadable(error)) = ended {
        transport.counters.frames_refused.add(1);
        tracing::warn!(peer = greeting.peer.0, %error, "closed a peer's connection");
    }
}

/// Why receiving ended.
#[derive(Debug, thiserror::Error)]
enum ReceiveError {
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    #[error("closed")]
    Closed,
    #[error("an unreadable frame: {0}")]
    Unreadable(#[from] DecodeError),
}

/// After this much, others get their turn.
const TURN_BYTES: usize = 1 << 20;

async fn receive(
    transport: &Transport,
    peer: ReplicaId,
    stream: &mut TcpStream,
    mut buffer: BytesMut,
) -> Result<(), ReceiveError> {
    let reader = FrameReader::new(transport.frame_bytes_max());
    let mut messages = Vec::new();
    let mut turn_bytes = 0;
    loop {
        let found = read_messages(transport, peer, &reader, &mut buffer, &mut messages);
        transport.inbox.messages(&mut messages);
        found?;
        if turn_bytes >= TURN_BYTES {
            turn_bytes = 0;
            tokio::task::yield_now().await;
        }
        reader.reserve(&mut buffer);
        match stream.read_buf(&mut buffer).await? {
            0 => return Err(ReceiveError::Closed),
            bytes => turn_bytes += bytes,
        }
    }
}

/// Takes all whole frames out of `buffer`.
fn read_messages(
    transport: &Transport,
    peer: ReplicaId,
    reader: &FrameReader,
    buffer: &mut BytesMut,
    messages: &mut Vec<(ReplicaId, Message)>,
) -> Result<(), DecodeError> {
    let received = &transport.counters.peer(peer).received;
    while let Some(Received { kind, body }) = reader.read(buffer)? {
        if kind != FrameKind::Message {
            return Err(misplaced(kind));
        }
        let bytes = HEADER_BYTES + body.len();
        let mut message = message::decode(body, &transport.wire)?;
        unpin_payloads(&mut message);
        received.add(message::kind(&message.body), bytes);
        messages.push((peer, message));
    }
    Ok(())
}

/// Payloads shorter than this get memory of their own.
const SHARED_BYTES_MIN: usize = 16 << 10;

/// Batches are kept for long. A short payload that shares the buffer it arrived in would keep all of
/// that, many times its size.
fn unpin_payloads(message: &mut Message) {
    match &mut message.body {
        Body::Batch(batch) => unpin_batch(batch),
        Body::Accept { batches, .. } => batches.iter_mut().for_each(unpin_batch),
        Body::Forward { chunks, .. } => {
            for chunk in chunks {
                unpin(&mut chunk.payload);
            }
        }
        _ => {}
    }
}

fn unpin_batch(batch: &mut Arc<Batch>) {
    // Nobody else has it yet.
    if let Some(batch) = Arc::get_mut(batch) {
        unpin(&mut batch.payload);
    }
}

fn unpin(payload: &mut Bytes) {
    if payload.len() < SHARED_BYTES_MIN {
        *payload = Bytes::copy_from_slice(payload);
    }
}
