//! Recorded ranges as one MP4, without re-encoding.

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::base::{CameraId, StreamKind, Wall, WallSpan};
use crate::export::export;

use super::audit;
use super::auth::Caller;
use super::extract::{Path, Query, SpanQuery};
use super::problem::Problem;
use super::range::blocking_stream;
use super::recordings::require_recorded;
use super::state::ApiState;

const LONGEST: Duration = Duration::from_secs(86_400);

pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(export_recording))
}

/// Download a recorded range
///
/// One MP4 with the pictures as the camera sent them; begins and ends within one GOP of what was
/// asked. The file's name tells camera and times (UTC).
#[utoipa::path(get, path = "/api/v1/cameras/{id}/export.mp4", tag = "recordings",
    params(("id" = String, Path, description = "Camera id"), SpanQuery),
    responses(
        (status = 200, description = "The file", content_type = "video/mp4", body = Vec<u8>),
        (status = "default", description = "What went wrong", body = Problem, content_type = "application/problem+json"),
))]
async fn export_recording(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<CameraId>,
    Query(query): Query<SpanQuery>,
) -> Result<Response, Problem> {
    let (span, stream) = (query.span(LONGEST)?, query.stream());
    require_recorded(&state, &id, stream).await?;
    download(&state, &caller, id, stream, span, "attachment").await
}

/// Stream the MP4 of `span`. `disposition` is `attachment` or `inline`.
pub(super) async fn download(
    state: &ApiState,
    caller: &Caller,
    camera: CameraId,
    stream: StreamKind,
    span: WallSpan,
    disposition: &str,
) -> Result<Response, Problem> {
    let id = camera.clone();
    let export = state.with_archive(move |a| Ok(export(a, &id, stream, span)?)).await?;
    audit::viewed(caller, "export", &camera, export.span);
    let name = file_name(&camera, export.span);
    let mut response = Body::from_stream(blocking_stream(export.reader)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("video/mp4"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(export.bytes));
    let shown = HeaderValue::try_from(format!("{disposition}; filename=\"{name}\""))
        .expect("invariant: camera ids and times are plain ASCII");
    headers.insert(header::CONTENT_DISPOSITION, shown);
    Ok(response)
}

/// Such as `gate-1_20261123T080000Z_20261123T081000Z.mp4`.
fn file_name(camera: &CameraId, span: WallSpan) -> String {
    let time = |t: Wall| t.timestamp().strftime("%Y%m%dT%H%M%SZ").to_string();
    format!("{camera}_{}_{}.mp4", time(span.start), time(span.end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_tells_camera_and_utc_times() {
        let span = WallSpan::new(Wall::from_secs(1_700_000_000), Wall::from_secs(1_700_000_600));
        let name = file_name(&CameraId::new("gate-1").unwrap(), span);
        assert_eq!(name, "gate-1_20231114T221320Z_20231114T222320Z.mp4");
    }
}
