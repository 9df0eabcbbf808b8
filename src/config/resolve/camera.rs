//! One camera.

use std::time::Duration;

use crate::base::CameraId;
use crate::camera::{CameraSpec, Pace, SecretRef, StreamSpec, Transport, UnitPath};
use crate::config::document::Place;
use crate::config::problem::Report;
use crate::config::raw;
use crate::config::settings::{Camera, NO_ANALYTICS};
use crate::decode::Pictures;
use crate::rules::RuleSpec;

use super::profiles::Profiles;
use super::source::{self, Access};
use super::{rule, values};

/// `[defaults]`, checked: of the main file, and over it of the camera's own file.
#[derive(Clone)]
pub struct CameraDefaults {
    unit: UnitPath,
    user: Option<String>,
    password: Option<SecretRef>,
    transport: Transport,
    silence: Duration,
    record: bool,
    audio: bool,
    analytics: String,
    decode: Pictures,
    fps: Option<f32>,
    camera_lost: bool,
    under_watched: bool,
    tamper: bool,
}

impl Default for CameraDefaults {
    fn default() -> Self {
        CameraDefaults {
            unit: UnitPath::default(),
            user: None,
            password: None,
            transport: Transport::Tcp,
            silence: Duration::from_secs(10),
            record: true,
            audio: true,
            analytics: NO_ANALYTICS.into(),
            decode: Pictures::Auto,
            fps: None,
            camera_lost: true,
            under_watched: true,
            tamper: false,
        }
    }
}

impl CameraDefaults {
    /// These values where `raw` gives none.
    pub fn under(
        self,
        at: &Place,
        raw: Option<raw::Defaults>,
        profiles: &mut Profiles,
        report: &mut Report,
    ) -> Self {
        let Some(raw) = raw else { return self };
        CameraDefaults {
            unit: unit(&at.key("unit"), raw.unit, report).unwrap_or(self.unit),
            password: source::secret(&at.key("password"), raw.password.as_deref(), report).or(self.password),
            user: raw.user.or(self.user),
            transport: raw.transport.map_or(self.transport, transport),
            silence: values::positive_duration(&at.key("silence"), raw.silence.as_deref(), report)
                .unwrap_or(self.silence),
            record: raw.record.unwrap_or(self.record),
            audio: raw.audio.unwrap_or(self.audio),
            analytics: analytics(&at.key("analytics"), raw.analytics, profiles, report)
                .unwrap_or(self.analytics),
            decode: raw.decode.unwrap_or(self.decode),
            fps: fps(&at.key("fps"), raw.fps, report).or(self.fps),
            camera_lost: raw.camera_lost.unwrap_or(self.camera_lost),
            under_watched: raw.under_watched.unwrap_or(self.under_watched),
            tamper: raw.tamper.unwrap_or(self.tamper),
        }
    }
}

/// `None` where the camera has no usable id or address; that has been reported.
pub fn resolve(
    at: &Place,
    raw: raw::Camera,
    base: &CameraDefaults,
    profiles: &mut Profiles,
    report: &mut Report,
) -> Option<Camera> {
    let id = raw.id.as_deref().and_then(|text| camera_id(&at.key("id"), text, report));
    let access = access(at, &raw, base, report);
    let silence =
        values::positive_duration(&at.key("silence"), raw.silence.as_deref(), report).unwrap_or(base.silence);
    let mut stream = |key: &str, text: Option<&str>| {
        let source = source::source(&at.key(key), text?, &access, report)?;
        Some(StreamSpec { source, silence })
    };
    let main = stream("url", raw.url.as_deref());
    let sub = stream("sub", raw.sub.as_deref());
    let unit = unit(&at.key("unit"), raw.unit, report).unwrap_or_else(|| base.unit.clone());
    let profile = analytics(&at.key("analytics"), raw.analytics, profiles, report)
        .unwrap_or_else(|| base.analytics.clone());
    let mut own = Vec::new();
    if raw.camera_lost.unwrap_or(base.camera_lost) {
        own.push(rule::camera_lost());
    }
    if profile != NO_ANALYTICS && raw.under_watched.unwrap_or(base.under_watched) {
        own.push(rule::under_watched());
    }
    if profile != NO_ANALYTICS && raw.tamper.unwrap_or(base.tamper) {
        own.push(rule::tamper());
    }
    let rules = rules(at, raw.rule, own, &profile, report);
    let fps = fps(&at.key("fps"), raw.fps, report).or(base.fps);
    let id = id?;
    let spec = CameraSpec {
        name: raw.name.unwrap_or_else(|| id.to_string()),
        id,
        unit,
        main: main?,
        sub,
        record: raw.record.unwrap_or(base.record),
        audio: raw.audio.unwrap_or(base.audio),
    };
    Some(Camera { spec, rules, profile, decode: raw.decode.unwrap_or(base.decode), fps })
}

fn access(at: &Place, raw: &raw::Camera, base: &CameraDefaults, report: &mut Report) -> Access {
    let misplaced: &[&str] = match raw.url.as_deref() {
        Some(url) if source::is_file(url) => &["user", "password", "transport"],
        Some(_) => &["pace", "repeat"],
        None => &[],
    };
    for key in misplaced.iter().filter(|k| at.key(k).is_written()) {
        let (this, other) = if *key == "pace" || *key == "repeat" {
            ("an RTSP camera", "clips")
        } else {
            ("a clip", "RTSP cameras")
        };
        at.key(key).error(
            report,
            format!("'{key}' says nothing to {this}"),
            format!("remove it: it is for {other}"),
        );
    }
    let password = source::secret(&at.key("password"), raw.password.as_deref(), report);
    let user = raw.user.clone().or_else(|| base.user.clone());
    if user.is_none() && password.is_some() {
        at.key("password").error(report, "there is a password and no user", "add `user = \"…\"`");
    }
    Access {
        user,
        password: password.or_else(|| base.password.clone()),
        transport: raw.transport.map_or(base.transport, transport),
        pace: match raw.pace {
            Some(raw::Pace::Fast) => Pace::AsFastAsPossible,
            Some(raw::Pace::RealTime) | None => Pace::RealTime,
        },
        repeat: raw.repeat.unwrap_or(false),
    }
}

/// `given`: the rules that the camera has besides, unless it has one of the kind.
fn rules(
    at: &Place,
    raw: Option<Vec<raw::Rule>>,
    mut given: Vec<RuleSpec>,
    profile: &str,
    report: &mut Report,
) -> Vec<RuleSpec> {
    let raw = raw.unwrap_or_default();
    given.retain(|g| !raw.iter().filter_map(|r| r.kind).any(|kind| rule::is_kind(g, kind)));
    let mut rules: Vec<RuleSpec> = Vec::new();
    for (i, raw) in raw.into_iter().enumerate() {
        let at = at.key("rule").item(i);
        if profile == NO_ANALYTICS && raw.kind.is_some_and(|k| k != raw::Kind::CameraLost) {
            let hint = "set `analytics` of the camera to a profile, or remove the rule";
            at.error(report, "the rule can never be met: nothing looks at this camera", hint);
        }
        let Some(rule) = rule::resolve(&at, raw, report) else { continue };
        if rules.iter().chain(&given).any(|r| r.id == rule.id) {
            let what = format!("the rule id '{}' is taken in this camera", rule.id);
            at.key("id").error(report, what, "give each rule of a camera an id of its own");
        }
        rules.push(rule);
    }
    rules.extend(given);
    rules
}

fn camera_id(at: &Place, text: &str, report: &mut Report) -> Option<CameraId> {
    match CameraId::new(text) {
        Ok(id) => Some(id),
        Err(_) => {
            let hint = "use 1 to 64 of a-z, 0-9, '-' and '_', beginning with a letter or digit";
            at.error(report, format!("'{text}' is not a camera id"), hint);
            None
        }
    }
}

fn unit(at: &Place, text: Option<String>, report: &mut Report) -> Option<UnitPath> {
    let text = text?;
    match text.parse() {
        Ok(unit) => Some(unit),
        Err(_) => {
            let hint = "use segments of a-z, 0-9, '-' and '_' joined by '/', such as district/school-7";
            at.error(report, format!("'{text}' is not a unit path"), hint);
            None
        }
    }
}

fn analytics(
    at: &Place,
    name: Option<String>,
    profiles: &mut Profiles,
    report: &mut Report,
) -> Option<String> {
    let name = name?;
    profiles.check_analytics(at, &name, report);
    Some(name)
}

fn fps(at: &Place, fps: Option<f32>, report: &mut Report) -> Option<f32> {
    let fps = fps?;
    if fps <= 0.0 {
        let hint = "write a number above 0; `analytics = \"none\"` switches analytics off";
        at.error(report, "no picture would ever be analysed", hint);
        return None;
    }
    Some(fps)
}

fn transport(raw: raw::Transport) -> Transport {
    match raw {
        raw::Transport::Tcp => Transport::Tcp,
        raw::Transport::Udp => Transport::Udp,
    }
}
