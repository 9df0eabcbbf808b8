//! A small site behind the real router.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::Value;
use tower::ServiceExt;

use crate::alerts::Alerts;
use crate::api::{
    Analysis, ApiState, Backtests, CameraView, Cameras, Health, Job, Replay, Role, Snapshot, SnapshotError,
    TokenStore, Trial, TrialError, bind, router, serve,
};
use crate::archive::{Archive, Retention};
use crate::base::task::Tasks;
use crate::base::{CameraId, Clock, Kind, SimClock, StreamKind, Wall};
use crate::camera::{
    Attention, CameraSpec, CameraStatus, GapCause, Need, SourceSpec, StreamSpec, StreamState, StreamStatus,
    Transport, WatchLevel,
};
use crate::media::{Point, Polygon};
use crate::rules::{Anchor, RuleId, RuleKind, RuleSpec, Severity};

/// 2026-11-23T08:00:00Z.
pub const START: Wall = Wall::from_secs(1_795_420_800);

pub fn camera(id: &str) -> CameraId {
    CameraId::new(id).unwrap()
}

/// `gate` is online and has a picture, `yard` is offline.
struct TwoCameras;

fn view(id: &str, state: StreamState) -> CameraView {
    let id = camera(id);
    let source = SourceSpec::Rtsp {
        url: format!("rtsp://admin:hunter2@192.0.2.1/{id}").parse().unwrap(),
        user: Some("admin".into()),
        password: Some("env:CAMERA_PASSWORD".parse().unwrap()),
        transport: Transport::Tcp,
    };
    let status = StreamStatus {
        stream: StreamKind::Main,
        state,
        since: START,
        last_unit: Some(START),
        reconnects: 2,
        units: 100,
        bytes: 5000,
        packets_lost: 1,
        format: Some("h264 1920x1080".into()),
    };
    let corners = [(0.1, 0.1), (0.9, 0.1), (0.9, 0.9)].map(|(x, y)| Point::new(x, y)).to_vec();
    CameraView {
        spec: CameraSpec {
            id: id.clone(),
            name: format!("The {id}"),
            unit: "district/school-7".parse().unwrap(),
            main: StreamSpec { source, silence: Duration::from_secs(10) },
            sub: None,
            record: true,
            audio: false,
        },
        status: CameraStatus { camera: id, streams: vec![status] },
        analysis: Some(Analysis {
            profile: "people".into(),
            fps: 5.0,
            last_frame: Some(START),
            watch: Some(WatchLevel {
                attention: Attention::Followed,
                needed: Need { look_every: Duration::from_secs(4), fps: 5.0 },
                look_every: Some(Duration::from_secs(8)),
                fps: Some(2.5),
                ratio: 0.5,
                longest: Duration::from_secs(9),
                unoffered: Duration::ZERO,
                window: Duration::from_secs(60),
                stretch: 2.0,
            }),
        }),
        rules: vec![RuleSpec {
            id: RuleId("no-entry".into()),
            kind: RuleKind::Intrusion { zone: Polygon::new(corners).unwrap(), anchor: Anchor::Foot },
            classes: vec![crate::infer::Class::Person],
            min_score: 0.4,
            limits: crate::rules::Limits::default(),
            severity: Severity::Critical,
            schedule: None,
            cooldown: Duration::from_secs(30),
        }],
    }
}

impl Cameras for TwoCameras {
    fn list(&self) -> Vec<CameraView> {
        let lost =
            StreamState::Offline { cause: GapCause::CameraLost, message: "connection refused".to_owned() };
        vec![view("gate", StreamState::Online), view("yard", lost)]
    }

    fn get(&self, id: &CameraId) -> Option<CameraView> {
        assert_ne!(id.as_str(), "panics", "a fault in a handler");
        self.list().into_iter().find(|v| v.spec.id == *id)
    }

    fn snapshot(&self, id: &CameraId) -> BoxFuture<'static, Result<Snapshot, SnapshotError>> {
        let result = match id.as_str() {
            "gate" => Ok(Snapshot { jpeg: Bytes::from_static(b"\xff\xd8jpeg"), at: START }),
            _ => Err(SnapshotError {
                kind: Kind::Unavailable,
                message: "The camera is offline; try again when it is back.".into(),
            }),
        };
        Box::pin(async move { result })
    }
}

/// Knows of no trial.
struct NoBacktests;

impl Backtests for NoBacktests {
    fn start(&self, trial: Trial) -> Result<Job, TrialError> {
        assert!(!trial.cameras.is_empty() && !trial.span.is_empty(), "{trial:?}");
        let message = "8 trials wait already; try again when one is over".into();
        Err(TrialError { kind: Kind::Unavailable, message })
    }

    fn list(&self) -> Vec<Job> {
        Vec::new()
    }

    fn get(&self, _: u64) -> Option<Job> {
        None
    }

    fn cancel(&self, _: u64) -> bool {
        false
    }

    fn picture(&self, _: u64, _: usize) -> Option<(CameraId, Wall, Bytes)> {
        None
    }

    fn replay(&self, _: &crate::alerts::Alert) -> Result<Replay, TrialError> {
        Err(TrialError { kind: Kind::Storage, message: "the store cannot be read".into() })
    }
}

pub struct Site {
    pub dir: tempfile::TempDir,
    pub state: ApiState,
    pub clock: Arc<SimClock>,
    viewer: String,
    operator: String,
    admin: String,
}

impl Site {
    pub fn new() -> Site {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(SimClock::new(START));
        let tokens = TokenStore::open(&dir.path().join("tokens.db")).unwrap();
        let secret = |role: Role| tokens.create(role.as_str(), role, None, clock.wall()).unwrap().1;
        let (viewer, operator, admin) = (secret(Role::Viewer), secret(Role::Operator), secret(Role::Admin));
        let settings = crate::archive::Settings {
            root: dir.path().join("archive"),
            more_roots: Vec::new(),
            index: dir.path().join("index.db"),
            retention: Retention { max_age: None, max_bytes: None, min_free_bytes: 0 },
            observations: dir.path().join("observations.db"),
            observations_max_age: None,
        };
        let archive = Archive::open(settings, clock.clone()).unwrap();
        let settings = crate::alerts::Settings {
            store: dir.path().join("alerts.db"),
            snapshots: dir.path().join("snapshots"),
            max_age: Duration::from_secs(86_400),
        };
        let alerts = Alerts::open(settings, clock.clone()).unwrap();
        let state = ApiState {
            cameras: Arc::new(TwoCameras),
            archive: Arc::new(archive),
            alerts: Arc::new(alerts),
            backtests: Arc::new(NoBacktests),
            tokens: Arc::new(tokens),
            clock: clock.clone(),
            health: Arc::new(|| Health::Ready { limits: Vec::new() }),
            metrics: PrometheusBuilder::new().build_recorder().handle(),
            stop: Tasks::root("test").stop_token(),
        };
        Site { dir, state, clock, viewer, operator, admin }
    }

    pub fn router(&self) -> Router {
        router(self.state.clone())
    }

    pub fn secret(&self, role: Role) -> &str {
        match role {
            Role::Viewer => &self.viewer,
            Role::Operator => &self.operator,
            Role::Admin => &self.admin,
        }
    }

    /// A request as `role`; `None`: without a token.
    pub async fn ask(&self, role: Option<Role>, request: &str, body: &str) -> Answer {
        self.ask_with(role, request, body, &[]).await
    }

    /// `request` is `METHOD path?query`.
    pub async fn ask_with(
        &self,
        role: Option<Role>,
        request: &str,
        body: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let (method, uri) = request.split_once(' ').unwrap();
        let mut builder = Request::builder().method(method.parse::<Method>().unwrap()).uri(uri);
        if let Some(role) = role {
            builder = builder.header(header::AUTHORIZATION, format!("Bearer {}", self.secret(role)));
        }
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        let request = builder.body(Body::from(body.to_owned())).unwrap();
        let response = self.router().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: to_bytes(body, usize::MAX).await.unwrap(),
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask(Some(Role::Viewer), &format!("GET {path}"), "").await
    }

    /// Serve on a real socket until `state.stop`.
    pub async fn listen(&self) -> (SocketAddr, tokio::task::JoinHandle<()>) {
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = self.state.clone();
        (address, tokio::spawn(async move { serve(listener, state).await.unwrap() }))
    }

    /// A file in the archive's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("archive").join(name)
    }
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The JSON of a good answer.
    pub fn json(&self) -> Value {
        assert!(self.status.is_success(), "{}: {}", self.status, self.text());
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The detail of a problem, whose form is checked.
    pub fn problem(&self, status: u16) -> String {
        let text = self.text();
        assert_eq!(self.status.as_u16(), status, "{text}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{text}");
        let v: Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(v["status"], status);
        assert!(v["type"].as_str().unwrap().starts_with("urn:pingan:problem:"), "{text}");
        assert!(!v["title"].as_str().unwrap().is_empty());
        assert!(v["instance"].as_str().unwrap().starts_with('/'), "{text}");
        let detail = v["detail"].as_str().unwrap();
        assert!(detail.len() > 20 && !detail.contains("pgn_0"), "{text}");
        detail.to_owned()
    }
}
