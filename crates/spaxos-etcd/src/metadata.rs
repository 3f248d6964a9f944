//! What a client says beside its request.

use http::HeaderMap;

use crate::fault::Fault;

/// Checks the metadata of a request. `has_leader` is asked only if the client wants to know. Tokens
/// mean nothing while there are no users.
pub(crate) fn check(headers: &HeaderMap, has_leader: impl FnOnce() -> bool) -> Result<(), Fault> {
    if let Some(version) = headers.get("client-api-version")
        && std::str::from_utf8(version.as_bytes()).is_err()
    {
        return Err(Fault::InvalidClientVersion);
    }
    let wants_leader = headers
        .get("hasleader")
        .is_some_and(|value| value.as_bytes() == b"true");
    if wants_leader && !has_leader() {
        return Err(Fault::NoLeader);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[track_caller]
    fn check_one(name: &'static str, value: &[u8], has_leader: bool) -> Result<(), Fault> {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_bytes(value).expect("a header value");
        headers.insert(name, value);
        check(&headers, || has_leader)
    }

    #[test]
    fn a_leader_is_needed_only_by_those_who_ask_for_one() {
        assert_eq!(check_one("hasleader", b"true", false), Err(Fault::NoLeader));
        assert_eq!(check_one("hasleader", b"true", true), Ok(()));
        assert_eq!(check_one("hasleader", b"false", false), Ok(()));
        assert_eq!(check(&HeaderMap::new(), || false), Ok(()));
    }

    #[test]
    fn a_version_must_be_text() {
        let wrong = check_one("client-api-version", b"\xff\xfe", true);
        assert_eq!(wrong, Err(Fault::InvalidClientVersion));
        assert_eq!(check_one("client-api-version", b"3.5.0", true), Ok(()));
    }

    #[test]
    fn a_token_means_nothing() {
        assert_eq!(check_one("token", b"abc.7", true), Ok(()));
        assert_eq!(check_one("authorization", b"Bearer x", true), Ok(()));
    }
}
