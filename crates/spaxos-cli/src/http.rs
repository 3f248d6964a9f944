//! One HTTP request at a time, to the endpoints of replicas: bounded in time and in size.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A replica that has not answered by then is not answering.
const TIMEOUT: Duration = Duration::from_secs(3);
/// More than any answer of ours has.
const BODY_BYTES_MAX: usize = 4 << 20;

/// The body of `GET path` at `endpoint`, which may be `host:port` or begin with `http://`.
///
/// # Errors
/// If there is no complete answer with status 200 in time.
pub(crate) async fn get(endpoint: &str, path: &str) -> anyhow::Result<Bytes> {
    let authority = authority(endpoint)?;
    tokio::time::timeout(TIMEOUT, exchange(authority, path))
        .await
        .with_context(|| format!("no answer within {} s", TIMEOUT.as_secs()))?
}

async fn exchange(authority: &str, path: &str) -> anyhow::Result<Bytes> {
    let stream = TcpStream::connect(authority)
        .await
        .context("cannot connect")?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .context("no HTTP there")?;
    let request = hyper::Request::get(path)
        .header(hyper::header::HOST, authority)
        .body(Empty::<Bytes>::new())?;
    // Ends by itself once the sender and the body are gone.
    tokio::spawn(connection);
    let response = sender.send_request(request).await.context("no answer")?;
    let status = response.status();
    let body = Limited::new(response.into_body(), BODY_BYTES_MAX).collect();
    let body = body.await.map_err(anyhow::Error::from_boxed);
    let body = body.context("the answer broke off")?;
    ensure!(status == StatusCode::OK, "it answered {status}");
    Ok(body.to_bytes())
}

fn authority(endpoint: &str) -> anyhow::Result<&str> {
    let rest = match endpoint.split_once("://") {
        Some(("http", rest)) => rest,
        Some(("https", _)) => bail!("TLS is not built yet"),
        Some(_) => bail!("not an http:// address"),
        None => endpoint,
    };
    let rest = rest.trim_end_matches('/');
    ensure!(
        !rest.is_empty() && !rest.contains('/'),
        "not http://HOST:PORT"
    );
    Ok(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    async fn answer(with: &'static str) -> anyhow::Result<Bytes> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let serve = async {
            let (mut stream, _) = listener.accept().await?;
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await?;
            stream.write_all(with.as_bytes()).await?;
            stream.shutdown().await?;
            anyhow::Ok(())
        };
        let (got, served) = tokio::join!(get(&endpoint, "/x"), serve);
        served?;
        got
    }

    #[tokio::test]
    async fn a_body_arrives() {
        let got = answer("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await;
        assert_eq!(got.expect("answered"), "hi");
    }

    #[tokio::test]
    async fn what_is_no_answer_is_an_error() {
        let why = |got: anyhow::Result<Bytes>| got.expect_err("no answer").to_string();
        let refused = answer("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await;
        assert_eq!(why(refused), "it answered 404 Not Found");
        assert!(answer("nonsense\r\n\r\n").await.is_err());
        assert!(
            answer("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhi")
                .await
                .is_err()
        );
    }

    #[test]
    fn endpoints_are_typed_with_or_without_a_scheme() {
        assert_eq!(authority("http://a:1/").ok(), Some("a:1"));
        assert_eq!(authority("a:1").ok(), Some("a:1"));
        for wrong in ["https://a:1", "ftp://a:1", "", "http://", "a:1/b"] {
            assert!(authority(wrong).is_err(), "{wrong}");
        }
    }
}
