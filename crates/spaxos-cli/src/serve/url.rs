//! The addresses in etcd's settings: `http://host:port`, and `tcp://host:port` for the native protocol.

use std::fmt;

/// What is spoken at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// etcd's API, or the members' protocol under the name that etcd gives such addresses.
    Http,
    /// The native protocol.
    Tcp,
}

impl Scheme {
    const fn text(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Tcp => "tcp",
        }
    }
}

/// An address: a host and a port behind a scheme, and nothing else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Url {
    scheme: &'static str,
    host: String,
    port: u16,
}

impl Url {
    /// Reads `text`, in which the scheme may be missing.
    ///
    /// # Errors
    /// A clause that says what is wrong with it.
    pub(crate) fn parse(text: &str, scheme: Scheme) -> Result<Url, String> {
        let text = text.trim();
        let rest = match text.split_once("://") {
            Some(("https" | "unixs", _)) => return Err(format!("{text}: TLS is not built yet")),
            Some((typed, rest)) if typed == scheme.text() => rest,
            Some(_) => return Err(format!("{text} must begin with {}://", scheme.text())),
            None => text,
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let shape = || format!("{text} is not {}://HOST:PORT", scheme.text());
        let (host, port) = rest.rsplit_once(':').ok_or_else(shape)?;
        let port = port.parse().map_err(|_| shape())?;
        let bracketed = host.starts_with('[') && host.ends_with(']');
        let odd = |c: char| c.is_whitespace() || "/?#@[]".contains(c) || (c == ':' && !bracketed);
        let name = if bracketed {
            &host[1..host.len() - 1]
        } else {
            host
        };
        if name.is_empty() || name.contains(odd) {
            return Err(shape());
        }
        Ok(Url {
            scheme: scheme.text(),
            host: host.to_owned(),
            port,
        })
    }

    /// Reads a list with commas between.
    ///
    /// # Errors
    /// As for a single one; an empty list is an error.
    pub(crate) fn parse_list(text: &str, scheme: Scheme) -> Result<Vec<Url>, String> {
        text.split(',').map(|url| Url::parse(url, scheme)).collect()
    }

    /// `host:port`, to connect to or to listen on.
    pub(crate) fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme, self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(text: &str) -> Result<String, String> {
        Url::parse(text, Scheme::Http).map(|url| url.to_string())
    }

    #[test]
    fn hosts_may_be_names_and_addresses() {
        let same = |url: &str| assert_eq!(http(url).as_deref(), Ok(url));
        same("http://127.0.0.1:2379");
        same("http://node-1.example:2379");
        same("http://[::1]:2379");
        assert_eq!(http("localhost:1/").as_deref(), Ok("http://localhost:1"));
        let native = Url::parse("tcp://127.0.0.1:2381", Scheme::Tcp).expect("valid");
        assert_eq!(native.address(), "127.0.0.1:2381");
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_reason() {
        let why = |url| http(url).expect_err("must be refused");
        assert_eq!(why("https://a:1"), "https://a:1: TLS is not built yet");
        assert_eq!(why("tcp://a:1"), "tcp://a:1 must begin with http://");
        for url in [
            "", "http://", "a", "a:", ":1", "a:70000", "a:-1", "::1:2", "a/b:1", "[::1:2",
        ] {
            assert_eq!(why(url), format!("{url} is not http://HOST:PORT"));
        }
    }

    #[test]
    fn lists_have_commas_and_no_gaps() {
        let list = Url::parse_list("a:1, b:2", Scheme::Http).expect("valid");
        assert_eq!(list.len(), 2);
        assert!(Url::parse_list("a:1,", Scheme::Http).is_err());
    }
}
