//! Entity tags (RFC 9110 §8.8.3, §13.1.2).

use std::fmt::Display;

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// A strong tag of the parts; they must hold no quotes.
pub fn tag(parts: &[&dyn Display]) -> String {
    let text: Vec<String> = parts.iter().map(ToString::to_string).collect();
    format!("\"{}\"", text.join("-"))
}

/// Whether `If-None-Match` names the tag, so that the client has the thing already.
pub fn matches(headers: &HeaderMap, tag: &str) -> bool {
    headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|v| v.to_str().ok()).any(|list| {
        // The comparison here is the weak one: `W/` does not count.
        list.split(',').map(str::trim).any(|t| t == "*" || t.trim_start_matches("W/") == tag)
    })
}

pub fn not_modified(tag: &str) -> Response {
    (StatusCode::NOT_MODIFIED, [(header::ETAG, tag.to_owned())]).into_response()
}
