//! One connection of a client to a member: frames out, frames in.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use spaxos_wire::client::{Request, Response, decode_response};
use spaxos_wire::frame::{Frame, FrameKind, FrameReader, HEADER_BYTES};
use spaxos_wire::hello::{self, ClientHello, ClientWelcome, Hello, HelloReply, Refusal};
use spaxos_wire::{DecodeError, WireLimits};
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::transport::handshake::{HandshakeError, misplaced, read_frame, write_frame};

/// A connection that a member has welcomed.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    reader: FrameReader,
    /// What has arrived and is not taken.
    incoming: BytesMut,
    /// What is to be written, from `written` on.
    outgoing: Vec<u8>,
    written: usize,
    scratch: BytesMut,
    wire: WireLimits,
}

/// Why a connection broke.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    #[error("closed by the member")]
    Closed,
    #[error("an unreadable frame: {0}")]
    Unreadable(#[from] DecodeError),
}

impl Connection {
    /// Connects and greets.
    pub(crate) async fn open(
        address: &str,
        cluster_id: u64,
        wait_max: Duration,
    ) -> Result<(Connection, ClientWelcome), HandshakeError> {
        let opening = timeout(wait_max, Connection::greet(address, cluster_id));
        opening.await.unwrap_or(Err(HandshakeError::TimedOut))
    }

    async fn greet(
        address: &str,
        cluster_id: u64,
    ) -> Result<(Connection, ClientWelcome), HandshakeError> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let hello = Hello::Client(ClientHello { cluster_id });
        write_frame(&mut stream, &Frame::hello(&hello)).await?;
        let mut incoming = BytesMut::new();
        let frame = read_frame(&mut stream, &mut incoming).await?;
        if frame.kind != FrameKind::HelloReply {
            return Err(misplaced(frame.kind).into());
        }
        let welcome = match hello::decode_reply(frame.body)? {
            HelloReply::Client(welcome) => welcome,
            HelloReply::Peer(_) => {
                return Err(HandshakeError::RefusedHere(Refusal::Malformed));
            }
            HelloReply::Refused(refusal) => return Err(HandshakeError::RefusedByPeer(refusal)),
        };
        let connection = Connection {
            stream,
            reader: FrameReader::new(welcome.frame_bytes_max as usize + HEADER_BYTES),
            incoming,
            outgoing: Vec::new(),
            written: 0,
            scratch: BytesMut::with_capacity(1 << 10),
            wire: WireLimits::default(),
        };
        Ok((connection, welcome))
    }

    /// Adds a frame to what is to be written. Whoever asks bounds how much is in flight.
    pub(crate) fn push(&mut self, request: &Request) {
        let frame = Frame::request(request, &mut self.scratch);
        for segment in frame.segments() {
            self.outgoing.extend_from_slice(segment);
        }
    }

    /// The next whole frame that has arrived, if there is one.
    pub(crate) fn next(&mut self) -> Result<Option<Response>, Broken> {
        match self.reader.read(&mut self.incoming)? {
            Some(frame) => Ok(Some(decode_response(frame, &self.wire)?)),
            None => Ok(None),
        }
    }

    /// Writes what is to be written and reads what has come: ready when something has come, or when
    /// the connection is broken. Can be given up at any time.
    pub(crate) fn poll_progress(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        self.poll_write(context)?;
        self.poll_read(context)
    }

    /// Writes as much as the connection takes.
    pub(crate) fn poll_write(&mut self, context: &mut Context<'_>) -> Result<(), Broken> {
        while self.written < self.outgoing.len() {
            let rest = &self.outgoing[self.written..];
            match Pin::new(&mut self.stream).poll_write(context, rest) {
                Poll::Ready(Ok(0)) => return Err(Broken::Closed),
                Poll::Ready(Ok(bytes)) => self.written += bytes,
                Poll::Ready(Err(error)) => return Err(error.into()),
                Poll::Pending => return Ok(()),
            }
        }
        self.outgoing.clear();
        self.written = 0;
        Ok(())
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        self.reader.reserve(&mut self.incoming);
        let read = pin!(self.stream.read_buf(&mut self.incoming));
        match read.poll(context) {
            Poll::Ready(Ok(0)) => Poll::Ready(Err(Broken::Closed)),
            Poll::Ready(Ok(_)) => Poll::Ready(Ok(())),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}
