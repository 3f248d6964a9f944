//! A connection through a proxy: bytes both ways, each way as its link allows.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::links::Link;

/// Bytes in one piece: small, so that a slow link is slow evenly.
const PIECE_BYTES: usize = 4 << 10;
/// Pieces on their way. Behind them, the sender's own buffers fill.
const PIECES_MAX: usize = 64;

/// Some bytes, and when they may arrive.
struct Piece {
    due: Instant,
    bytes: Vec<u8>,
}

/// Hands on `begin`, then everything, until both sides have closed.
pub(super) async fn carry(
    one: TcpStream,
    other: TcpStream,
    begin: Vec<u8>,
    links: (watch::Receiver<Link>, watch::Receiver<Link>),
) {
    for stream in [&one, &other] {
        // A proxy that gathers small messages would make every link slow.
        stream.set_nodelay(true).expect("it is a TCP connection");
    }
    let (one_read, one_write) = one.into_split();
    let (other_read, other_write) = other.into_split();
    let (there, back) = links;
    tokio::join!(
        one_way(begin, one_read, other_write, there),
        one_way(Vec::new(), other_read, one_write, back),
    );
}

/// Hands on what comes from `read`, and its end.
async fn one_way(
    begin: Vec<u8>,
    read: OwnedReadHalf,
    write: OwnedWriteHalf,
    link: watch::Receiver<Link>,
) {
    let (sender, pieces) = mpsc::channel(PIECES_MAX);
    tokio::join!(
        take(begin, read, sender, link.clone()),
        hand_on(pieces, write, link),
    );
}

async fn take(
    mut bytes: Vec<u8>,
    mut read: OwnedReadHalf,
    pieces: mpsc::Sender<Piece>,
    link: watch::Receiver<Link>,
) {
    loop {
        let delay = match *link.borrow() {
            Link::Slow { delay, .. } => delay,
            Link::Open | Link::Silent | Link::Broken => Duration::ZERO,
        };
        let due = Instant::now() + delay;
        if !bytes.is_empty() && pieces.send(Piece { due, bytes }).await.is_err() {
            return;
        }
        let mut buffer = [0; PIECE_BYTES];
        // A connection that fails has ended.
        let count = read.read(&mut buffer).await.unwrap_or(0);
        if count == 0 {
            return;
        }
        bytes = buffer[..count].to_vec();
    }
}

async fn hand_on(
    mut pieces: mpsc::Receiver<Piece>,
    mut write: OwnedWriteHalf,
    mut link: watch::Receiver<Link>,
) {
    while let Some(piece) = pieces.recv().await {
        sleep_until(piece.due).await;
        let Some(now) = passing(&mut link).await else {
            return;
        };
        if let Link::Slow {
            bytes_per_second, ..
        } = now
        {
            let seconds = piece.bytes.len() as f64 / f64::from(bytes_per_second);
            sleep(Duration::from_secs_f64(seconds)).await;
        }
        if write.write_all(&piece.bytes).await.is_err() {
            return;
        }
    }
    // Over a silent link not even the end is heard.
    if passing(&mut link).await.is_some() {
        let _already_gone = write.shutdown().await;
    }
}

/// Waits until the link passes. Nothing if it never will again.
async fn passing(link: &mut watch::Receiver<Link>) -> Option<Link> {
    link.wait_for(|link| link.passes())
        .await
        .ok()
        .map(|link| *link)
}
