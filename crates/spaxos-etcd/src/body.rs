//! The body of every answer: one piece of data, then perhaps trailers. No answer is a stream yet.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};

/// One piece of data, then perhaps trailers.
#[derive(Debug, Default)]
pub(crate) struct AnswerBody {
    data: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

impl AnswerBody {
    /// A body without trailers; empty data is no body at all.
    pub(crate) fn whole(data: Bytes) -> AnswerBody {
        AnswerBody {
            data: Some(data).filter(|data| !data.is_empty()),
            trailers: None,
        }
    }

    /// A body that ends in trailers.
    pub(crate) fn with_trailers(data: Bytes, trailers: HeaderMap) -> AnswerBody {
        AnswerBody {
            data: Some(data),
            trailers: Some(trailers),
        }
    }
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(data) = self.data.take() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        Poll::Ready(
            self.trailers
                .take()
                .map(|trailers| Ok(Frame::trailers(trailers))),
        )
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        if self.trailers.is_some() {
            // A known size would become a `content-length`, which gRPC does not use.
            return SizeHint::default();
        }
        let bytes = self.data.as_ref().map_or(0, Bytes::len);
        SizeHint::with_exact(bytes as u64)
    }
}
