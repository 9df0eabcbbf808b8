//! Alerts: read, and worked on by people.

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::alerts::{Alert, AlertId, AlertState, Filter};
use crate::base::{CameraId, StreamKind, Wall, WallSpan};
use crate::infer::{Class, ModelRef};
use crate::rules::Severity;

use super::auth::{Caller, Operator};
use super::export::download;
use super::extract::{Json, Path, Query, Stream, Time};
use super::problem::Problem;
use super::state::ApiState;
use super::{audit, etag};

/// What a clip shows before and after the alert.
const CLIP_SIDE: Duration = Duration::from_secs(10);
const MOST_PER_PAGE: usize = 500;
const USUAL_PER_PAGE: usize = 50;
const LONGEST_REASON: usize = 1000;

pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get))
        .routes(routes!(ack))
        .routes(routes!(resolve))
        .routes(routes!(dismiss))
        .routes(routes!(snapshot))
        .routes(routes!(clip))
}

/// An alert.
#[derive(Serialize, ToSchema)]
pub(super) struct AlertInfo {
    #[schema(format = "uuid")]
    id: String,
    /// Place in the log of changes; the `id` of its event under /stream.
    seq: u64,
    camera: String,
    rule: String,
    /// Kind of the rule.
    #[schema(example = "intrusion")]
    kind: String,
    severity: Severity,
    state: WorkState,
    /// Time of the picture that shows it.
    #[schema(value_type = String, format = DateTime)]
    at: Wall,
    /// When a lasting condition was over.
    #[schema(value_type = Option<String>, format = DateTime)]
    ended: Option<Wall>,
    /// When it was stored.
    #[schema(value_type = String, format = DateTime)]
    raised: Wall,
    /// One sentence for the operator.
    message: String,
    boxes: Vec<BoxInfo>,
    /// Number of the track, unique within the camera and one run of the server.
    track: Option<u64>,
    /// Which way a line was crossed.
    direction: Option<String>,
    /// Oldest first.
    history: Vec<ChangeInfo>,
    /// Address of the picture with boxes, if one is stored.
    snapshot: Option<String>,
    /// What it was decided by; null where an older program raised it.
    origin: Option<OriginInfo>,
    /// Address of the recording from 10 s before to 10 s after.
    clip: String,
}

/// What an alert was decided by; with it the decision can be made again (`/replay`).
#[derive(Serialize, ToSchema)]
struct OriginInfo {
    /// Tells this form of the rule from all others.
    #[schema(example = "9f3c0f7f6c1f0a52")]
    rule_version: String,
    /// Stream of the picture.
    stream: Stream,
    /// Its time in microseconds since 1970: with camera and stream it names the picture.
    frame_us: i64,
    /// What looked at it, besides motion detection.
    models: Vec<ModelRef>,
    /// Version of the program.
    program: String,
}

/// What was seen where, in fractions of the picture.
#[derive(Serialize, ToSchema)]
struct BoxInfo {
    class: Class,
    score: f32,
    x1: f32,
    y1: f32,
    x2: f32,
    y2: f32,
}

#[derive(Serialize, ToSchema)]
struct ChangeInfo {
    to: WorkState,
    actor: String,
    #[schema(value_type = String, format = DateTime)]
    at: Wall,
    reason: Option<String>,
}

#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum WorkState {
    Open,
    Acknowledged,
    Resolved,
    Dismissed,
}

impl From<AlertState> for WorkState {
    fn from(s: AlertState) -> Self {
        match s {
            AlertState::Open => WorkState::Open,
            AlertState::Acknowledged => WorkState::Acknowledged,
            AlertState::Resolved => WorkState::Resolved,
            AlertState::Dismissed => WorkState::Dismissed,
        }
    }
}

impl From<WorkState> for AlertState {
    fn from(s: WorkState) -> Self {
        match s {
            WorkState::Open => AlertState::Open,
            WorkState::Acknowledged => AlertState::Acknowledged,
            WorkState::Resolved => AlertState::Resolved,
            WorkState::Dismissed => AlertState::Dismissed,
        }
    }
}

impl From<&Alert> for AlertInfo {
    fn from(a: &Alert) -> Self {
        let address = |what: &str| format!("/api/v1/alerts/{}/{what}", a.id);
        AlertInfo {
            id: a.id.to_string(),
            seq: a.seq,
            camera: a.camera.to_string(),
            rule: a.rule.to_string(),
            kind: a.kind.clone(),
            severity: a.severity,
            state: a.state.into(),
            at: a.at,
            ended: a.ended,
            raised: a.raised,
            message: a.message.clone(),
            boxes: a
                .boxes
                .iter()
                .map(|b| BoxInfo {
                    class: b.class,
                    score: b.score,
                    x1: b.bbox.x1,
                    y1: b.bbox.y1,
                    x2: b.bbox.x2,
                    y2: b.bbox.y2,
                })
                .collect(),
            track: a.track,
            direction: a.direction.clone(),
            history: a
                .history
                .iter()
                .map(|c| ChangeInfo {
                    to: c.to.into(),
                    actor: c.actor.clone(),
                    at: c.at,
                    reason: c.reason.clone(),
                })
                .collect(),
            snapshot: a.snapshot.then(|| address("snapshot.jpg")),
            origin: a.origin.as_ref().map(|o| OriginInfo {
                rule_version: o.rule.clone(),
                stream: o.stream.into(),
                frame_us: a.at.micros(),
                models: o.models.clone(),
                program: o.program.clone(),
            }),
            clip: address("clip.mp4"),
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Only of this camera.
    #[param(value_type = Option<String>)]
    camera: Option<CameraId>,
    /// Only of this kind of rule.
    #[param(example = "intrusion")]
    kind: Option<String>,
    /// Only in this state.
    #[param(inline)]
    state: Option<WorkState>,
    /// Only of this severity.
    #[param(inline)]
    severity: Option<Severity>,
    /// Not before, RFC 3339 with offset.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Time>,
    /// Before, RFC 3339 with offset.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Time>,
    /// `next` of the page before, with the same filters.
    cursor: Option<String>,
    /// Alerts per page, 1 to 500; 50 unless given.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<usize>,
}

#[derive(Serialize, ToSchema)]
struct AlertList {
    /// Newest first.
    alerts: Vec<AlertInfo>,
    /// Give it back as `cursor` for the next page; null: this was the last.
    next: Option<String>,
}

/// Alerts, newest first
#[utoipa::path(get, path = "/api/v1/alerts", operation_id = "list_alerts", tag = "alerts", params(ListQuery), responses(
    (status = 200, description = "One page", body = AlertList),
    (status = "default", description = "What went wrong", body = Problem, content_type = "application/problem+json"),
))]
async fn list(
    State(state): State<ApiState>,
    Query(query): Query<ListQuery>,
) -> Result<axum::Json<AlertList>, Problem> {
    let limit = query.limit.unwrap_or(USUAL_PER_PAGE);
    if !(1..=MOST_PER_PAGE).contains(&limit) {
        return Err(Problem::invalid(format!(
            "'limit' is {limit}; use 1 to {MOST_PER_PAGE} and 'cursor' for what comes after."
        )));
    }
    if let (Some(from), Some(to)) = (query.from, query.to)
        && from.0 >= to.0
    {
        return Err(Problem::invalid(format!(
            "'from' ({}) must be earlier than 'to' ({}); exchange them or leave one away.",
            from.0, to.0
        )));
    }
    let filter = Filter {
        camera: query.camera,
        kind: query.kind,
        state: query.state.map(AlertState::from),
        severity: query.severity,
        from: query.from.map(|t| t.0),
        to: query.to.map(|t| t.0),
    };
    let cursor = query.cursor;
    let page = state.with_alerts(move |a| Ok(a.list(&filter, cursor.as_deref(), limit)?)).await?;
    Ok(axum::Json(AlertList { alerts: page.alerts.iter().map(AlertInfo::from).collect(), next: page.next }))
}

async fn find(state: &ApiState, id: Uuid) -> Result<Alert, Problem> {
    let found = state.with_alerts(move |a| Ok(a.get(AlertId(id))?)).await?;
    found.ok_or_else(|| unknown(id))
}

fn unknown(id: Uuid) -> Problem {
    Problem::not_found(format!("There is no alert {id}; GET /api/v1/alerts lists what is stored."))
}

/// One alert
#[utoipa::path(get, path = "/api/v1/alerts/{id}", operation_id = "get_alert", tag = "alerts",
    params(("id" = String, Path, format = "uuid", description = "Alert id")),
    responses(
        (status = 200, description = "The alert with its history", body = AlertInfo),
        (status = "default", description = "What went wrong", body = Problem, content_type = "application/problem+json"),
))]
async fn get(State(state): State<ApiState>, Path(id): Path<Uuid>) -> Result<axum::Json<AlertInfo>, Problem> {
    Ok(axum::Json((&find(&state, id).await?).into()))
}

/// Why an alert is changed.
#[derive(Deserialize, Default, ToSchema)]
#[serde(deny_unknown_fields)]
struct Reason {
    /// At most 1000 characters; needed to dismiss.
    #[schema(max_length = 1000, example = "The cleaner, known.")]
    reason: Option<String>,
}

async fn change(
    state: ApiState,
    caller: Caller,
    id: Uuid,
    to: AlertState,
    reason: Option<String>,
) -> Result<axum::Json<AlertInfo>, Problem> {
    let reason = reason.map(|r| r.trim().to_owned()).filter(|r| !r.is_empty());
    if reason.as_ref().is_some_and(|r| r.chars().count() > LONGEST_REASON) {
        return Err(Problem::invalid(format!(
            "The reason is too long; use at most {LONGEST_REASON} characters."
        )));
    }
    if to == AlertState::Dismissed && reason.is_none() {
        return Err(Problem::invalid(
            "To dismiss an alert say why: send the body {\"reason\": \"…\"}. It is kept in the alert's history.",
        ));
    }
    find(&state, id).await?;
    let (actor, now) = (caller.name.clone(), state.clock.wall());
    let alert =
        state.with_alerts(move |a| Ok(a.change(AlertId(id), to, &actor, reason.as_deref(), now)?)).await?;
    audit::changed(&caller, to.as_str(), &id.to_string());
    Ok(axum::Json((&alert).into()))
}

/// Acknowledge
///
/// Somebody looks after it.
#[utoipa::path(post, path = "/api/v1/alerts/{id}/ack", operation_id = "acknowledge_alert", tag = "alerts",
    params(("id" = String, Path, format = "uuid", description = "Alert id")), request_body(content = Option<Reason>),
    responses(
        (status = 200, description = "The changed alert", body = AlertInfo),
        (status = 409, description = "Not open any more", body = Problem, content_type = "application/problem+json"),
        (status = "default", description = "What went wrong", body = Problem, content_type = "application/problem+json"),
))]
async fn ack(
    State(state): State<ApiState>,
    Operator(caller): Operator,
    Path(id): Path<Uuid>,
    Json(body): Json<Reason>,
) -> Result<axum::Json<AlertInfo>, Problem> {
    change(state, caller, id, AlertState::Acknowledged, body.reason).await
}

/// Resolve
///
/// It was real and is dealt with.
#[utoipa::path(post, path = "/api/v1/alerts/{id}/resolve", operation_id = "resolve_alert", tag = "alerts",
    params(("id" = String, Path, format = "uuid", description = "Alert id")), request_body(content = Option<Reason>),
    responses(
        (status = 200, description = "The changed alert", body = AlertInfo),
        (status = 409, description = "Already closed", body = Problem, content_type = "application/problem+json"),
        (status = "default", description = "What went wrong", body = Problem, content_type = "application/problem+json"),
))]
async fn resolve(
    State(state): State<ApiState>,
    Operator(caller): Operator,
    Path(id): Path<Uuid>,
    Json(body): Json<Reason>,
) -> Result<axum::Json<AlertInfo>, Problem> {
    change(state, caller, id, AlertState::Resolved, body.reason).await
}

/// Dismiss
///
/// It was nothing; the reason is needed.
#[utoipa::path(post, path = "/api/v1/alerts/{id}/dismiss", operation_id = "dismiss_alert", tag = "alerts",
    params(("id" = String, Path, format = "uuid", description = "Alert id")), request_body(content = Reason),
    responses(
        (status = 200, description = "The changed alert", body = AlertInfo),
        (status = 409, description = "Already closed", body = Problem, content_type = "application/problem+json"),
        (status = "default", description = "What went wrong", body = Problem, content_type = "application/problem+json"),
))]
async fn dismiss(
    State(state): State<ApiState>,
    Operator(caller): Operator,
    Path(id): Path<Uuid>,
    Json(body): Json<Reason>,
) -> Result<axum::Json<AlertInfo>, Problem> {
    change(state, caller, id, AlertState::Dismissed, body.reason).await
}

/// Picture with boxes
#[utoipa::path(get, path = "/api/v1/alerts/{id}/snapshot.jpg", operation_id = "get_alert_snapshot", tag = "alerts",
    params(("id" = String, Path, format = "uuid", description = "Alert id")),
    responses(
        (status = 200, description = "A JPEG", content_type = "image/jpeg", body = Vec<u8>),
        (status = 304, description = "The client has it already"),
        (status = "default", description = "What went wrong", body = Problem, content_type = "application/problem+json"),
))]
async fn snapshot(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<Uuid>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let alert = find(&state, id).await?;
    audit::viewed(&caller, "alert_snapshot", &alert.camera, WallSpan::new(alert.at, alert.at));
    // The picture of an alert is stored once and does not change.
    let tag = etag::tag(&[&id]);
    if alert.snapshot && etag::matches(&headers, &tag) {
        return Ok(etag::not_modified(&tag));
    }
    let picture = state.with_alerts(move |a| Ok(a.picture(AlertId(id))?)).await?.ok_or_else(|| {
        Problem::not_found(format!(
            "No picture is stored with this alert; /api/v1/alerts/{id}/clip.mp4 shows the recording."
        ))
    })?;
    let headers = [
        (header::CONTENT_TYPE, "image/jpeg"),
        (header::CACHE_CONTROL, "private, max-age=86400, immutable"),
        (header::ETAG, tag.as_str()),
    ];
    Ok((headers, picture).into_response())
}

/// Recording around it
///
/// From 10 s before to 10 s after; of what is not recorded yet it has nothing.
#[utoipa::path(get, path = "/api/v1/alerts/{id}/clip.mp4", operation_id = "get_alert_clip", tag = "alerts",
    params(("id" = String, Path, format = "uuid", description = "Alert id")),
    responses(
        (status = 200, description = "An MP4", content_type = "video/mp4", body = Vec<u8>),
        (status = "default", description = "What went wrong", body = Problem, content_type = "application/problem+json"),
))]
async fn clip(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<Uuid>,
) -> Result<Response, Problem> {
    let alert = find(&state, id).await?;
    let span = WallSpan::new(alert.at - CLIP_SIDE, alert.at + CLIP_SIDE);
    download(&state, &caller, alert.camera, StreamKind::Main, span, "inline").await
}
