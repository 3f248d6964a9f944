//! The greeting at the start of every connection between members.

use bytes::BytesMut;
use spaxos_core::types::ReplicaId;
use spaxos_wire::DecodeError;
use spaxos_wire::frame::{Frame, FrameKind, FrameReader, Received};
use spaxos_wire::hello::{self, HELLO_BYTES_MAX, Hello, HelloReply, PeerHello, Refusal};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::inbox::Greeting;
use crate::transport::Transport;
use crate::transport::lives::Stale;

/// Why a connection did not come to stand.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    #[error("the connection failed: {0}")]
    Io(#[from] std::io::Error),
    #[error("closed before a greeting")]
    Closed,
    #[error("no greeting in time")]
    TimedOut,
    #[error("an unreadable greeting: {0}")]
    Unreadable(#[from] DecodeError),
    #[error("refused by the other side: {0}")]
    RefusedByPeer(Refusal),
    #[error("refused here: {0}")]
    RefusedHere(Refusal),
}

impl HandshakeError {
    /// Whether trying again soon is pointless: somebody has to change something first.
    pub(crate) const fn needs_an_operator(&self) -> bool {
        match self {
            HandshakeError::RefusedByPeer(refusal) | HandshakeError::RefusedHere(refusal) => {
                !matches!(refusal, Refusal::Busy | Refusal::NotReady)
            }
            HandshakeError::Unreadable(_) => true,
            HandshakeError::Io(_) | HandshakeError::Closed | HandshakeError::TimedOut => false,
        }
    }
}

/// Reads the first frame of a connection. What came behind it stays in `buffer`.
pub(crate) async fn read_frame(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
) -> Result<Received, HandshakeError> {
    let reader = FrameReader::new(HELLO_BYTES_MAX);
    loop {
        if let Some(frame) = reader.read(buffer)? {
            return Ok(frame);
        }
        reader.reserve(buffer);
        if stream.read_buf(buffer).await? == 0 {
            return Err(HandshakeError::Closed);
        }
    }
}

pub(crate) async fn write_frame(
    stream: &mut (impl AsyncWrite + Unpin),
    frame: &Frame,
) -> Result<(), HandshakeError> {
    for segment in frame.segments() {
        stream.write_all(segment).await?;
    }
    stream.flush().await?;
    Ok(())
}

impl Transport {
    fn hello(&self, receiver: ReplicaId) -> PeerHello {
        PeerHello {
            cluster_id: self.identity.cluster_id,
            member_id: self.identity.id,
            receiver_id: receiver,
            disk_id: self.identity.disk_id,
            life: self.lives.own(),
            known: self.lives.known(receiver),
            fingerprint: self.identity.fingerprint,
        }
    }

    /// Greets `peer` on a connection that this side opened.
    pub(crate) async fn greet(
        &self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        peer: ReplicaId,
    ) -> Result<Greeting, HandshakeError> {
        let hello = Hello::Peer(self.hello(peer));
        write_frame(stream, &Frame::hello(&hello)).await?;
        let mut buffer = BytesMut::new();
        let frame = read_frame(stream, &mut buffer).await?;
        if frame.kind != FrameKind::HelloReply {
            return Err(misplaced(frame.kind).into());
        }
        match hello::decode_reply(frame.body)? {
            HelloReply::Peer(answer) => {
                if answer.member_id != peer {
                    let member_id = answer.member_id;
                    let refusal = Refusal::WrongReceiver { member_id };
                    return Err(HandshakeError::RefusedHere(refusal));
                }
                self.judge(&answer).map_err(HandshakeError::RefusedHere)
            }
            HelloReply::Client(_) => Err(HandshakeError::RefusedHere(Refusal::NotAMember)),
            HelloReply::Refused(refusal) => {
                if let Refusal::Replaced { known } = refusal {
                    // The core must hear of it: it halts.
                    let life = self.lives.known(peer);
                    self.inbox.greeted(Greeting { peer, life, known });
                }
                Err(HandshakeError::RefusedByPeer(refusal))
            }
        }
    }

    /// Answers the greeting on a connection that the other side opened. What came behind it stays in
    /// `buffer`.
    pub(crate) async fn answer(
        &self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        buffer: &mut BytesMut,
    ) -> Result<Greeting, HandshakeError> {
        let judged = match read_frame(stream, buffer).await {
            Ok(frame) => self.judge_first(frame),
            Err(HandshakeError::Unreadable(error)) => Err(error.into()),
            Err(error) => return Err(error),
        };
        let (reply, outcome) = match judged {
            Ok(greeting) => (HelloReply::Peer(self.hello(greeting.peer)), Ok(greeting)),
            Err(refusal) => {
                let error = HandshakeError::RefusedHere(refusal);
                (HelloReply::Refused(refusal), Err(error))
            }
        };
        write_frame(stream, &Frame::hello_reply(&reply)).await?;
        outcome
    }

    fn judge_first(&self, frame: Received) -> Result<Greeting, Refusal> {
        if frame.kind != FrameKind::Hello {
            return Err(Refusal::Malformed);
        }
        match hello::decode(frame.body)? {
            Hello::Peer(hello) => self.judge(&hello),
            Hello::Client(_) => Err(Refusal::NotAMember),
        }
    }

    /// Whether the other side may talk to us.
    fn judge(&self, hello: &PeerHello) -> Result<Greeting, Refusal> {
        let own = &self.identity;
        if hello.cluster_id != own.cluster_id {
            let cluster_id = own.cluster_id;
            return Err(Refusal::WrongCluster { cluster_id });
        }
        if hello.receiver_id != own.id {
            return Err(Refusal::WrongReceiver { member_id: own.id });
        }
        if hello.member_id == own.id {
            return Err(Refusal::SameMember);
        }
        if !self.members.contains(&hello.member_id) {
            return Err(Refusal::NotAMember);
        }
        if hello.fingerprint != own.fingerprint {
            let fingerprint = own.fingerprint;
            return Err(Refusal::OtherSettings { fingerprint });
        }
        let checked = self.lives.check(hello.member_id, hello.life, hello.disk_id);
        checked.map_err(|stale| match stale {
            Stale::Life(known) => Refusal::Replaced { known },
            Stale::Disk(disk_id) => Refusal::WrongDisk { disk_id },
        })?;
        Ok(Greeting {
            peer: hello.member_id,
            life: hello.life,
            known: hello.known,
        })
    }
}

pub(crate) const fn misplaced(kind: FrameKind) -> DecodeError {
    DecodeError::MisplacedKind {
        what: "frame",
        kind: kind.code(),
    }
}
