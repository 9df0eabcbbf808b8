//! For those who run the server: does it live, is it ready, what does it measure.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::problem::Problem;
use super::state::{ApiState, Health};

/// Routes without a token: they tell nothing about cameras or people.
pub fn open_routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(healthz)).routes(routes!(readyz))
}

pub fn guarded_routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(metrics))
}

/// The process lives
#[utoipa::path(get, path = "/healthz", tag = "server", security(()), responses(
    (status = 200, description = "It does", content_type = "text/plain", body = String),
))]
async fn healthz() -> &'static str {
    "ok\n"
}

#[derive(Serialize, ToSchema)]
struct Readiness {
    ready: bool,
    /// What the server does only in part and how to mend it, a sentence each.
    limits: Vec<String>,
}

/// The server does its work
#[utoipa::path(get, path = "/readyz", tag = "server", security(()), responses(
    (status = 200, description = "Ready", body = Readiness),
    (status = 503, description = "Not ready; `detail` has the reasons", body = Problem, content_type = "application/problem+json"),
))]
async fn readyz(State(state): State<ApiState>) -> Response {
    match (state.health)() {
        Health::Ready { limits } => axum::Json(Readiness { ready: true, limits }).into_response(),
        Health::NotReady { reasons } => {
            let detail = format!("The server is not ready. {}", reasons.join(" "));
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", detail).into_response()
        }
    }
}

/// Measurements
#[utoipa::path(get, path = "/metrics", tag = "server", responses(
    (status = 200, description = "Prometheus text format", content_type = "text/plain", body = String),
    (status = "default", description = "What went wrong", body = Problem, content_type = "application/problem+json"),
))]
async fn metrics(State(state): State<ApiState>) -> Response {
    let text = state.metrics.render();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}
