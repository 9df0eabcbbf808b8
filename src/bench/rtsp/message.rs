//! Requests and responses of RTSP 1.0 (RFC 2326 §4 to §7).

use std::fmt::Write;

/// A longer request is refused and the connection closed.
pub(super) const MAX_REQUEST: usize = 64 << 10;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub method: String,
    pub uri: String,
    headers: Vec<(String, String)>,
}

/// What stands at the front of what the client has sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Front {
    /// Not whole yet.
    Part,
    /// Interleaved data, mostly RTCP of the client; so many bytes.
    Data(usize),
    /// A request; so many bytes.
    Request(Request, usize),
    /// This is not RTSP.
    Nonsense,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// Path of the URI without host, query, control part of a track and slashes around it, and that
    /// track.
    pub fn path(&self) -> (String, Option<usize>) {
        let rest = self.uri.split_once("://").map_or(self.uri.as_str(), |(_, r)| r);
        let path = rest.split_once('/').map_or("", |(_, p)| p);
        let path = path.split('?').next().unwrap_or_default().trim_end_matches('/');
        let (mount, track) = match path.rsplit_once("trackID=") {
            Some((mount, n)) => (mount.trim_end_matches('/'), n.parse().ok()),
            None => (path, None),
        };
        (mount.to_owned(), track)
    }
}

pub(super) fn front(bytes: &[u8]) -> Front {
    match bytes {
        [b'$', _, a, b, rest @ ..] => {
            let len = usize::from(u16::from_be_bytes([*a, *b]));
            if rest.len() < len { Front::Part } else { Front::Data(4 + len) }
        }
        [b'$', ..] | [] => Front::Part,
        _ => request(bytes),
    }
}

fn request(bytes: &[u8]) -> Front {
    // Some clients send empty lines between requests (RFC 2326 §4.1).
    let skipped = bytes.iter().take_while(|b| b"\r\n".contains(b)).count();
    let bytes = &bytes[skipped..];
    if bytes.first() == Some(&b'$') {
        return Front::Data(skipped);
    }
    let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else {
        return if bytes.len() < MAX_REQUEST { Front::Part } else { Front::Nonsense };
    };
    let Ok(text) = std::str::from_utf8(&bytes[..end]) else { return Front::Nonsense };
    let mut lines = text.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(uri), Some("RTSP/1.0"), None) =
        (first.next(), first.next(), first.next(), first.next())
    else {
        return Front::Nonsense;
    };
    let headers: Vec<_> = lines
        .filter_map(|l| l.split_once(':'))
        .map(|(n, v)| (n.trim().to_owned(), v.trim().to_owned()))
        .collect();
    let request = Request { method: method.into(), uri: uri.into(), headers };
    let body = request.header("Content-Length").map_or(Ok(0), str::parse::<usize>);
    match body {
        Ok(body) if body <= MAX_REQUEST => {
            let len = end + 4 + body;
            if bytes.len() < len { Front::Part } else { Front::Request(request, skipped + len) }
        }
        _ => Front::Nonsense,
    }
}

/// A response being made.
#[derive(Debug)]
pub(super) struct Response {
    status: &'static str,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Response {
    /// `status` is code and reason, such as `200 OK`.
    pub fn new(status: &'static str) -> Self {
        Response { status, headers: Vec::new(), body: String::new() }
    }

    pub fn ok() -> Self {
        Self::new("200 OK")
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn body(mut self, kind: &str, body: String) -> Self {
        self = self.with("Content-Type", kind).with("Content-Length", body.len().to_string());
        self.body = body;
        self
    }

    pub fn to_bytes(&self, cseq: Option<&str>) -> Vec<u8> {
        let mut out = format!("RTSP/1.0 {}\r\nServer: pingan simulate\r\n", self.status);
        let cseq = cseq.map(|c| ("CSeq", c));
        for (name, value) in cseq.into_iter().chain(self.headers.iter().map(|(n, v)| (*n, v.as_str()))) {
            let _ = write!(out, "{name}: {value}\r\n"); // cannot fail on a String
        }
        out.push_str("\r\n");
        out.push_str(&self.body);
        out.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_data_and_nonsense_are_told_apart() {
        let text =
            b"SETUP rtsp://h:8554/a/b/trackID=1?x=1 RTSP/1.0\r\nCSeq: 3\r\ncontent-length: 2\r\n\r\nhi";
        let Front::Request(request, n) = front(text) else { panic!("a whole request") };
        assert_eq!((n, request.header("cseq")), (text.len(), Some("3")));
        assert_eq!(request.path(), ("a/b".into(), Some(1)));
        assert_eq!(front(&text[..text.len() - 1]), Front::Part);
        assert_eq!(front(&[b'$', 1, 0, 2, 9, 9, b'O']), Front::Data(6));
        assert_eq!(front(&[b'$', 1, 0, 2, 9]), Front::Part);
        assert_eq!(front(b"GET / HTTP/1.1\r\n\r\n"), Front::Nonsense);
        assert_eq!(front(&vec![b'x'; MAX_REQUEST]), Front::Nonsense);
    }
}
