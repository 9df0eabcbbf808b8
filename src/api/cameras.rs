//! Cameras with their live state.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::base::{CameraId, Wall, WallSpan};
use crate::camera::{GapCause, SourceSpec, StreamState, StreamStatus, Transport};
use crate::media::{Point, Polygon};
use crate::rules::{RuleKind, RuleSpec, Severity};

use super::auth::Caller;
use super::extract::{Path, Stream};
use super::problem::Problem;
use super::state::{Analysis, ApiState, CameraView};
use super::watch_level::WatchInfo;
use super::{audit, etag};

pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get)).routes(routes!(snapshot))
}

#[derive(Serialize, ToSchema)]
struct CameraList {
    cameras: Vec<CameraInfo>,
}

/// A camera and how it is doing.
#[derive(Serialize, ToSchema)]
struct CameraInfo {
    #[schema(example = "gate-1")]
    id: String,
    /// What operators call it.
    name: String,
    /// Organisation units from the district down.
    #[schema(example = "district/school-7/gate")]
    unit: String,
    /// State of the main stream.
    state: LiveState,
    /// Whether the main stream is recorded.
    record: bool,
    /// Whether its audio is recorded as well, if there is any.
    audio: bool,
    streams: Vec<StreamInfo>,
    /// Absent: this camera is not analysed.
    analysis: Option<AnalysisInfo>,
    /// Absent: this camera is not analysed, or not yet.
    watch: Option<WatchInfo>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum LiveState {
    Connecting,
    Online,
    Offline,
    /// A source of files has come to its end.
    Ended,
}

#[derive(Serialize, ToSchema)]
struct StreamInfo {
    stream: Stream,
    /// Address without credentials, or path of the footage.
    source: String,
    /// `tcp` or `udp`; absent for files.
    transport: Option<&'static str>,
    state: LiveState,
    /// Since when it is in this state; absent before the first attempt.
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Wall>,
    /// Why it is offline.
    cause: Option<GapCause>,
    /// The same for people.
    message: Option<String>,
    #[schema(example = "h264 1920x1080")]
    format: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_unit: Option<Wall>,
    /// Connections begun after the first.
    reconnects: u64,
    /// Access units (pictures and audio frames) received.
    units: u64,
    bytes: u64,
    packets_lost: u64,
}

#[derive(Serialize, ToSchema)]
struct AnalysisInfo {
    profile: String,
    /// The stream that is looked at.
    stream: Stream,
    /// Frames looked at per second, over the last seconds.
    fps: f32,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_frame: Option<Wall>,
}

#[derive(Serialize, ToSchema)]
struct CameraDetail {
    #[serde(flatten)]
    camera: CameraInfo,
    /// From the first to the last recorded picture; gaps stand under /recordings.
    recordings: Vec<Extent>,
    /// The rules in force.
    rules: Vec<RuleInfo>,
}

#[derive(Serialize, ToSchema)]
struct Extent {
    stream: Stream,
    #[schema(value_type = String, format = DateTime)]
    from: Wall,
    #[schema(value_type = String, format = DateTime)]
    to: Wall,
}

/// A rule. Coordinates are fractions of the picture, origin at the top left.
#[derive(Serialize, ToSchema)]
struct RuleInfo {
    id: String,
    #[schema(example = "intrusion")]
    kind: &'static str,
    severity: Severity,
    #[schema(example = json!(["person"]))]
    classes: Vec<&'static str>,
    min_score: f32,
    /// Heights of boxes that are looked at, as shares of the picture's.
    min_size: f32,
    max_size: f32,
    /// What has stood for longer does not count; absent: it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    ignore_still_seconds: Option<f64>,
    cooldown_seconds: f64,
    /// Whether the rule is on only at certain hours.
    scheduled: bool,
    /// Corners of the zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<Vec<[f32; 2]>>,
    /// Both ends of the line.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<[[f32; 2]; 2]>,
    /// `to_left`, `to_right` or `both`, seen along the line.
    #[serde(skip_serializing_if = "Option::is_none")]
    direction: Option<String>,
    /// The right way, from its first point to its second (wrong way).
    #[serde(skip_serializing_if = "Option::is_none")]
    way: Option<[[f32; 2]; 2]>,
    /// So many degrees off its opposite still is the wrong way.
    #[serde(skip_serializing_if = "Option::is_none")]
    tolerance: Option<f32>,
    /// How many there must be (crowd).
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<usize>,
    /// Of the frames needed, at least this part (under-watched).
    #[serde(skip_serializing_if = "Option::is_none")]
    below: Option<f32>,
    /// What counts (tamper): `dark`, `covered`, `defocused`, `turned`, `frozen`.
    #[serde(skip_serializing_if = "Option::is_none")]
    signs: Option<Vec<&'static str>>,
    /// For how long (loitering, abandoned and removed object, crowd, camera lost, under-watched, tamper).
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
}

impl From<&StreamState> for LiveState {
    fn from(s: &StreamState) -> Self {
        match s {
            StreamState::Connecting => LiveState::Connecting,
            StreamState::Online => LiveState::Online,
            StreamState::Offline { .. } => LiveState::Offline,
            StreamState::Ended => LiveState::Ended,
        }
    }
}

impl From<&CameraView> for CameraInfo {
    fn from(view: &CameraView) -> Self {
        let spec = &view.spec;
        let streams: Vec<_> = spec
            .streams()
            .map(|(kind, stream)| {
                let status = view.status.streams.iter().find(|s| s.stream == kind);
                stream_info(kind.into(), &stream.source, status)
            })
            .collect();
        let main = view.status.streams.iter().find(|s| s.stream == crate::base::StreamKind::Main);
        CameraInfo {
            id: spec.id.to_string(),
            name: spec.name.clone(),
            unit: spec.unit.to_string(),
            state: main.map_or(LiveState::Connecting, |s| (&s.state).into()),
            record: spec.record,
            audio: spec.audio,
            streams,
            analysis: view.analysis.as_ref().map(|a| analysis_info(a, spec.analysed().into())),
            watch: view.analysis.as_ref().and_then(|a| a.watch.as_ref()).map(WatchInfo::from),
        }
    }
}

fn stream_info(stream: Stream, source: &SourceSpec, status: Option<&StreamStatus>) -> StreamInfo {
    let (cause, message) = match status.map(|s| &s.state) {
        Some(StreamState::Offline { cause, message }) => (Some(*cause), Some(message.clone())),
        _ => (None, None),
    };
    StreamInfo {
        stream,
        source: source.shown(),
        transport: match source {
            SourceSpec::Rtsp { transport: Transport::Tcp, .. } => Some("tcp"),
            SourceSpec::Rtsp { transport: Transport::Udp, .. } => Some("udp"),
            SourceSpec::Files { .. } => None,
        },
        state: status.map_or(LiveState::Connecting, |s| (&s.state).into()),
        since: status.map(|s| s.since),
        cause,
        message,
        format: status.and_then(|s| s.format.clone()),
        last_unit: status.and_then(|s| s.last_unit),
        reconnects: status.map_or(0, |s| s.reconnects),
        units: status.map_or(0, |s| s.units),
        bytes: status.map_or(0, |s| s.bytes),
        packets_lost: status.map_or(0, |s| s.packets_lost),
    }
}

fn analysis_info(a: &Analysis, stream: Stream) -> AnalysisInfo {
    AnalysisInfo { profile: a.profile.clone(), stream, fps: a.fps, last_frame: a.last_frame }
}

impl From<&RuleSpec> for RuleInfo {
    fn from(rule: &RuleSpec) -> Self {
        let corners = |z: &Polygon| z.points().iter().map(|p| [p.x, p.y]).collect::<Vec<_>>();
        let xy = |p: &Point| [p.x, p.y];
        let mut info = RuleInfo {
            id: rule.id.to_string(),
            kind: rule.kind.as_str(),
            severity: rule.severity,
            classes: rule.classes.iter().map(|c| c.as_str()).collect(),
            min_score: rule.min_score,
            min_size: rule.limits.min_size,
            max_size: rule.limits.max_size,
            ignore_still_seconds: rule.limits.ignore_still.map(|d| d.as_secs_f64()),
            cooldown_seconds: rule.cooldown.as_secs_f64(),
            scheduled: rule.schedule.is_some(),
            zone: None,
            line: None,
            direction: None,
            way: None,
            tolerance: None,
            count: None,
            below: None,
            signs: None,
            seconds: None,
        };
        match &rule.kind {
            RuleKind::Intrusion { zone, .. } => info.zone = Some(corners(zone)),
            RuleKind::LineCrossing { a, b, direction, .. } => {
                info.line = Some([xy(a), xy(b)]);
                info.direction =
                    serde_json::to_value(direction).ok().and_then(|d| d.as_str().map(str::to_owned));
            }
            RuleKind::Loitering { zone, dwell, .. } => {
                info.zone = Some(corners(zone));
                info.seconds = Some(dwell.as_secs_f64());
            }
            RuleKind::WrongWay { zone, heading, .. } => {
                info.zone = Some(corners(zone));
                info.way = Some([xy(&heading.from), xy(&heading.to)]);
                info.tolerance = Some(heading.tolerance);
            }
            RuleKind::Crowd { zone, count, hold, .. } => {
                info.zone = Some(corners(zone));
                info.count = Some(*count);
                info.seconds = Some(hold.as_secs_f64());
            }
            RuleKind::AbandonedObject { zone, dwell } | RuleKind::RemovedObject { zone, dwell } => {
                info.zone = zone.as_ref().map(corners);
                info.seconds = Some(dwell.as_secs_f64());
            }
            RuleKind::FaceSeen { zone } | RuleKind::Motion { zone } => info.zone = zone.as_ref().map(corners),
            RuleKind::CameraLost { after } => info.seconds = Some(after.as_secs_f64()),
            RuleKind::Tamper { signs, hold } => {
                info.signs = Some(signs.iter().map(|s| s.as_str()).collect());
                info.seconds = Some(hold.as_secs_f64());
            }
            RuleKind::UnderWatched { below, hold } => {
                info.below = Some(*below);
                info.seconds = Some(hold.as_secs_f64());
            }
        }
        info
    }
}

/// All cameras
#[utoipa::path(get, path = "/api/v1/cameras", operation_id = "list_cameras", tag = "cameras", responses(
    (status = 200, description = "Every configured camera with its live state", body = CameraList),
    (status = "default", description = "What went wrong", body = Problem, content_type = "application/problem+json"),
))]
async fn list(State(state): State<ApiState>) -> axum::Json<CameraList> {
    axum::Json(CameraList { cameras: state.cameras.list().iter().map(CameraInfo::from).collect() })
}

/// One camera
#[utoipa::path(get, path = "/api/v1/cameras/{id}", operation_id = "get_camera", tag = "cameras",
    params(("id" = String, Path, description = "Camera id")),
    responses(
        (status = 200, description = "The camera, its recordings and rules", body = CameraDetail),
        (status = "default", description = "What went wrong", body = Problem, content_type = "application/problem+json"),
))]
async fn get(
    State(state): State<ApiState>,
    Path(id): Path<CameraId>,
) -> Result<axum::Json<CameraDetail>, Problem> {
    let view = state.camera(&id)?;
    let kinds: Vec<_> = view.spec.streams().map(|(kind, _)| kind).collect();
    let recordings = state
        .with_archive(move |archive| {
            let mut extents = Vec::new();
            for kind in kinds {
                if let Some(WallSpan { start, end }) = archive.extent(&id, kind)? {
                    extents.push(Extent { stream: kind.into(), from: start, to: end });
                }
            }
            Ok(extents)
        })
        .await?;
    let rules = view.rules.iter().map(RuleInfo::from).collect();
    Ok(axum::Json(CameraDetail { camera: (&view).into(), recordings, rules }))
}

/// Newest picture
///
/// The `Last-Modified` header tells the second it shows.
#[utoipa::path(get, path = "/api/v1/cameras/{id}/snapshot.jpg", operation_id = "get_camera_snapshot", tag = "cameras",
    params(("id" = String, Path, description = "Camera id")),
    responses(
        (status = 200, description = "A JPEG", content_type = "image/jpeg", body = Vec<u8>),
        (status = 304, description = "Still the picture whose ETag was sent in If-None-Match"),
        (status = "default", description = "What went wrong", body = Problem, content_type = "application/problem+json"),
))]
async fn snapshot(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<CameraId>,
    headers: axum::http::HeaderMap,
) -> Result<Response, Problem> {
    state.camera(&id)?;
    let picture = state.cameras.snapshot(&id).await.map_err(|e| Problem::of(e.kind, e.message))?;
    audit::viewed(&caller, "snapshot", &id, WallSpan::new(picture.at, picture.at));
    let tag = etag::tag(&[&id, &picture.at.0]);
    if etag::matches(&headers, &tag) {
        return Ok(etag::not_modified(&tag));
    }
    let shown = picture.at.timestamp().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    Ok((
        [
            (header::CONTENT_TYPE, "image/jpeg".to_owned()),
            (header::CACHE_CONTROL, "private, no-cache".to_owned()),
            (header::LAST_MODIFIED, shown),
            (header::ETAG, tag),
        ],
        picture.jpeg,
    )
        .into_response())
}
