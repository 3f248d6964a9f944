//! Headers of an etcd client, as HTTP/2 compresses them, on their way through the mending of
//! authorities.

#[path = "../../spaxos-etcd/src/authority/block.rs"]
mod block;

/// A block of headers. What is mended has grown by no more than the compression of strings had saved,
/// and has no scheme left where one was found.
pub fn run(data: &[u8]) {
    let Some(mended) = block::mend(data) else {
        return;
    };
    // The shortest code has five bits; a longer string may need more bytes for its length.
    let bytes_max = data.len() * 8 / 5 + data.len() / 2 + 8;
    assert!(mended.len() <= bytes_max, "{} bytes", mended.len());
    let mut shorter = mended;
    let mut rounds = 0;
    while let Some(again) = block::mend(&shorter) {
        assert!(again.len() < shorter.len(), "mending ends");
        shorter = again;
        rounds += 1;
        assert!(rounds <= data.len(), "mending ends");
    }
}
