//! Rules tried on the past, as jobs; and alerts decided once more.

use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::alerts::{Alert, AlertId};
use crate::base::{CameraId, Kind, Wall, WallSpan};

use super::audit;
use super::auth::{Caller, Operator};
use super::backtest_report::{BacktestReport, Replay};
use super::extract::{Json, Path, Time, span};
use super::problem::Problem;
use super::state::{ApiState, blocking};

/// A month at most: what is kept by default.
const LONGEST: Duration = Duration::from_secs(31 * 86_400);
const MOST_CAMERAS: usize = 1000;

/// What tries rules on the past. `app` implements it.
pub trait Backtests: Send + Sync + 'static {
    /// Take a trial on. It is done when its turn comes.
    ///
    /// # Errors
    /// The rules or cameras are wrong, or too many wait.
    fn start(&self, trial: Trial) -> Result<Job, TrialError>;

    /// All that are remembered, newest first, without their reports.
    fn list(&self) -> Vec<Job>;

    fn get(&self, id: u64) -> Option<Job>;

    /// Give a trial up; `false`: there is none of this number.
    fn cancel(&self, id: u64) -> bool;

    /// JPEG of the `n`th alert of a report, and which camera's it is of when.
    fn picture(&self, id: u64, n: usize) -> Option<(CameraId, Wall, Bytes)>;

    /// Decide an alert once more. Blocks on the disk.
    ///
    /// # Errors
    /// A store cannot be read.
    fn replay(&self, alert: &Alert) -> Result<Replay, TrialError>;
}

/// What is to be tried.
#[derive(Clone, Debug)]
pub struct Trial {
    /// At least one.
    pub cameras: Vec<CameraId>,
    pub span: WallSpan,
    /// `[[rule]]` tables; `None`: each camera's own rules.
    pub rules: Option<String>,
    pub decode: bool,
}

/// Why a trial cannot be. `message` says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TrialError {
    pub kind: Kind,
    pub message: String,
}

impl From<TrialError> for Problem {
    fn from(e: TrialError) -> Problem {
        Problem::of(e.kind, e.message)
    }
}

/// A trial on its way, or done.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Job {
    pub id: u64,
    pub state: JobState,
    /// 0 to 1.
    pub done: f64,
    /// Why it failed.
    pub error: Option<String>,
    /// Once it is done; not in lists.
    pub report: Option<BacktestReport>,
}

/// How far a trial is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    Waiting,
    Running,
    Done,
    Failed,
    Cancelled,
}

impl JobState {
    pub fn is_over(self) -> bool {
        matches!(self, JobState::Done | JobState::Failed | JobState::Cancelled)
    }
}

pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list, start))
        .routes(routes!(get, cancel))
        .routes(routes!(picture))
        .routes(routes!(replay))
}

/// A trial to be begun.
#[derive(Deserialize, Default, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewTrial {
    #[serde(default)]
    #[schema(value_type = Vec<String>, required, example = json!(["gate-1"]))]
    cameras: Vec<CameraId>,
    /// Begin, RFC 3339 with offset.
    #[schema(value_type = Option<String>, format = DateTime, required, example = "2026-11-23T00:00:00Z")]
    from: Option<Time>,
    /// End, RFC 3339 with offset; at most 31 days later.
    #[schema(value_type = Option<String>, format = DateTime, required, example = "2026-11-24T00:00:00Z")]
    to: Option<Time>,
    /// Rules as TOML, `[[rule]]` with the keys of `[[camera.rule]]` in the configuration, tried on each camera;
    /// each camera's own unless given.
    #[schema(
        example = "[[rule]]\nid = \"yard\"\nkind = \"intrusion\"\nzone = [[0, 0.5], [1, 0.5], [1, 1], [0, 1]]\n"
    )]
    rules: Option<String>,
    /// Decode also what was seen at the time: slower, and with the models of today. Not unless given.
    decode: Option<bool>,
}

#[derive(Serialize, ToSchema)]
struct JobList {
    /// Newest first.
    backtests: Vec<Job>,
}

/// Try rules on the past
///
/// What would have been told, beside what was. Answered from what was seen then, where that is kept and says enough;
/// else the recording is decoded. One trial at a time, behind everything else the server does.
#[utoipa::path(post, path = "/api/v1/backtests", operation_id = "start_backtest", tag = "backtests", request_body = NewTrial, responses(
    (status = 202, description = "It is done when its turn comes; ask for it by its number", body = Job),
    (status = "default", description = "What went wrong", body = Problem, content_type = "application/problem+json"),
))]
async fn start(
    State(state): State<ApiState>,
    Operator(caller): Operator,
    Json(body): Json<NewTrial>,
) -> Result<Response, Problem> {
    let (Some(from), Some(to)) = (body.from, body.to) else {
        return Err(Problem::invalid("'from' and 'to' say which time is tried; give both."));
    };
    let span = span(from, to, LONGEST)?;
    if body.cameras.is_empty() || body.cameras.len() > MOST_CAMERAS {
        return Err(Problem::invalid(format!("'cameras' names 1 to {MOST_CAMERAS} cameras.")));
    }
    let names = body.cameras.iter().map(CameraId::as_str).collect::<Vec<_>>().join(",");
    let trial =
        Trial { cameras: body.cameras, span, rules: body.rules, decode: body.decode.unwrap_or_default() };
    let backtests = state.backtests.clone();
    let job = blocking(move || Ok(backtests.start(trial)?)).await?;
    audit::changed(&caller, "backtest_started", &names);
    let place = format!("/api/v1/backtests/{}", job.id);
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, place)], axum::Json(job)).into_response())
}

/// Trials that are remembered
#[utoipa::path(get, path = "/api/v1/backtests", operation_id = "list_backtests", tag = "backtests", responses(
    (status = 200, description = "The last ones, newest first, without their reports", body = JobList),
    (status = "default", description = "What went wrong", body = Problem, content_type = "application/problem+json"),
))]
async fn list(State(state): State<ApiState>) -> axum::Json<JobList> {
    axum::Json(JobList { backtests: state.backtests.list() })
}

/// A trial and what came of it
#[utoipa::path(get, path = "/api/v1/backtests/{id}", operation_id = "get_backtest", tag = "backtests",
    params(("id" = u64, Path, description = "Number of the trial")),
    responses(
        (status = 200, description = "How far it is, and once it is done its report", body = Job),
        (status = "default", description = "What went wrong", body = Problem, content_type = "application/problem+json"),
))]
async fn get(State(state): State<ApiState>, Path(id): Path<u64>) -> Result<axum::Json<Job>, Problem> {
    state.backtests.get(id).map(axum::Json).ok_or_else(|| unknown(id))
}

/// Give a trial up
#[utoipa::path(delete, path = "/api/v1/backtests/{id}", operation_id = "cancel_backtest", tag = "backtests",
    params(("id" = u64, Path, description = "Number of the trial")),
    responses(
        (status = 204, description = "It ends soon, if it has not ended yet"),
        (status = "default", description = "What went wrong", body = Problem, content_type = "application/problem+json"),
))]
async fn cancel(
    State(state): State<ApiState>,
    Operator(caller): Operator,
    Path(id): Path<u64>,
) -> Result<StatusCode, Problem> {
    if !state.backtests.cancel(id) {
        return Err(unknown(id));
    }
    audit::changed(&caller, "backtest_cancelled", &id.to_string());
    Ok(StatusCode::NO_CONTENT)
}

/// Picture of an alert of a trial
#[utoipa::path(get, path = "/api/v1/backtests/{id}/pictures/{n}", operation_id = "get_backtest_picture", tag = "backtests",
    params(
        ("id" = u64, Path, description = "Number of the trial"),
        ("n" = usize, Path, description = "Place of the alert in the report, over all cameras, from 0"),
    ),
    responses(
        (status = 200, description = "The picture with boxes", body = Vec<u8>, content_type = "image/jpeg"),
        (status = "default", description = "What went wrong", body = Problem, content_type = "application/problem+json"),
))]
async fn picture(
    State(state): State<ApiState>,
    caller: Caller,
    Path((id, n)): Path<(u64, usize)>,
) -> Result<Response, Problem> {
    let Some((camera, at, jpeg)) = state.backtests.picture(id, n) else {
        return Err(Problem::not_found(format!(
            "There is no picture {n} of the trial {id}: its report names the pictures there are."
        )));
    };
    audit::viewed(&caller, "backtest_picture", &camera, WallSpan::new(at, at));
    Ok(([(header::CONTENT_TYPE, "image/jpeg")], jpeg).into_response())
}

/// Decide an alert once more
///
/// The rule as it was, told what was seen then. The same decision has to come out.
#[utoipa::path(post, path = "/api/v1/alerts/{id}/replay", operation_id = "replay_alert", tag = "alerts",
    params(("id" = String, Path, description = "Id of the alert")),
    responses(
        (status = 200, description = "What came out", body = Replay),
        (status = "default", description = "What went wrong", body = Problem, content_type = "application/problem+json"),
))]
async fn replay(State(state): State<ApiState>, Path(id): Path<Uuid>) -> Result<axum::Json<Replay>, Problem> {
    let (alerts, backtests) = (state.alerts.clone(), state.backtests.clone());
    let replay = blocking(move || {
        let alert = alerts.get(AlertId(id))?;
        let alert = alert.ok_or_else(|| Problem::not_found(format!("There is no alert '{id}'.")))?;
        Ok(backtests.replay(&alert)?)
    });
    replay.await.map(axum::Json)
}

fn unknown(id: u64) -> Problem {
    Problem::not_found(format!(
        "There is no trial {id}: GET /api/v1/backtests lists those that are remembered since the server's start."
    ))
}
