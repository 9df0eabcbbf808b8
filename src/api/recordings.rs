//! What is recorded, what is missing and why.

use std::time::Duration;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::archive::Gap;
use crate::base::{CameraId, StreamKind, Wall, WallSpan};
use crate::camera::GapCause;

use super::extract::{Query, Stream, Time, span};
use super::problem::Problem;
use super::state::{ApiState, unknown_camera};

const LONGEST: Duration = Duration::from_secs(31 * 86_400);

pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(coverage))
}

/// A camera that is configured, or was and has left recordings.
pub(super) async fn require_recorded(
    state: &ApiState,
    camera: &CameraId,
    stream: StreamKind,
) -> Result<(), Problem> {
    if state.cameras.get(camera).is_some() {
        return Ok(());
    }
    let id = camera.clone();
    match state.with_archive(move |a| Ok(a.extent(&id, stream)?)).await? {
        Some(_) => Ok(()),
        None => Err(unknown_camera(camera)),
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct CoverageQuery {
    /// Camera id.
    #[param(value_type = String, example = "gate-1")]
    camera: CameraId,
    /// Begin, RFC 3339 with offset.
    #[param(value_type = String, format = DateTime, example = "2026-11-23T00:00:00Z")]
    from: Time,
    /// End, at most 31 days after `from`.
    #[param(value_type = String, format = DateTime, example = "2026-11-24T00:00:00Z")]
    to: Time,
    /// `main` (default) or `sub`.
    #[param(inline)]
    stream: Option<Stream>,
}

#[derive(Serialize, ToSchema)]
struct CoverageInfo {
    camera: String,
    stream: Stream,
    #[schema(value_type = String, format = DateTime)]
    from: Wall,
    #[schema(value_type = String, format = DateTime)]
    to: Wall,
    /// Seconds that should be recorded.
    expected_seconds: f64,
    /// Seconds that are.
    recorded_seconds: f64,
    /// Unbroken stretches, oldest first.
    recorded: Vec<SpanInfo>,
    gaps: Vec<GapInfo>,
}

#[derive(Serialize, ToSchema)]
struct SpanInfo {
    #[schema(value_type = String, format = DateTime)]
    from: Wall,
    #[schema(value_type = String, format = DateTime)]
    to: Wall,
}

#[derive(Serialize, ToSchema)]
struct GapInfo {
    #[schema(value_type = String, format = DateTime)]
    from: Wall,
    #[schema(value_type = String, format = DateTime)]
    to: Wall,
    seconds: f64,
    cause: GapCause,
    /// For people.
    #[schema(example = "connection refused")]
    note: String,
    /// It has not ended yet.
    open: bool,
}

impl From<Gap> for GapInfo {
    fn from(gap: Gap) -> Self {
        let WallSpan { start: from, end: to } = gap.span;
        let seconds = gap.span.duration().as_secs_f64();
        GapInfo { from, to, seconds, cause: gap.cause, note: gap.note, open: gap.open }
    }
}

/// Coverage of a camera
///
/// Expected against recorded time; every gap has a cause.
#[utoipa::path(get, path = "/api/v1/recordings", operation_id = "get_coverage", tag = "recordings", params(CoverageQuery), responses(
    (status = 200, description = "The ledger of the range", body = CoverageInfo),
    (status = "default", description = "What went wrong", body = Problem, content_type = "application/problem+json"),
))]
async fn coverage(
    State(state): State<ApiState>,
    Query(query): Query<CoverageQuery>,
) -> Result<axum::Json<CoverageInfo>, Problem> {
    let span = span(query.from, query.to, LONGEST)?;
    let stream = query.stream.map_or(StreamKind::Main, StreamKind::from);
    require_recorded(&state, &query.camera, stream).await?;
    let camera = query.camera.clone();
    let coverage = state.with_archive(move |a| Ok(a.coverage(&camera, stream, span)?)).await?;
    Ok(axum::Json(CoverageInfo {
        camera: query.camera.to_string(),
        stream: stream.into(),
        from: coverage.span.start,
        to: coverage.span.end,
        expected_seconds: coverage.expected_seconds,
        recorded_seconds: coverage.recorded_seconds,
        recorded: coverage.recorded.iter().map(|s| SpanInfo { from: s.start, to: s.end }).collect(),
        gaps: coverage.gaps.into_iter().map(GapInfo::from).collect(),
    }))
}
