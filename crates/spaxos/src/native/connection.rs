//! One client's connection: one task reads requests and writes answers.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use spaxos_wire::client::{Request, decode_request};
use spaxos_wire::frame::FrameReader;
use spaxos_wire::{DecodeError, chunk};
use tokio::io::AsyncReadExt;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::handle::Consistency;
use crate::intake::Intake;
use crate::native::output::{Asked, Output, WriteError};
use crate::native::server::{Server, asked_to_stop};
use crate::read::{ReadRequest, Reader};
use crate::waiter::Waiter;

/// Why a client's connection ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    #[error("an unreadable frame: {0}")]
    Unreadable(#[from] DecodeError),
    #[error("the client stopped in the middle of a frame")]
    Stalled,
    #[error(transparent)]
    Unwritable(#[from] WriteError),
}

/// How long it may take to tell a client why its connection is closed.
const GOODBYE_MAX: Duration = Duration::from_secs(1);

/// One client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Connection<'a> {
    pub(crate) server: &'a Server,
    pub(crate) output: &'a Arc<Output>,
}

impl Connection<'_> {
    /// Runs until the client closes, misbehaves, or `stopping` is true and all is answered.
    pub(crate) async fn run(
        self,
        (read, write): (&mut OwnedReadHalf, &OwnedWriteHalf),
        buffer: BytesMut,
        mut stopping: watch::Receiver<bool>,
    ) -> Result<(), ConnectionError> {
        let mut writing = pin!(
            self.output
                .write(write, self.server.limits.client_stall_max)
        );
        let read = tokio::select! {
            read = self.read(read, buffer) => read,
            written = &mut writing => return Ok(written?),
            () = asked_to_stop(&mut stopping) => {
                self.output.finish();
                return Ok(writing.await?);
            }
        };
        if matches!(read, Err(ConnectionError::Unreadable(_))) {
            let nothing = Asked {
                request_id: 0,
                bytes: 0,
            };
            self.output.malformed(nothing);
            self.output.abandon();
            let _best_effort = timeout(GOODBYE_MAX, writing).await;
        }
        read
    }

    async fn read(
        self,
        read: &mut OwnedReadHalf,
        mut buffer: BytesMut,
    ) -> Result<(), ConnectionError> {
        let reader = FrameReader::new(self.server.frame_bytes_max());
        loop {
            while let Some(frame) = reader.read(&mut buffer)? {
                self.take(decode_request(frame, &self.server.wire)?).await;
            }
            reader.reserve(&mut buffer);
            // A client may be silent between two frames for as long as it likes, but not within one.
            let bytes = if buffer.is_empty() {
                read.read_buf(&mut buffer).await?
            } else {
                let stall_max = self.server.limits.client_stall_max;
                let reading = timeout(stall_max, read.read_buf(&mut buffer));
                reading.await.map_err(|_| ConnectionError::Stalled)??
            };
            if bytes == 0 {
                return Ok(());
            }
        }
    }

    /// Waits for room, for as long as it takes: meanwhile nothing is read.
    async fn take(self, request: Request) {
        let request_id = request.request_id();
        let bytes = match &request {
            Request::Submit { payload, .. } => payload.len(),
            Request::Read { query, .. } => query.len(),
            Request::Status { .. } => 0,
        };
        let asked = Asked { request_id, bytes };
        self.output.enter(bytes).await;
        match request {
            Request::Submit { payload, .. } => self.submit(asked, &payload).await,
            Request::Read {
                linearizable,
                query,
                ..
            } => {
                let shared = &self.server.shared;
                let consistency = if linearizable {
                    Consistency::Linearizable
                } else {
                    Consistency::Serializable
                };
                let permit = match shared.intake.admit_read(consistency) {
                    Ok(permit) => permit,
                    Err(error) => {
                        self.output.refuse_read(asked, &error);
                        return self.output.wake();
                    }
                };
                let read = ReadRequest {
                    query: Some(query),
                    reader: Reader::Client {
                        asked,
                        to: Arc::clone(self.output),
                    },
                    permit,
                };
                shared.read(read, consistency);
            }
            Request::Status { .. } => {
                let status = self.server.shared.status();
                self.output.status(asked, status);
                self.output.wake();
            }
        }
    }

    async fn submit(self, asked: Asked, payload: &[u8]) {
        let Ok(requests) = chunk::validate(payload, &self.server.wire) else {
            self.server.shared.counters.frames_refused.add(1);
            self.output.malformed(asked);
            return self.output.wake();
        };
        let intake = &self.server.shared.intake;
        let permits = Intake::permits(payload.len(), 1);
        if let Err(error) = intake.admit(permits).await {
            self.output.refuse(asked, &error);
            return self.output.wake();
        }
        let waiter = Waiter::Client {
            requests,
            asked,
            to: Arc::clone(self.output),
        };
        intake.push_chunk(payload, waiter, permits);
    }
}
