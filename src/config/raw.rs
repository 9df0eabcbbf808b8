//! The file as it is written. Mirrors the TOML one to one; what the values mean is `resolve`'s work.
//!
//! The doc comments become the descriptions of `config/pingan.schema.json`, and that schema is also
//! what `document` checks a file against, so a key exists here or nowhere. `default` is shown to
//! people; a test holds it against what the code does.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::camera::Tampering;
use crate::decode::Pictures;
use crate::ingest::CertificateCheck;
use crate::rules::{Anchor, Direction, Severity};

/// The main configuration file of `pingan`.
#[derive(Deserialize, JsonSchema, Default, Debug)]
#[serde(deny_unknown_fields)]
pub struct Main {
    /// Files of cameras that belong to this site: files, folders, or patterns with `*` in the last
    /// part, such as `cameras/*.toml`. They hold `[defaults]` (for their own cameras) and `[[camera]]`.
    #[schemars(extend("default" = []))]
    pub include: Option<Vec<String>>,
    pub server: Option<Server>,
    pub archive: Option<Archive>,
    pub recorder: Option<Recorder>,
    pub ingest: Option<Ingest>,
    pub decode: Option<Decode>,
    pub watch: Option<Watch>,
    pub infer: Option<Infer>,
    pub alerts: Option<Alerts>,
    pub defaults: Option<Defaults>,
    pub camera: Option<Vec<Camera>>,
}

/// A file named by `include`.
#[derive(Deserialize, JsonSchema, Default, Debug)]
#[serde(deny_unknown_fields)]
pub struct CameraFile {
    pub defaults: Option<Defaults>,
    pub camera: Option<Vec<Camera>>,
}

/// Rules by themselves: those that `pingan backtest` tries.
#[derive(Deserialize, JsonSchema, Default, Debug)]
#[serde(deny_unknown_fields)]
pub struct RuleFile {
    #[schemars(required, length(min = 1))]
    pub rule: Option<Vec<Rule>>,
}

/// Where the server listens and keeps its data.
#[derive(Deserialize, JsonSchema, Default, Debug)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Address and port of the HTTP API.
    #[schemars(extend("default" = "127.0.0.1:8088"))]
    pub listen: Option<String>,
    /// Must be true before `listen` may name an address that other machines can reach.
    #[schemars(extend("default" = false))]
    pub allow_remote: Option<bool>,
    /// Folder under which everything lies whose place is not given elsewhere. Relative paths start
    /// at the folder of the file in which they stand.
    #[schemars(extend("default" = "./data"))]
    pub data: Option<String>,
    /// SQLite store of API tokens; `DATA/tokens.sqlite` unless given.
    pub tokens: Option<String>,
    /// Folder with `analytics/NAME.toml` and `decode/NAME.toml`; `pipelines` in the folder from
    /// which the server is started, unless given.
    pub pipelines: Option<String>,
}

/// What is kept of the recordings, and where.
#[derive(Deserialize, JsonSchema, Default, Debug)]
#[serde(deny_unknown_fields)]
pub struct Archive {
    /// Folder of the segment files; `DATA/archive` unless given.
    pub root: Option<String>,
    /// Folders on further disks. Each camera is recorded on one disk, on another one when its own fails;
    /// a new camera goes where most space is free for it.
    #[schemars(extend("default" = []))]
    pub more_roots: Option<Vec<String>>,
    /// SQLite index; `DATA/index.sqlite` unless given.
    pub index: Option<String>,
    /// Older recordings are deleted. `"forever"`: never for their age.
    #[schemars(extend("default" = "30d"))]
    pub max_age: Option<String>,
    /// The archive never holds more than this; unless given, only the disk limits it.
    pub max_bytes: Option<String>,
    /// So much of each disk stays free; the oldest recordings give way.
    #[schemars(extend("default" = "2GiB"))]
    pub min_free: Option<String>,
    /// SQLite store of what was seen, with which rules are tried on the past and alerts are decided again;
    /// `DATA/observations.sqlite` unless given.
    pub observations: Option<String>,
    /// Older observations are deleted. `"forever"`: never.
    #[schemars(extend("default" = "90d"))]
    pub observations_max_age: Option<String>,
}

/// How recordings are written.
#[derive(Deserialize, JsonSchema, Default, Debug)]
#[serde(deny_unknown_fields)]
pub struct Recorder {
    /// A segment file is closed at the first keyframe after this long.
    #[schemars(extend("default" = "1m"))]
    pub segment: Option<String>,
    /// What arrived is written at the next keyframe, or at the latest after this long.
    #[schemars(extend("default" = "10s"))]
    pub max_fragment: Option<String>,
    /// The open fragment of one camera is written early beyond this size.
    #[schemars(extend("default" = "16MiB"))]
    pub max_fragment_bytes: Option<String>,
    /// Memory for what waits for a disk, over all its cameras; beyond it recording has gaps.
    #[schemars(extend("default" = "256MiB"))]
    pub queue_bytes: Option<String>,
}

/// How cameras are connected.
#[derive(Deserialize, JsonSchema, Default, Debug)]
#[serde(deny_unknown_fields)]
pub struct Ingest {
    /// Threads that read cameras.
    #[schemars(extend("default" = 1))]
    pub threads: Option<u32>,
    /// How long these threads sleep between two looks at their sockets, 1ms to 1s. Longer is cheaper,
    /// and later by as much.
    #[schemars(extend("default" = "100ms"))]
    pub tick: Option<String>,
    /// Connections begun per second over all cameras.
    #[schemars(extend("default" = 100.0))]
    pub connects_per_second: Option<f64>,
    /// Connections that may be in their handshake at the same time.
    #[schemars(extend("default" = 256))]
    pub connects_at_once: Option<u32>,
    /// A handshake that takes longer is given up.
    #[schemars(extend("default" = "10s"))]
    pub connect_timeout: Option<String>,
    /// First wait before a lost camera is connected anew; doubled each time.
    #[schemars(extend("default" = "500ms"))]
    pub backoff_min: Option<String>,
    /// Longest wait before a lost camera is connected anew.
    #[schemars(extend("default" = "4s"))]
    pub backoff_max: Option<String>,
    /// A larger coded picture is refused and the camera connected anew.
    #[schemars(extend("default" = "8MiB"))]
    pub max_unit_bytes: Option<String>,
    /// When the certificate of an `rtsps://` camera is checked.
    #[schemars(extend("default" = "unless_private_address"))]
    pub certificates: Option<CertificateCheck>,
}

/// How pictures are decoded.
#[derive(Deserialize, JsonSchema, Default, Debug)]
#[serde(deny_unknown_fields)]
pub struct Decode {
    /// `auto` takes the best decoder of this machine; other names are files in `PIPELINES/decode/`.
    #[schemars(extend("default" = "auto"))]
    pub profile: Option<String>,
}

/// How cameras are watched.
#[derive(Deserialize, JsonSchema, Default, Debug)]
#[serde(deny_unknown_fields)]
pub struct Watch {
    /// Threads that decode and analyse, each with its own copy of each model; as many as there are
    /// processors unless given.
    #[schemars(range(min = 1, max = 256))]
    pub workers: Option<u32>,
    /// Cameras of which every picture may be decoded at the same time; 48 for each of `workers` unless
    /// given. Beyond it, of a camera in which something moves every keyframe is looked at.
    #[schemars(range(min = 1, max = 10_000))]
    pub max_follow: Option<u32>,
}

/// How models are run.
#[derive(Deserialize, JsonSchema, Default, Debug)]
#[serde(deny_unknown_fields)]
pub struct Infer {
    /// `libonnxruntime.so`; unless given: `PINGAN_ORT`, then the usual places.
    pub runtime: Option<String>,
    /// Folder of the manifests `NAME/model.toml`; `models` in the folder from which the server is
    /// started, unless given.
    pub manifests: Option<String>,
    /// Folder of the pulled weights; `DATA/models` unless given.
    pub store: Option<String>,
    /// Where models are computed. All but `cpu` need an ONNX Runtime that was built with it; where it is
    /// absent the log says so and models run on the CPU. Elsewhere than on the CPU only networks of a fixed
    /// input look closer.
    #[schemars(extend("default" = "cpu"))]
    pub provider: Option<crate::infer::Provider>,
}

/// How alerts are kept.
#[derive(Deserialize, JsonSchema, Default, Debug)]
#[serde(deny_unknown_fields)]
pub struct Alerts {
    /// SQLite store; `DATA/alerts.sqlite` unless given.
    pub store: Option<String>,
    /// Folder of the snapshots; `DATA/snapshots` unless given.
    pub snapshots: Option<String>,
    /// Resolved and dismissed alerts older than this are deleted with their snapshots.
    #[schemars(extend("default" = "90d"))]
    pub max_age: Option<String>,
}

/// Values for cameras that do not give their own.
#[derive(Deserialize, JsonSchema, Default, Debug, Clone)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    /// Path of the organisation unit, such as `district/school-7`.
    #[schemars(extend("default" = ""))]
    pub unit: Option<String>,
    /// User name at the camera.
    pub user: Option<String>,
    /// Where the password stands: `env:NAME` or `file:PATH`, never the password itself.
    pub password: Option<String>,
    /// How RTSP media travels.
    #[schemars(extend("default" = "tcp"))]
    pub transport: Option<Transport>,
    /// A stream that delivers nothing for this long is connected anew.
    #[schemars(extend("default" = "10s"))]
    pub silence: Option<String>,
    /// Whether the main stream is recorded.
    #[schemars(extend("default" = true))]
    pub record: Option<bool>,
    /// Whether sound (AAC) is recorded with the picture, where there is any.
    #[schemars(extend("default" = true))]
    pub audio: Option<bool>,
    /// Analytics profile: a file in `PIPELINES/analytics/`, or `none`.
    #[schemars(extend("default" = "none"))]
    pub analytics: Option<String>,
    /// Which pictures are decoded for analytics: `auto`: a keyframe now and then, and all while something
    /// moves; `follow`: all, always; `keyframes`: keyframes only, always.
    #[schemars(extend("default" = "auto"))]
    pub decode: Option<Pictures>,
    /// Pictures analysed per second while something moves, at most; as the profile says unless given.
    #[schemars(range(min = 0, max = 60))]
    pub fps: Option<f32>,
    /// Whether a camera without a `camera_lost` rule gets one (alert after 10 s).
    #[schemars(extend("default" = true))]
    pub camera_lost: Option<bool>,
    /// Whether an analysed camera without an `under_watched` rule gets one (alert when it gets less than
    /// 0.8 of the frames it needs for 60 s).
    #[schemars(extend("default" = true))]
    pub under_watched: Option<bool>,
    /// Whether an analysed camera without a `tamper` rule gets one (alert when it is covered, defocused,
    /// turned, frozen or in the dark for 10 s).
    #[schemars(extend("default" = false))]
    pub tamper: Option<bool>,
}

/// A camera.
#[derive(Deserialize, JsonSchema, Default, Debug)]
#[serde(deny_unknown_fields)]
pub struct Camera {
    /// 1 to 64 of `a-z`, `0-9`, `-` and `_`, unique in the site. It names the camera in the API and
    /// its folder in the archive: changing it makes another camera.
    #[schemars(required)]
    pub id: Option<String>,
    /// What operators call it; the id unless given.
    pub name: Option<String>,
    /// Path of the organisation unit, such as `district/school-7/gate`.
    pub unit: Option<String>,
    /// Main stream: `rtsp://…`, `rtsps://…`, or the path of a clip or of a folder of clips.
    #[schemars(required)]
    pub url: Option<String>,
    /// Low-resolution stream of the same kind; analysed instead of the main stream.
    pub sub: Option<String>,
    /// User name at the camera.
    pub user: Option<String>,
    /// Where the password stands: `env:NAME` or `file:PATH`, never the password itself.
    pub password: Option<String>,
    /// How RTSP media travels.
    pub transport: Option<Transport>,
    /// A stream that delivers nothing for this long is connected anew.
    pub silence: Option<String>,
    /// Whether the main stream is recorded.
    pub record: Option<bool>,
    /// Whether sound (AAC) is recorded with the picture, where there is any.
    pub audio: Option<bool>,
    /// Analytics profile: a file in `PIPELINES/analytics/`, or `none`.
    pub analytics: Option<String>,
    /// Which pictures are decoded for analytics: `auto`: a keyframe now and then, and all while something
    /// moves; `follow`: all, always; `keyframes`: keyframes only, always.
    pub decode: Option<Pictures>,
    /// Pictures analysed per second while something moves, at most; as the profile says unless given.
    #[schemars(range(min = 0, max = 60))]
    pub fps: Option<f32>,
    /// How fast a clip is played.
    #[schemars(extend("default" = "real_time"))]
    pub pace: Option<Pace>,
    /// Whether a clip begins again at its end.
    #[schemars(extend("default" = false))]
    pub repeat: Option<bool>,
    /// Whether the camera gets a `camera_lost` rule when it has none of its own.
    pub camera_lost: Option<bool>,
    /// Whether the camera, if it is analysed, gets an `under_watched` rule when it has none of its own.
    pub under_watched: Option<bool>,
    /// Whether the camera, if it is analysed, gets a `tamper` rule when it has none of its own.
    pub tamper: Option<bool>,
    pub rule: Option<Vec<Rule>>,
}

/// What an operator wants to be told about a camera.
#[derive(Deserialize, JsonSchema, Default, Debug)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Characters as in camera ids, unique within the camera.
    #[schemars(required)]
    pub id: Option<String>,
    /// What is watched for.
    #[schemars(required)]
    pub kind: Option<Kind>,
    /// Polygon `[[x, y], …]`, at least 3 points, x and y from 0 (left, top) to 1 (right, bottom).
    pub zone: Option<Vec<[f32; 2]>>,
    /// The line's two ends `[[x, y], [x, y]]`, x and y from 0 to 1.
    #[schemars(length(min = 2, max = 2))]
    pub line: Option<Vec<[f32; 2]>>,
    /// Which crossings count, looking along the line from its first end to its second.
    #[schemars(extend("default" = "both"))]
    pub direction: Option<Direction>,
    /// `wrong_way`: the right way, an arrow from its first point to its second `[[x, y], [x, y]]`. Only its
    /// direction counts.
    #[schemars(length(min = 2, max = 2))]
    pub way: Option<Vec<[f32; 2]>>,
    /// `wrong_way`: so many degrees off the opposite of the right way still is the wrong way.
    #[schemars(range(min = 1, max = 89), extend("default" = 60.0))]
    pub tolerance: Option<f32>,
    /// `wrong_way`: how far something must have gone, as a share of the picture's height; its own height,
    /// and at least 0.05, unless given.
    #[schemars(range(min = 0, max = 2))]
    pub distance: Option<f32>,
    /// Which point of a box stands for the thing.
    #[schemars(extend("default" = "foot"))]
    pub anchor: Option<Anchor>,
    /// What is looked at; `["person"]` unless given.
    #[schemars(length(min = 1))]
    pub classes: Option<Vec<Class>>,
    /// A track none of whose detections scored as high yet is not looked at.
    #[schemars(range(min = 0, max = 1), extend("default" = 0.3))]
    pub min_score: Option<f32>,
    /// Boxes that are lower than this share of the picture's height are not looked at.
    #[schemars(range(min = 0, max = 1), extend("default" = 0.0))]
    pub min_size: Option<f32>,
    /// Boxes that are higher than this share of the picture's height are not looked at.
    #[schemars(range(min = 0, max = 1), extend("default" = 1.0))]
    pub max_size: Option<f32>,
    /// `intrusion`, `crowd`: what has stood at its place for so long, or since the camera was looked at
    /// first, does not count until it moves. Unless given, it counts.
    pub ignore_still: Option<String>,
    #[schemars(extend("default" = "warning"))]
    pub severity: Option<Severity>,
    /// After an event the rule is silent for the same thing for this long.
    #[schemars(extend("default" = "10s"))]
    pub cooldown: Option<String>,
    /// When the rule is on; always unless given.
    pub schedule: Option<Schedule>,
    /// `loitering`: something stays at least this long. `abandoned_object`, `removed_object`: it has stood
    /// alone, or been gone, for so long; `60s` unless given, 30 minutes at most.
    pub dwell: Option<String>,
    /// `crowd`: at least so many things.
    #[schemars(range(min = 1, max = 10_000))]
    pub count: Option<u32>,
    /// `crowd`: for at least this long. `under_watched`, `tamper`: likewise, `60s` and `10s` unless given.
    #[schemars(extend("default" = "5s"))]
    pub hold: Option<String>,
    /// `camera_lost`: the camera delivers nothing for at least this long.
    #[schemars(extend("default" = "10s"))]
    pub after: Option<String>,
    /// `under_watched`: the camera gets less than this part of the frames that its rules need.
    #[schemars(range(min = 0, max = 1), extend("default" = 0.8))]
    pub below: Option<f32>,
    /// `tamper`: what counts.
    #[schemars(length(min = 1), extend("default" = ["dark", "covered", "defocused", "turned", "frozen"]))]
    pub signs: Option<Vec<Tampering>>,
}

/// Daily hours in a time zone.
#[derive(Deserialize, JsonSchema, Default, Debug)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// IANA name, such as `Asia/Shanghai`.
    #[schemars(required)]
    pub zone: Option<String>,
    /// Days on which a span may begin; all unless given.
    pub days: Option<Vec<Day>>,
    /// `"22:00-06:00"`; a span whose end is not after its start runs past midnight. The whole day
    /// unless given.
    pub spans: Option<Vec<String>>,
}

#[derive(Deserialize, JsonSchema, Clone, Copy, Debug)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    Tcp,
    Udp,
}

#[derive(Deserialize, JsonSchema, Clone, Copy, Debug)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    RealTime,
    /// As fast as the server can.
    Fast,
}

#[derive(Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Something is inside `zone`.
    Intrusion,
    /// Something crosses `line`.
    LineCrossing,
    /// The same thing stays in `zone` for `dwell`.
    Loitering,
    /// Something goes in `zone` against `way`.
    WrongWay,
    /// At least `count` things are in `zone` for `hold`.
    Crowd,
    /// A face is visible (in `zone`). Faces are found, never identified.
    FaceSeen,
    /// Something moves (in `zone`).
    Motion,
    /// Something that was not there stands (in `zone`) for `dwell` after whoever was with it has left.
    AbandonedObject,
    /// Something that was there is gone (from `zone`) for `dwell`.
    RemovedObject,
    /// The camera delivers nothing for `after`.
    CameraLost,
    /// The server has too little time for the camera, for `hold`.
    UnderWatched,
    /// The camera is covered, defocused, turned, frozen or in the dark (`signs`), for `hold`.
    Tamper,
}

#[derive(Deserialize, JsonSchema, Clone, Copy, Debug)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    Person,
    Vehicle,
    Face,
    Motion,
}

#[derive(Deserialize, JsonSchema, Clone, Copy, Debug)]
#[serde(rename_all = "snake_case")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}
