//! Messages of RTSP 1.0 (RFC 2326), and where they lie between interleaved packets (§10.12).

use std::fmt::Write;

/// A message longer than this, body included, is none.
pub const MAX_MESSAGE: usize = 64 << 10;
/// `$`, channel and length.
pub const FRAMING: usize = 4;

/// What stands at the front of a connection's bytes beside packets.
#[derive(Debug, PartialEq, Eq)]
pub enum Front {
    /// With its length in bytes.
    Message(Message, usize),
    /// Empty lines, which some cameras put behind a body.
    Filler(usize),
    /// More bytes are needed.
    Part,
    Nonsense,
}

/// An answer, or a request of the camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// `None`: a request.
    pub status: Option<u16>,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Message {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// All headers of that name.
    pub fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }
}

/// The whole packet at the front, with its channel.
#[inline]
pub fn packet(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let [b'$', channel, a, b, rest @ ..] = bytes else { return None };
    Some((*channel, rest.get(..usize::from(u16::from_be_bytes([*a, *b])))?))
}

/// What `bytes` begin with, if that is no whole [`packet`].
pub fn front(bytes: &[u8]) -> Front {
    match bytes {
        [] | [b'$', ..] => Front::Part,
        [b'\r' | b'\n', ..] => Front::Filler(bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count()),
        [b'A'..=b'Z', ..] => message(bytes),
        _ => Front::Nonsense,
    }
}

fn message(bytes: &[u8]) -> Front {
    let within = &bytes[..bytes.len().min(MAX_MESSAGE)];
    let more = if within.len() < MAX_MESSAGE { Front::Part } else { Front::Nonsense };
    let Some(head) = head_length(within) else { return more };
    let Ok(text) = std::str::from_utf8(&within[..head]) else { return Front::Nonsense };
    let mut lines = text.lines();
    let mut words = lines.next().unwrap_or_default().split_ascii_whitespace();
    let status = match (words.next(), words.next(), words.next()) {
        (Some(version), Some(status), _) if version.starts_with("RTSP/") => match status.parse() {
            Ok(status) => Some(status),
            Err(_) => return Front::Nonsense,
        },
        (Some(_), Some(_), Some(version)) if version.starts_with("RTSP/") => None,
        _ => return Front::Nonsense,
    };
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .collect();
    let mut message = Message { status, headers, body: Vec::new() };
    let body = match message.header("Content-Length").map(str::parse::<usize>) {
        None => 0,
        Some(Ok(n)) if n <= MAX_MESSAGE - head => n,
        Some(_) => return Front::Nonsense,
    };
    match bytes.get(head..head + body) {
        Some(body) => message.body = body.to_vec(),
        None => return Front::Part,
    }
    Front::Message(message, head + body)
}

/// Length of the head with its empty line. A lone LF ends a line too: some cameras write it so.
fn head_length(bytes: &[u8]) -> Option<usize> {
    let ends = bytes.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(i, _)| i + 1);
    ends.into_iter().find_map(|end| match bytes.get(end..) {
        Some([b'\n', ..]) => Some(end + 1),
        Some([b'\r', b'\n', ..]) => Some(end + 2),
        _ => None,
    })
}

/// A request without body.
pub fn request(method: &str, uri: &str, cseq: u32, headers: &[(&str, &str)]) -> String {
    let mut text = format!("{method} {uri} RTSP/1.0\r\nCSeq: {cseq}\r\n");
    for (name, value) in headers {
        // Writing to a String cannot fail.
        let _ = write!(text, "{name}: {value}\r\n");
    }
    text + "\r\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_between_packets_is_told_from_them() {
        let bytes = b"$\x02\0\x03abcRTSP/1.0 200 OK\r\nCSeq: 7\r\ncontent-length: 2\r\n\r\nhi\r\n$\0\0\x01x";
        assert_eq!(packet(bytes), Some((2, &b"abc"[..])));
        let Front::Message(message, len) = front(&bytes[7..]) else { panic!() };
        assert_eq!(
            (message.status, message.header("cseq"), &message.body[..]),
            (Some(200), Some("7"), &b"hi"[..])
        );
        let rest = &bytes[7 + len..];
        assert_eq!(front(rest), Front::Filler(2));
        assert_eq!(packet(&rest[2..]), Some((0, &b"x"[..])));
        for cut in 8..7 + len {
            assert_eq!(front(&bytes[7..cut]), Front::Part, "{cut}");
        }
        assert_eq!((packet(&rest[2..6]), front(&rest[2..6])), (None, Front::Part));
    }

    #[test]
    fn requests_of_the_camera_and_bare_line_ends_are_understood() {
        let Front::Message(m, _) = front(b"OPTIONS * RTSP/1.0\nCSeq: 1\n\n") else { panic!() };
        assert_eq!((m.status, m.header("CSeq")), (None, Some("1")));
    }

    #[test]
    fn nonsense_and_endless_messages_end_it() {
        for bytes in [&b"\x80\x60"[..], b"HTTP/1.1 200 OK\r\n\r\n", b"RTSP/1.0 OK\r\n\r\n"] {
            assert_eq!(front(bytes), Front::Nonsense);
        }
        assert_eq!(front(&vec![b'A'; MAX_MESSAGE - 1]), Front::Part);
        assert_eq!(front(&vec![b'A'; MAX_MESSAGE]), Front::Nonsense);
        assert_eq!(front(b"RTSP/1.0 200 OK\r\nContent-Length: 99999999\r\n\r\n"), Front::Nonsense);
    }

    #[test]
    fn a_request_is_written_as_the_rfc_has_it() {
        let text = request("PLAY", "rtsp://a/b", 4, &[("Session", "9")]);
        assert_eq!(text, "PLAY rtsp://a/b RTSP/1.0\r\nCSeq: 4\r\nSession: 9\r\n\r\n");
    }
}
