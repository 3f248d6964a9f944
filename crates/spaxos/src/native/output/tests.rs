//! What one client gets, in which frames, and what becomes of one that does not read.

use spaxos_wire::WireLimits;
use spaxos_wire::client::decode_response;
use spaxos_wire::frame::FrameReader;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

use super::*;

const LIMITS: OutputLimits = OutputLimits {
    frame_bytes_max: CHUNK_HEAD_BYTES + 100,
    output_bytes_max: 10_000,
    in_flight_bytes_max: 1000,
    in_flight_frames_max: 2,
};

fn asked(request_id: u64) -> Asked {
    Asked {
        request_id,
        bytes: 10,
    }
}

/// An output, and the client's end of its connection.
async fn output() -> (Output, Arc<OwnedWriteHalf>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let (client, server) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (server, _) = server.expect("accepted");
    let (_, server) = server.into_split();
    let server = Arc::new(server);
    let output = Output::new(Arc::clone(&server), LIMITS);
    (output, server, client.expect("connected"))
}

/// What the client has got, once the output is closed.
async fn responses(world: (Output, Arc<OwnedWriteHalf>, TcpStream)) -> Vec<Response> {
    let (output, server, mut client) = world;
    output.finish();
    let written = output.write(&server, Duration::from_secs(10)).await;
    assert_eq!(written, Ok(()));
    output.close();
    drop(server);
    let mut buffer = BytesMut::new();
    while client.read_buf(&mut buffer).await.expect("readable") > 0 {}
    let reader = FrameReader::new(LIMITS.frame_bytes_max);
    let frames = std::iter::from_fn(|| reader.read(&mut buffer).expect("intact"));
    let limits = WireLimits::default();
    frames
        .map(|frame| decode_response(frame, &limits).expect("valid"))
        .collect()
}

#[tokio::test]
async fn long_answers_come_in_several_frames() {
    let (output, server, client) = output().await;
    let answers = [[1; 60], [2; 60], [3; 60]];
    let answers = answers.iter().map(|answer| (AnswerStatus::Ok, &answer[..]));
    output.encode_replies(asked(4), Slot(9), answers);
    let firsts: Vec<u32> = responses((output, server, client))
        .await
        .into_iter()
        .map(|response| match response {
            Response::Replies(replies) => replies.first,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(firsts, [0, 1, 2]);
}

#[tokio::test]
async fn an_answer_that_fits_no_frame_is_an_error() {
    let (output, server, client) = output().await;
    output.answer(asked(4), Slot(9), &[0; 200]);
    let unknown = asked(4).error(ErrorKind::Unknown);
    assert_eq!(responses((output, server, client)).await, [unknown]);
}

#[tokio::test]
async fn whoever_writes_writes_everything_once() {
    let (output, server, client) = output().await;
    for request_id in 0..10 {
        output.answer(asked(request_id), Slot(1), b"x");
        if request_id % 3 == 0 {
            output.flush();
        }
    }
    let ids = responses((output, server, client)).await;
    let ids: Vec<u64> = ids.iter().map(Response::request_id).collect();
    assert_eq!(ids, (0..10).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_client_that_does_not_read_is_not_read_from_and_then_cut_off() {
    let (output, server, _client) = output().await;
    output.enter(10).await;
    output.enter(10).await;
    let third = output.enter(10);
    tokio::pin!(third);
    assert!(
        poll_once(third.as_mut()).await.is_none(),
        "no room for a third"
    );
    output.answer(asked(1), Slot(1), b"x");
    output.flush();
    assert!(poll_once(third).await.is_some(), "an answer makes room");
    for request_id in 0..1000 {
        output.answer(asked(request_id), Slot(1), b"x");
    }
    let written = output.write(&server, Duration::from_secs(10)).await;
    assert_eq!(written, Err(WriteError::Overflown));
}

async fn poll_once<F: Future>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(match future.as_mut().poll(context) {
            std::task::Poll::Ready(value) => Some(value),
            std::task::Poll::Pending => None,
        })
    })
    .await
}
