//! The connections that this node opens, one to each other member, and sends on.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::time::timeout;

use crate::random;
use crate::transport::handshake::HandshakeError;
use crate::transport::outgoing::Outgoing;
use crate::transport::peer_queue::PeerQueue;
use crate::transport::{Peer, Transport};

/// A peer that acknowledges nothing for this long is gone.
const VANISHED_MS: u32 = 10_000;

/// Pieces in one write.
const SEGMENTS_MAX: usize = 64;

/// Connects, sends until the connection breaks, waits a little, and so on for ever.
pub(crate) async fn keep_connected(transport: Arc<Transport>, peer: Peer) {
    let mut pause = Pause::new(&transport);
    loop {
        match connect(&transport, &peer).await {
            Ok(stream) => {
                pause.reset();
                let id = peer.queue.peer;
                tracing::info!(peer = id.0, address = %peer.address, "connected to peer");
                peer.queue.connected();
                let error = send(stream, &peer.queue).await;
                peer.queue.disconnected();
                tracing::info!(peer = id.0, %error, "connection to peer ended");
            }
            Err(error) => {
                let id = peer.queue.peer;
                if error.needs_an_operator() {
                    transport.counters.greetings_refused.add(1);
                    tracing::warn!(peer = id.0, address = %peer.address, %error, "peer refused");
                    pause.lengthen();
                } else {
                    tracing::debug!(peer = id.0, address = %peer.address, %error, "no connection");
                }
            }
        }
        pause.wait().await;
    }
}

async fn connect(transport: &Transport, peer: &Peer) -> Result<TcpStream, HandshakeError> {
    let limits = &transport.limits;
    let connecting = timeout(limits.connect_timeout, TcpStream::connect(&peer.address));
    let mut stream = connecting.await.map_err(|_| HandshakeError::TimedOut)??;
    stream.set_nodelay(true)?;
    // Where the system cannot, a peer that vanished without a word is noticed later, that is all.
    let _best_effort = rustix::net::sockopt::set_tcp_user_timeout(&stream, VANISHED_MS);
    let greeting = transport.greet(&mut stream, peer.queue.peer);
    let greeting = timeout(limits.handshake_timeout, greeting);
    let greeting = greeting.await.map_err(|_| HandshakeError::TimedOut)??;
    transport.inbox.greeted(greeting);
    Ok(stream)
}

/// Writes what comes into the queue, until the connection breaks. The other side never says anything
/// on it again, so that whatever can be read is its end.
async fn send(stream: TcpStream, queue: &PeerQueue) -> io::Error {
    let (mut read, mut write) = stream.into_split();
    let mut byte = [0];
    tokio::select! {
        error = write_queue(&mut write, queue) => error,
        end = read.read(&mut byte) => match end {
            Ok(0) => io::ErrorKind::UnexpectedEof.into(),
            Ok(_) => io::Error::new(io::ErrorKind::InvalidData, "a peer spoke out of turn"),
            Err(error) => error,
        },
    }
}

async fn write_queue(write: &mut OwnedWriteHalf, queue: &PeerQueue) -> io::Error {
    let mut frames = VecDeque::new();
    // How much of the first frame is out already.
    let mut written = 0;
    loop {
        if frames.is_empty() {
            queue.take(&mut frames).await;
        } else {
            queue.try_take(&mut frames);
        }
        let mut slices = [IoSlice::new(&[]); SEGMENTS_MAX];
        let count = fill(&mut slices, &frames, written);
        match write.write_vectored(&slices[..count]).await {
            Ok(0) => return io::ErrorKind::WriteZero.into(),
            Ok(bytes) => written += bytes,
            Err(error) => return error,
        }
        while let Some(first) = frames.front() {
            if written < first.bytes {
                break;
            }
            written -= first.bytes;
            queue.written(first);
            frames.pop_front();
        }
    }
}

/// Points `slices` to what is to be written next: everything behind the first `written` bytes.
fn fill<'a>(
    slices: &mut [IoSlice<'a>],
    frames: &'a VecDeque<Arc<Outgoing>>,
    written: usize,
) -> usize {
    let mut skip = written;
    let mut count = 0;
    for segment in frames.iter().flat_map(|frame| frame.frame.segments()) {
        if skip >= segment.len() {
            skip -= segment.len();
            continue;
        }
        if count == slices.len() {
            break;
        }
        slices[count] = IoSlice::new(&segment[skip..]);
        skip = 0;
        count += 1;
    }
    count
}

/// The pause between two attempts: doubled each time, shortened by chance so that members that
/// started together do not knock together for ever.
struct Pause {
    min: Duration,
    max: Duration,
    next: Duration,
}

impl Pause {
    const fn new(transport: &Transport) -> Pause {
        Pause {
            min: transport.limits.reconnect_min,
            max: transport.limits.reconnect_max,
            next: transport.limits.reconnect_min,
        }
    }

    const fn reset(&mut self) {
        self.next = self.min;
    }

    const fn lengthen(&mut self) {
        self.next = self.max;
    }

    async fn wait(&mut self) {
        let shortened = self.next.mul_f64(0.5 + 0.5 * random::fraction());
        tokio::time::sleep(shortened).await;
        self.next = (self.next * 2).min(self.max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::outgoing::tests::outgoing;

    #[test]
    fn writing_goes_on_where_it_stopped() {
        let frames: VecDeque<_> = [Some(10), None, Some(7)]
            .into_iter()
            .map(outgoing)
            .collect();
        let all: Vec<u8> = frames
            .iter()
            .flat_map(|frame| frame.frame.segments())
            .flat_map(|segment| segment.to_vec())
            .collect();
        for written in 0..all.len() {
            let mut slices = [IoSlice::new(&[]); 8];
            let count = fill(&mut slices, &frames, written);
            let rest: Vec<u8> = slices[..count]
                .iter()
                .flat_map(|slice| slice.to_vec())
                .collect();
            assert_eq!(rest, all[written..]);
        }
        let mut two = [IoSlice::new(&[]); 2];
        assert_eq!(
            fill(&mut two, &frames, 0),
            2,
            "no more than there is room for"
        );
    }
}
