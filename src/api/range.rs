//! Files handed out whole or in byte ranges (RFC 9110 §14).

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{Stream, stream};

use super::problem::Problem;

/// What is read from the disk at a time: large enough to cost few thread changes, small enough that
/// a hundred slow clients hold little memory.
const CHUNK: usize = 256 << 10;

/// What a request asks of a thing of `len` bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    Whole,
    Part(Range<u64>),
    Unsatisfiable,
}

/// Read the `Range` header. What is not understood, and more than one range, is ignored, as
/// RFC 9110 §14.2 allows: the whole is sent.
pub fn asked(headers: &HeaderMap, tag: &str, len: u64) -> Asked {
    // §13.1.5: the range counts only if the client's first part is of this very version.
    if headers.get(header::IF_RANGE).is_some_and(|v| v.as_bytes() != tag.as_bytes()) {
        return Asked::Whole;
    }
    let Some(text) = headers.get(header::RANGE).and_then(|v| v.to_str().ok()) else { return Asked::Whole };
    let Some((unit, spec)) = text.split_once('=') else { return Asked::Whole };
    let Some((first, last)) = spec.trim().split_once('-') else { return Asked::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Asked::Whole;
    }
    let number = |s: &str| s.bytes().all(|b| b.is_ascii_digit()).then(|| s.parse::<u64>().ok()).flatten();
    let range = match (number(first), number(last)) {
        (None, Some(suffix)) if first.is_empty() => len.saturating_sub(suffix)..len,
        (Some(first), None) if last.is_empty() => first..len,
        (Some(first), Some(last)) if first <= last => first..len.min(last.saturating_add(1)),
        _ => return Asked::Whole,
    };
    if range.is_empty() { Asked::Unsatisfiable } else { Asked::Part(range) }
}

/// Answer with the first `len` bytes of the file, or the part of them that was asked for.
/// The caller adds content type and caching.
pub fn respond(file: File, len: u64, tag: &str, headers: &HeaderMap) -> Response {
    let (status, range) = match asked(headers, tag, len) {
        Asked::Whole => (StatusCode::OK, 0..len),
        Asked::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Asked::Unsatisfiable => {
            let detail = format!("The file has {len} bytes and ends before the asked range; ask for less.");
            let mut refused =
                Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, "range", detail).into_response();
            refused.headers_mut().insert(header::CONTENT_RANGE, text(format!("bytes */{len}")));
            return refused;
        }
    };
    let mut response =
        (status, Body::from_stream(blocking_stream(parts(file, range.clone())))).into_response();
    let out = response.headers_mut();
    out.insert(header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    out.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    out.insert(header::ETAG, text(tag.to_owned()));
    if status == StatusCode::PARTIAL_CONTENT {
        let shown = format!("bytes {}-{}/{len}", range.start, range.end - 1);
        out.insert(header::CONTENT_RANGE, text(shown));
    }
    response
}

fn text(s: String) -> HeaderValue {
    HeaderValue::try_from(s).expect("invariant: built from digits and tags")
}

/// The bytes of `range`, a chunk at a time. A file that ends early is an error: the length has
/// been promised.
fn parts(mut file: File, mut range: Range<u64>) -> impl Iterator<Item = io::Result<Bytes>> + Send {
    let mut begun = false;
    std::iter::from_fn(move || {
        if range.is_empty() {
            return None;
        }
        let mut read = || {
            if !begun {
                file.seek(SeekFrom::Start(range.start))?;
                begun = true;
            }
            let mut chunk = vec![0; (range.end - range.start).min(CHUNK as u64) as usize];
            file.read_exact(&mut chunk)?;
            Ok(chunk)
        };
        let result: io::Result<Vec<u8>> = read();
        range.start = result.as_ref().map_or(range.end, |c| range.start + c.len() as u64);
        Some(result.map(Bytes::from))
    })
}

/// A stream that takes each item on a thread where that may block. One item is under way at a
/// time, so a slow client slows the reading and memory stays bounded.
pub fn blocking_stream<I>(items: I) -> impl Stream<Item = io::Result<Bytes>> + Send
where
    I: Iterator<Item = io::Result<Bytes>> + Send + 'static,
{
    stream::unfold(Some(items), |items| async move {
        let mut items = items?;
        let taken = tokio::task::spawn_blocking(move || (items.next(), items)).await;
        match taken {
            Ok((Some(Ok(chunk)), items)) => Some((Ok(chunk), Some(items))),
            // The connection is cut: the status has gone out, so nothing else can tell the client.
            Ok((Some(Err(e)), _)) => {
                tracing::warn!(error = %e, "a download was cut short: the recording could not be read");
                Some((Err(e), None))
            }
            Ok((None, _)) => None,
            Err(e) => Some((Err(io::Error::other(e)), None)),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(range: &str, expect: Asked) {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, range.parse().unwrap());
        assert_eq!(asked(&headers, "\"t\"", 100), expect, "{range}");
    }

    #[test]
    fn ranges_are_read_as_rfc_9110_says() {
        check("bytes=0-9", Asked::Part(0..10));
        check("bytes=90-", Asked::Part(90..100));
        check("bytes=90-900", Asked::Part(90..100));
        check("bytes=-10", Asked::Part(90..100));
        check("bytes=-900", Asked::Part(0..100));
        check("bytes=100-", Asked::Unsatisfiable);
        check("bytes=-0", Asked::Unsatisfiable);
        check("bytes=0-18446744073709551615", Asked::Part(0..100));
        for ignored in ["bytes=9-0", "bytes=0-1,5-6", "lines=0-1", "bytes=a-b", "bytes=-", "bytes=+1-2", "x"]
        {
            check(ignored, Asked::Whole);
        }
    }

    #[test]
    fn a_range_of_an_older_version_is_not_mixed_in() {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, "bytes=0-9".parse().unwrap());
        headers.insert(header::IF_RANGE, "\"old\"".parse().unwrap());
        assert_eq!(asked(&headers, "\"new\"", 100), Asked::Whole);
        assert_eq!(asked(&headers, "\"old\"", 100), Asked::Part(0..10));
    }
}
