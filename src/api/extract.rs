//! Reads paths, queries and bodies; whatever is wrong becomes a problem that says what is right.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};

use crate::base::{StreamKind, Wall, WallSpan};

use super::problem::Problem;

/// Query parameters. Give `T` `deny_unknown_fields`, so that a misspelt filter is not ignored.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        axum::extract::Query::<T>::try_from_uri(&parts.uri).map(|q| Query(q.0)).map_err(|e| {
            use std::error::Error;
            let cause = e.source().map_or_else(|| e.to_string(), |s| s.to_string());
            Problem::invalid(format!("Bad query: {cause}. /docs lists the parameters of this address."))
        })
    }
}

/// Path parameters.
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        path.map(|p| Path(p.0)).map_err(|e| {
            let text = e.body_text();
            let cause = text.strip_prefix("Invalid URL: ").unwrap_or(&text);
            Problem::invalid(format!("Bad path: {cause}. /docs shows how this address is written."))
        })
    }
}

/// A JSON body. An empty body reads as `T::default()`.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;
    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let body = Bytes::from_request(request, state).await.map_err(|e| {
            if e.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE {
                return Problem::new(e.status(), "too-large", "The body is too large; send at most 64 KiB.");
            }
            Problem::invalid(format!("The body could not be read: {}. Send it again.", e.body_text()))
        })?;
        if body.is_empty() {
            return Ok(Json(T::default()));
        }
        serde_json::from_slice(&body).map(Json).map_err(|e| {
            Problem::invalid(format!("Bad JSON body: {e}. /docs shows what this address expects."))
        })
    }
}

/// A point of time in a query: RFC 3339 with an offset.
#[derive(Clone, Copy, Debug)]
pub struct Time(pub Wall);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let s = String::deserialize(d)?;
        s.parse().map(Time).map_err(|_| {
            let shown: String = s.chars().take(64).collect();
            // In a query '+' stands for a blank, so "+08:00" arrives as " 08:00".
            let plus =
                if s.contains('T') && s.contains(' ') { "; a '+' in a query is written %2B" } else { "" };
            D::Error::custom(format!(
                "'{shown}' is not a time: write RFC 3339 with an offset, such as 2026-11-23T08:00:00Z or \
                 2026-11-23T16:00:00%2B08:00{plus}"
            ))
        })
    }
}

/// `from`, `to` and `stream` of the requests for a stretch of a recording.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SpanQuery {
    /// Begin, RFC 3339 with offset.
    #[param(value_type = String, format = DateTime, example = "2026-11-23T08:00:00Z")]
    pub from: Time,
    /// End, RFC 3339 with offset; later than `from`.
    #[param(value_type = String, format = DateTime, example = "2026-11-23T08:10:00Z")]
    pub to: Time,
    /// `main` (default) or `sub`.
    #[param(inline)]
    pub stream: Option<Stream>,
}

impl SpanQuery {
    /// The span, at most `limit` long.
    pub fn span(&self, limit: Duration) -> Result<WallSpan, Problem> {
        span(self.from, self.to, limit)
    }

    pub fn stream(&self) -> StreamKind {
        self.stream.map_or(StreamKind::Main, StreamKind::from)
    }
}

/// `from..to`, at most `limit` long.
pub fn span(from: Time, to: Time, limit: Duration) -> Result<WallSpan, Problem> {
    let span = WallSpan::new(from.0, to.0);
    if span.is_empty() {
        return Err(Problem::invalid(format!(
            "'from' ({}) must be earlier than 'to' ({}); exchange them or choose a later 'to'.",
            span.start, span.end
        )));
    }
    if span.duration() > limit {
        let hours = limit.as_secs() / 3600;
        return Err(Problem::invalid(format!(
            "The range is {:.1} h long, at most {hours} h are allowed here; ask for shorter ranges one after the other.",
            span.duration().as_secs_f64() / 3600.0
        )));
    }
    Ok(span)
}

/// Which of a camera's streams.
#[derive(Clone, Copy, Debug, serde::Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    Main,
    Sub,
}

impl From<Stream> for StreamKind {
    fn from(s: Stream) -> StreamKind {
        match s {
            Stream::Main => StreamKind::Main,
            Stream::Sub => StreamKind::Sub,
        }
    }
}

impl From<StreamKind> for Stream {
    fn from(s: StreamKind) -> Stream {
        match s {
            StreamKind::Main => Stream::Main,
            StreamKind::Sub => Stream::Sub,
        }
    }
}
