//! One connection: which protocol it speaks, and what arrives on it.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::authority::Mender;
use crate::body::AnswerBody;
use crate::endpoint::Endpoint;
use crate::limits::Limits;
use crate::{grpc, http as plain, unary};

/// How each connection is spoken on.
pub(crate) fn protocol(limits: &Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(limits.header_bytes_max as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams_max)
        .max_header_list_size(limits.header_bytes_max)
        .initial_stream_window_size(limits.stream_window_bytes)
        .initial_connection_window_size(limits.connection_window_bytes)
        .max_send_buf_size(limits.send_buffer_bytes_max)
        .keep_alive_interval(limits.keepalive_interval)
        .keep_alive_timeout(limits.keepalive_timeout)
        .auto_date_header(false);
    builder
}

/// Serves one connection to its end, or until `stopping` says so and what is under way is answered.
pub(crate) async fn serve(
    endpoint: Arc<Endpoint>,
    protocol: Builder<TokioExecutor>,
    stream: TcpStream,
    mut stopping: watch::Receiver<bool>,
) {
    // Answers are small and each is waited for.
    let _ = stream.set_nodelay(true);
    let spoke = Arc::new(AtomicBool::new(false));
    let stream = TokioIo::new(CountedStream {
        stream,
        endpoint: Arc::clone(&endpoint),
        heard: 0,
        spoke: Arc::clone(&spoke),
        mender: Some(Mender::new()),
    });
    let header_timeout = endpoint.info.limits.header_timeout;
    let service = service_fn(move |request| {
        let endpoint = Arc::clone(&endpoint);
        async move { Ok::<_, Infallible>(respond(&endpoint, request).await) }
    });
    let mut connection = std::pin::pin!(protocol.serve_connection(stream, service));
    let mut silence = std::pin::pin!(until_silent(&spoke, header_timeout));
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = silence.as_mut() => {
            tracing::debug!("a client's connection said nothing");
            return;
        }
        () = stop(&mut stopping) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a client's connection broke");
    }
}

/// Returns once `stopping` says so. A dropped sender means the same.
pub(crate) async fn stop(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// Returns if nothing was said within `timeout`; else never.
async fn until_silent(spoke: &AtomicBool, timeout: Duration) {
    tokio::time::sleep(timeout).await;
    if spoke.load(Relaxed) {
        std::future::pending::<()>().await;
    }
}

/// One request, of whatever kind.
async fn respond(endpoint: &Arc<Endpoint>, request: Request<Incoming>) -> Response<AnswerBody> {
    if request.version() == Version::HTTP_2 && grpc::is_grpc(request.headers()) {
        return unary::respond(endpoint, request).await;
    }
    let (head, _) = request.into_parts();
    let (path, query) = (head.uri.path(), head.uri.query().unwrap_or_default());
    plain::answer(endpoint, &head.method, path, query).await
}

/// A connection whose bytes are counted, and whose first ones are mended.
struct CountedStream {
    stream: TcpStream,
    endpoint: Arc<Endpoint>,
    /// Bytes received, counted up to what tells protocols apart.
    heard: usize,
    /// Whether the client has said enough to tell which protocol it speaks.
    spoke: Arc<AtomicBool>,
    /// There as long as it is needed: usually until the first request.
    mender: Option<Mender>,
}

/// The longest sign by which protocols are told apart, in bytes: HTTP/2's first words.
const PREFACE_BYTES: usize = 24;

impl CountedStream {
    fn hear(&mut self, bytes: &[u8]) {
        let received = &self.endpoint.metrics.received_bytes;
        received.fetch_add(bytes.len() as u64, Relaxed);
        if self.heard >= PREFACE_BYTES {
            return;
        }
        let is_http1 = self.heard == 0 && bytes.first().is_some_and(|first| *first != b'P');
        self.heard += bytes.len();
        if is_http1 || self.heard >= PREFACE_BYTES {
            // From here on the protocol has timeouts of its own.
            self.heard = PREFACE_BYTES;
            self.spoke.store(true, Relaxed);
        }
    }

    fn said(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = &written {
            let sent = &self.endpoint.metrics.sent_bytes;
            sent.fetch_add(*bytes as u64, Relaxed);
        }
        written
    }
}

impl AsyncRead for CountedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        if into.remaining() == 0 {
            // Nothing read would look like the end.
            return Poll::Ready(Ok(()));
        }
        loop {
            if self.mender.as_ref().is_some_and(Mender::is_done) {
                self.mender = None;
            }
            if let Some(mender) = self.mender.as_mut().filter(|mender| mender.is_ready()) {
                mender.give(into);
                return Poll::Ready(Ok(()));
            }
            ready!(Pin::new(&mut self.stream).poll_read(context, into))?;
            let arrived = &into.filled()[before..];
            self.hear(arrived);
            let Some(mender) = &mut self.mender else {
                return Poll::Ready(Ok(()));
            };
            mender.take(arrived);
            into.set_filled(before);
        }
    }
}

impl AsyncWrite for CountedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, from);
        self.said(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, from);
        self.said(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
