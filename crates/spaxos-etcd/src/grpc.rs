//! gRPC as it is on HTTP/2, for calls with one request and one answer: five bytes and a message in,
//! five bytes and a message out, the outcome in the trailers.
//!
//! Written out here, and not taken from a framework, for three reasons: a request costs no boxed
//! stream on the way; the limits speak with etcd's codes and words; and a message is read without a
//! copy when it came in one piece, so that keys and values stay where the network put them.

use std::future::poll_fn;
use std::pin::Pin;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Response};
use http_body::Body;
use prost::Message;
use tonic::Status;

use crate::body::AnswerBody;
use crate::budget::{Budget, Taken};
use crate::fault::Fault;

/// The flag for compression, then the message's length.
const PREFIX_BYTES: usize = 5;

/// The longest answer, in bytes.
const ANSWER_BYTES_MAX: u32 = (1 << 31) - 1;

/// The limits of reading: what one message may have, and what all together may.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadLimits<'a> {
    pub(crate) bytes_max: usize,
    pub(crate) budget: &'a Budget,
}

/// Reads the one message of a request. Its bytes count as in use until the second part of the
/// result is dropped.
pub(crate) async fn read_message<'a, B>(
    headers: &HeaderMap,
    mut body: B,
    limits: ReadLimits<'a>,
) -> Result<(Bytes, Taken<'a>), Fault>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut gathered = Gathered::default();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let Ok(frame) = frame else {
            return Err(Fault::Malformed("the request broke off".to_owned()));
        };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        gathered.push(data, headers, limits)?;
    }
    gathered.finish()
}

/// The pieces of a message so far. One piece is the rule, and then nothing is copied.
#[derive(Default)]
struct Gathered<'a> {
    first: Bytes,
    more: BytesMut,
    /// What the prefix says, prefix included, and the right to keep it; `None` until it is there.
    wanted: Option<(usize, Taken<'a>)>,
}

impl<'a> Gathered<'a> {
    fn push(
        &mut self,
        data: Bytes,
        headers: &HeaderMap,
        limits: ReadLimits<'a>,
    ) -> Result<(), Fault> {
        if self.first.is_empty() {
            self.first = data;
        } else {
            if self.more.is_empty() {
                self.more.extend_from_slice(&self.first);
            }
            self.more.extend_from_slice(&data);
        }
        let so_far = self.so_far();
        if self.wanted.is_none() && so_far.len() >= PREFIX_BYTES {
            let bytes = message_bytes(so_far, headers, limits.bytes_max)?;
            self.wanted = Some((PREFIX_BYTES + bytes, limits.budget.take(bytes)?));
        }
        match &self.wanted {
            Some((wanted, _)) if self.so_far().len() > *wanted => Err(Fault::Malformed(
                "there is more than one message".to_owned(),
            )),
            _ => Ok(()),
        }
    }

    fn so_far(&self) -> &[u8] {
        if self.more.is_empty() {
            &self.first
        } else {
            &self.more
        }
    }

    fn finish(self) -> Result<(Bytes, Taken<'a>), Fault> {
        let mut message = if self.more.is_empty() {
            self.first
        } else {
            self.more.freeze()
        };
        match self.wanted {
            Some((wanted, taken)) if wanted == message.len() => {
                message.advance(PREFIX_BYTES);
                Ok((message, taken))
            }
            _ => Err(Fault::Malformed("the message is cut short".to_owned())),
        }
    }
}

/// The length in the prefix, checked before anything of that size is kept.
fn message_bytes(mut prefix: &[u8], headers: &HeaderMap, bytes_max: usize) -> Result<usize, Fault> {
    let compressed = prefix.get_u8();
    let bytes = prefix.get_u32() as usize;
    if bytes > bytes_max {
        return Err(Fault::MessageTooLarge(bytes, bytes_max));
    }
    if compressed != 0 {
        let encoding = headers.get("grpc-encoding").and_then(|v| v.to_str().ok());
        let encoding = encoding.unwrap_or_default().to_owned();
        return Err(Fault::UnknownCompression(encoding));
    }
    Ok(bytes)
}

/// Decodes a request.
pub(crate) fn decode<M: Message + Default>(message: Bytes) -> Result<M, Fault> {
    M::decode(message).map_err(|error| Fault::Malformed(error.to_string()))
}

/// An answer that carries `message`. etcd sends what fits into 31 bits, and so do we.
pub(crate) fn answer<M: Message>(message: &M) -> Result<Response<AnswerBody>, Fault> {
    let bytes = message.encoded_len();
    let length = match u32::try_from(bytes) {
        Ok(length) if length <= ANSWER_BYTES_MAX => length,
        _ => return Err(Fault::AnswerTooLarge(bytes, ANSWER_BYTES_MAX)),
    };
    let mut data = BytesMut::with_capacity(PREFIX_BYTES + bytes);
    data.put_u8(0);
    data.put_u32(length);
    message.encode_raw(&mut data);
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let mut response = Response::new(AnswerBody::with_trailers(data.freeze(), trailers));
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, CONTENT_TYPE);
    Ok(response)
}

/// An answer that carries only a failure.
pub(crate) fn failure(fault: &Fault) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::default());
    let headers = response.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, CONTENT_TYPE);
    let status = Status::from(fault);
    if status.add_header(headers).is_err() {
        headers.insert("grpc-status", HeaderValue::from_static("2"));
    }
    response
}

const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/grpc");

/// Whether a request's content type says gRPC, with or without a suffix or parameters.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    let content_type = headers.get(http::header::CONTENT_TYPE);
    let rest = content_type.and_then(|value| value.as_bytes().strip_prefix(b"application/grpc"));
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::task::{Context, Poll, Waker};

    use http_body::Frame;
    use tonic::Code;

    use super::*;
    use crate::proto::etcdserverpb as pb;

    /// A body that comes in the given pieces.
    struct Pieces(VecDeque<Bytes>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.pop_front().map(|data| Ok(Frame::data(data))))
        }
    }

    const BYTES_MAX: usize = 100;

    /// Reads a message that comes in pieces of `size` bytes.
    fn read(bytes: &[u8], size: usize) -> Result<Bytes, Fault> {
        let budget = Budget::new(BYTES_MAX);
        let limits = ReadLimits {
            bytes_max: BYTES_MAX,
            budget: &budget,
        };
        let pieces = bytes.chunks(size).map(Bytes::copy_from_slice).collect();
        let headers = HeaderMap::new();
        let reading = std::pin::pin!(read_message(&headers, Pieces(pieces), limits));
        match reading.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => result.map(|(message, _)| message),
            Poll::Pending => panic!("the pieces are there"),
        }
    }

    #[test]
    fn a_message_is_read_however_it_is_cut() {
        let bytes = b"\0\0\0\0\x05hello";
        for size in 1..=bytes.len() {
            assert_eq!(
                read(bytes, size),
                Ok(Bytes::from_static(b"hello")),
                "{size}"
            );
        }
        assert_eq!(read(b"\0\0\0\0\0", 2), Ok(Bytes::new()), "an empty message");
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let short = Fault::Malformed("the message is cut short".to_owned());
        assert_eq!(read(b"", 1), Err(short.clone()), "nothing");
        assert_eq!(read(b"\0\0\0", 1), Err(short.clone()), "half a prefix");
        assert_eq!(read(b"\0\0\0\0\x05hell", 3), Err(short));
        let more = Fault::Malformed("there is more than one message".to_owned());
        assert_eq!(read(b"\0\0\0\0\x01ab", 3), Err(more));
        let compressed = Fault::UnknownCompression(String::new());
        assert_eq!(read(b"\x01\0\0\0\x01a", 9), Err(compressed));
    }

    #[test]
    fn a_message_over_the_limit_is_refused_by_its_prefix() {
        let fault = read(b"\0\0\0\0\x65", 5).expect_err("101 bytes are too many");
        assert_eq!(fault, Fault::MessageTooLarge(101, BYTES_MAX));
        let (code, text) = fault.code_and_text();
        assert_eq!(code, Code::ResourceExhausted);
        assert_eq!(text, "grpc: received message larger than max (101 vs. 100)");
    }

    #[test]
    fn a_failure_is_told_in_the_headers() {
        let response = failure(&Fault::UnknownMethod("X".to_owned(), "Y".to_owned()));
        let headers = response.headers();
        assert_eq!(headers["grpc-status"], "12");
        let text = "unknown%20method%20X%20for%20service%20Y";
        assert_eq!(headers["grpc-message"], text);
        assert!(response.body().is_end_stream(), "no trailers follow");
    }

    #[test]
    fn only_grpcs_own_content_types_are_grpc() {
        let cases = [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc; charset=x", true),
            ("application/grpc-web", false),
            ("application/json", false),
        ];
        for (content_type, expected) in cases {
            let mut headers = HeaderMap::new();
            let value = HeaderValue::from_static(content_type);
            headers.insert(http::header::CONTENT_TYPE, value);
            assert_eq!(is_grpc(&headers), expected, "{content_type}");
        }
        assert!(!is_grpc(&HeaderMap::new()));
    }

    #[test]
    fn garbage_is_no_request() {
        let wrong = decode::<pb::PutRequest>(Bytes::from_static(b"\x0a\xff"));
        assert!(matches!(wrong, Err(Fault::Malformed(_))), "{wrong:?}");
    }
}
