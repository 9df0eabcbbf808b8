//! Every error answer is a problem document (RFC 9457) whose `detail` says what to do.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::base::Kind;

/// The body of an error answer.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// Sort of problem; stable, for programs.
    #[serde(rename = "type")]
    #[schema(example = "urn:pingan:problem:bad-request")]
    uri: String,
    /// The sort in words.
    #[schema(example = "Bad Request")]
    title: String,
    #[schema(example = 400)]
    status: u16,
    /// What is wrong here and what to do about it.
    detail: String,
    /// Path of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
}

/// Errors of stages are clauses ("the token is not known"); a problem's detail is a sentence.
fn sentence(clause: String) -> String {
    let mut chars = clause.chars();
    let mut text: String = chars.next().map_or(String::new(), |c| c.to_uppercase().chain(chars).collect());
    if !text.ends_with(['.', '!', '?']) {
        text.push('.');
    }
    text
}

impl Problem {
    /// `slug` names the sort (`urn:pingan:problem:<slug>`).
    pub fn new(status: StatusCode, slug: &str, detail: impl Into<String>) -> Self {
        Problem {
            uri: format!("urn:pingan:problem:{slug}"),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: sentence(detail.into()),
            instance: None,
        }
    }

    pub fn invalid(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::BAD_REQUEST, "bad-request", detail)
    }

    pub fn not_found(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    pub fn internal(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    }

    /// A failure of a stage.
    pub fn of(kind: Kind, detail: impl Into<String>) -> Self {
        let (status, slug) = match kind {
            Kind::Invalid => (StatusCode::BAD_REQUEST, "bad-request"),
            Kind::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Kind::Forbidden => (StatusCode::FORBIDDEN, "forbidden"),
            Kind::NotFound => (StatusCode::NOT_FOUND, "not-found"),
            Kind::Conflict => (StatusCode::CONFLICT, "conflict"),
            Kind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            Kind::Storage => (StatusCode::INSUFFICIENT_STORAGE, "storage"),
            Kind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        };
        Problem::new(status, slug, detail)
    }

    fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn write_to(&self, response: &mut Response) {
        // Serialising strings and a number cannot fail.
        let body = serde_json::to_vec(self).expect("invariant: a problem is plain text");
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        *response.body_mut() = Body::from(body);
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        if response.status() == StatusCode::UNAUTHORIZED {
            // RFC 6750 §3: the answer names the scheme.
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"pingan\""));
        }
        self.write_to(&mut response);
        response.extensions_mut().insert(self);
        response
    }
}

macro_rules! problem_from {
    ($($error:ty),*) => {$(
        impl From<$error> for Problem {
            fn from(e: $error) -> Problem {
                Problem::of(e.kind(), e.to_string())
            }
        }
    )*};
}
problem_from!(crate::archive::Error, crate::alerts::Error, crate::export::Error, super::token_store::Error);

/// Outermost layer: gives every problem its `instance`, turns error answers that others made
/// (unknown route, wrong method, body too large) into problems, and logs those that are our fault.
pub async fn complete(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let method = request.method().clone();
    let mut response = next.run(request).await;
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let mut problem = match response.extensions_mut().remove::<Problem>() {
        Some(p) => p,
        None => {
            let (slug, detail) = foreign(status, method.as_str(), &path);
            Problem::new(status, slug, detail)
        }
    };
    if status.is_server_error() && status != StatusCode::SERVICE_UNAVAILABLE {
        tracing::error!(%method, path, status = status.as_u16(), detail = problem.detail, "request failed");
    }
    problem.instance = Some(path);
    problem.write_to(&mut response);
    response
}

/// Slug and detail of an error answer that is not from our handlers.
fn foreign(status: StatusCode, method: &str, path: &str) -> (&'static str, String) {
    match status {
        StatusCode::NOT_FOUND => {
            ("not-found", format!("There is nothing at {path}; /docs lists every address of this server."))
        }
        StatusCode::METHOD_NOT_ALLOWED => (
            "method-not-allowed",
            format!(
                "{path} does not take {method}; the Allow header names what it takes, /docs explains it."
            ),
        ),
        StatusCode::PAYLOAD_TOO_LARGE => {
            ("too-large", "The request body is too large; send at most 64 KiB.".into())
        }
        StatusCode::RANGE_NOT_SATISFIABLE => {
            ("range", "The file ends before the asked byte range; Content-Range tells its length.".into())
        }
        _ => ("error", format!("{method} {path} failed with {status}; see /docs for how to ask.")),
    }
}
