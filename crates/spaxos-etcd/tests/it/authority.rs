//! Clients that call the endpoint by its URL where HTTP/2 wants an authority.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::Endpoint;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
/// Of a frame that is the last one of its stream.
const END_STREAM: u8 = 1;

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("a short frame");
    let mut frame = vec![0, 0, length, kind, flags, 0, 0, 0, stream];
    frame.extend_from_slice(payload);
    frame
}

/// Asks for the version on `stream`, with an authority as it is compressed.
fn get_version(stream: u8, authority: &[u8]) -> Vec<u8> {
    let headers = [b"\x82\x86\x04\x08/version", authority].concat();
    frame(HEADERS, END_STREAM | 4, stream, &headers)
}

/// Reads until all of `streams` are answered, each with success.
async fn expect_answers(connection: &mut TcpStream, mut streams: Vec<u8>) {
    while !streams.is_empty() {
        let mut header = [0; 9];
        connection.read_exact(&mut header).await.expect("a frame");
        let [_, a, b, kind, flags, _, _, _, stream] = header;
        let mut payload = vec![0; usize::from(u16::from_be_bytes([a, b]))];
        connection
            .read_exact(&mut payload)
            .await
            .expect("all of it");
        assert!(![RST_STREAM, GOAWAY].contains(&kind), "{header:?}");
        if kind == HEADERS {
            assert_eq!(payload.first(), Some(&0x88), "status 200");
        }
        if [DATA, HEADERS].contains(&kind) && flags & END_STREAM != 0 {
            streams.retain(|open| *open != stream);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_is_taken_for_its_authority() {
    let endpoint = Endpoint::start().await;
    let mut connection = TcpStream::connect(endpoint.address)
        .await
        .expect("it listens");
    let url = b"\x41\x15http://127.0.0.1:2379";
    let newest = b"\xbe";
    let sent = [
        &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..],
        &frame(SETTINGS, 0, 0, &[]),
        &get_version(1, url),
        &get_version(3, newest),
    ];
    let sent = sent.concat();
    // In two pieces, the second of which begins within the first request.
    let (first, second) = sent.split_at(50);
    connection.write_all(first).await.expect("it is taken");
    connection.write_all(second).await.expect("it is taken");
    expect_answers(&mut connection, vec![1, 3]).await;
    // A client whose table is full sends it anew.
    let again = [get_version(5, url), get_version(7, newest)].concat();
    connection.write_all(&again).await.expect("it is taken");
    expect_answers(&mut connection, vec![5, 7]).await;
}
