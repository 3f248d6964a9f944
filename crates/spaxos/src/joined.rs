//! Requests of many callers, joined into one payload while the core is busy.

use bytes::{BufMut, Bytes};
use spaxos_wire::chunk::{ChunkBuilder, PLAIN_HEAD_BYTES};

use crate::waiter::{Waiter, Waiting};

/// A payload under construction: chunks in their final encoding, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Joined {
    bytes: Vec<u8>,
    /// Where the last chunk's count is, if that chunk is a plain one and may grow.
    growing: Option<Growing>,
    /// Who waits, and for how many requests.
    pub(crate) waiting: Waiting,
}

#[derive(Clone, Copy, Debug)]
struct Growing {
    /// Where the number of requests stands.
    count_at: usize,
    /// How many requests it has.
    requests: u32,
}

impl Joined {
    /// How many bytes there are.
    pub(crate) const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is nothing.
    pub(crate) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Adds one plain request.
    pub(crate) fn push_plain(&mut self, command: &[u8]) {
        let growing = self.growing.unwrap_or_else(|| self.begin_plain());
        let len = u32::try_from(command.len()).expect("commands are limited far below 4 GiB");
        self.bytes.put_u32_le(len);
        self.bytes.put_slice(command);
        let requests = growing.requests + 1;
        let count = &mut self.bytes[growing.count_at..growing.count_at + 4];
        count.copy_from_slice(&requests.to_le_bytes());
        self.growing = Some(Growing {
            requests,
            ..growing
        });
        self.waiting.requests += 1;
    }

    fn begin_plain(&mut self) -> Growing {
        let head = ChunkBuilder::plain().finish();
        assert_eq!(
            head.len(),
            PLAIN_HEAD_BYTES,
            "a plain chunk without requests is its head"
        );
        self.bytes.put_slice(&head);
        Growing {
            count_at: self.bytes.len() - 4, // the last field of the head
            requests: 0,
        }
    }

    /// Adds a chunk that a client has encoded, as it is.
    pub(crate) fn push_chunk(&mut self, chunk: &[u8], requests: u32) {
        self.growing = None;
        self.bytes.put_slice(chunk);
        self.waiting.requests += requests;
    }

    /// Adds whoever waits for the requests added last.
    pub(crate) fn wait(&mut self, waiter: Waiter, permits: usize) {
        self.waiting.waiters.push(waiter);
        self.waiting.permits += permits;
    }

    /// Takes everything out. The payload gets memory of exactly its size, since it may be kept for
    /// long; the space it was built in is used again.
    pub(crate) fn finish(&mut self) -> (Bytes, Waiting) {
        let payload = Bytes::copy_from_slice(&self.bytes);
        self.bytes.clear();
        self.growing = None;
        (payload, std::mem::take(&mut self.waiting))
    }
}

#[cfg(test)]
mod tests {
    use spaxos_wire::WireLimits;
    use spaxos_wire::chunk::{self, ChunkView};

    use super::*;

    #[test]
    fn what_is_joined_is_what_clients_would_encode() {
        let mut joined = Joined::default();
        joined.push_plain(b"one");
        joined.push_plain(b"");
        joined.push_chunk(&chunk::renew(3), 1);
        joined.push_plain(b"four");
        let (payload, waiting) = joined.finish();
        assert_eq!(waiting.requests, 4);
        assert_eq!(chunk::validate(&payload, &WireLimits::default()), Ok(4));
        let shown: Vec<String> = chunk::iter(&payload)
            .map(|chunk| match chunk.expect("valid") {
                ChunkView::Plain { requests } => format!("{:?}", requests.collect::<Vec<_>>()),
                other => format!("{other:?}"),
            })
            .collect();
        let expected = [
            "[[111, 110, 101], []]",
            "Renew { session: 3 }",
            "[[102, 111, 117, 114]]",
        ];
        assert_eq!(shown, expected);
        assert!(joined.is_empty(), "ready for the next");
    }
}
