//! Accepts clients.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use spaxos_core::types::ReplicaId;
use spaxos_wire::WireLimits;
use spaxos_wire::frame::{Frame, FrameKind, HEADER_BYTES, Received};
use spaxos_wire::hello::{self, ClientWelcome, Hello, HelloReply, Refusal};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::handle::Shared;
use crate::native::connection::{Connection, ConnectionError};
use crate::native::output::{Output, OutputLimits};
use crate::options::RuntimeLimits;
use crate::transport::handshake::{HandshakeError, read_frame, write_frame};
use crate::transport::incoming::refuse_busy;

/// What all clients' connections share.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) cluster_id: u64,
    pub(crate) id: ReplicaId,
    pub(crate) shared: Arc<Shared>,
    pub(crate) wire: WireLimits,
    pub(crate) limits: RuntimeLimits,
}

/// After a failed accept, which means that the system is out of something.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves clients until `stopping` is true, then lets each of them have the answers that are ready,
/// for a while.
pub(crate) async fn serve(
    server: Arc<Server>,
    listener: TcpListener,
    mut stopping: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_ended) = connections.join_next() => continue,
            () = asked_to_stop(&mut stopping) => break,
        };
        match accepted {
            Ok((stream, _)) if connections.len() < server.limits.client_connections_max => {
                connections.spawn(client(Arc::clone(&server), stream, stopping.clone()));
            }
            Ok((stream, _)) => {
                server.shared.counters.connections_refused.add(1);
                refuse_busy(&stream);
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a client");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let draining = async { while connections.join_next().await.is_some() {} };
    let _cut_off = timeout(server.limits.shutdown_grace, draining).await;
}

/// Returns when the node stops serving clients.
pub(crate) async fn asked_to_stop(stopping: &mut watch::Receiver<bool>) {
    drop(stopping.wait_for(|stopping| *stopping).await);
}

async fn client(server: Arc<Server>, mut stream: TcpStream, stopping: watch::Receiver<bool>) {
    let counters = &server.shared.counters;
    let mut buffer = BytesMut::new();
    let greeting = timeout(
        server.limits.handshake_timeout,
        server.greet(&mut stream, &mut buffer),
    );
    if let Err(error) = greeting.await.unwrap_or(Err(HandshakeError::TimedOut)) {
        counters.greetings_refused.add(1);
        tracing::debug!(%error, "refused a client");
        return;
    }
    counters.client_connections.add(1);
    let (mut read, write) = stream.into_split();
    let write = Arc::new(write);
    let output = Arc::new(Output::new(Arc::clone(&write), server.output_limits()));
    let connection = Connection {
        server: &server,
        output: &output,
    };
    let ended = connection.run((&mut read, &write), buffer, stopping).await;
    output.close();
    counters.client_connections.sub(1);
    match ended {
        Ok(()) => {}
        Err(ConnectionError::Unreadable(error)) => {
            counters.frames_refused.add(1);
            tracing::debug!(%error, "closed a client's connection");
        }
        Err(error) => tracing::debug!(%error, "a client's connection ended"),
    }
}

impl Server {
    async fn greet(
        &self,
        stream: &mut TcpStream,
        buffer: &mut BytesMut,
    ) -> Result<(), HandshakeError> {
        stream.set_nodelay(true)?;
        let judged = match read_frame(stream, buffer).await {
            Ok(frame) => self.judge(frame),
            Err(HandshakeError::Unreadable(error)) => Err(error.into()),
            Err(error) => return Err(error),
        };
        let reply = match judged {
            Ok(()) => HelloReply::Client(self.welcome()),
            Err(refusal) => HelloReply::Refused(refusal),
        };
        write_frame(stream, &Frame::hello_reply(&reply)).await?;
        judged.map_err(HandshakeError::RefusedHere)
    }

    fn judge(&self, frame: Received) -> Result<(), Refusal> {
        if frame.kind != FrameKind::Hello {
            return Err(Refusal::Malformed);
        }
        match hello::decode(frame.body)? {
            Hello::Client(hello) if hello.cluster_id == 0 => Ok(()),
            Hello::Client(hello) if hello.cluster_id == self.cluster_id => Ok(()),
            Hello::Client(_) => Err(Refusal::WrongCluster {
                cluster_id: self.cluster_id,
            }),
            Hello::Peer(_) => Err(Refusal::WrongReceiver { member_id: self.id }),
        }
    }

    fn welcome(&self) -> ClientWelcome {
        let limit = |limit: usize| u32::try_from(limit).unwrap_or(u32::MAX);
        ClientWelcome {
            cluster_id: self.cluster_id,
            member_id: self.id,
            chunk_bytes_max: limit(self.wire.chunk_bytes_max),
            requests_max: self.wire.requests_max,
            frame_bytes_max: limit(self.wire.client_frame_bytes_max),
        }
    }

    /// The longest frame from or to a client, as a reader of frames counts.
    pub(crate) const fn frame_bytes_max(&self) -> usize {
        self.wire.client_frame_bytes_max + HEADER_BYTES
    }

    const fn output_limits(&self) -> OutputLimits {
        OutputLimits {
            frame_bytes_max: self.wire.client_frame_bytes_max,
            output_bytes_max: self.limits.client_output_bytes_max,
            in_flight_bytes_max: self.limits.client_in_flight_bytes_max,
            in_flight_frames_max: self.limits.client_in_flight_frames_max,
        }
    }
}
