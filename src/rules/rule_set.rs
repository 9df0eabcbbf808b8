//! All rules of one camera.

use std::time::Duration;

use crate::base::{CameraId, Wall};
use crate::camera::{Change, StandingThing, StreamEvent, ViewReading, WatchLevel};
use crate::track::TrackSet;

use super::camera_lost::CameraLost;
use super::crowd::Crowd;
use super::event::RuleEvent;
use super::face_seen::FaceSeen;
use super::intrusion::Intrusion;
use super::left_object::LeftObject;
use super::line_crossing::LineCrossing;
use super::loitering::Loitering;
use super::motion::Motion;
use super::outlet::Outlet;
use super::sight::{Finding, Sight};
use super::spec::{RuleKind, RuleSpec};
use super::still::{Places, Standing};
use super::tamper::Tamper;
use super::under_watched::UnderWatched;
use super::wrong_way::WrongWay;

/// No frame looked at for this long: nobody knows any more who is there, so visits and periods end
/// with what was seen last.
pub const STALE: Duration = Duration::from_secs(10);

/// The rules of one camera. All times given to it must be of one time line (server time of the
/// access units; for footage played faster than real time, the footage's).
pub struct RuleSet {
    camera: CameraId,
    rules: Vec<Rule>,
    /// Where things stand; where a rule wants to know.
    places: Option<Places>,
    last_set: Option<Wall>,
}

struct Rule {
    spec: RuleSpec,
    watch: Watch,
    outlet: Outlet,
}

enum Watch {
    Intrusion(Intrusion),
    LineCrossing(LineCrossing),
    Loitering(Loitering),
    WrongWay(WrongWay),
    Crowd(Crowd),
    FaceSeen(FaceSeen),
    Motion(Motion),
    LeftObject(LeftObject),
    CameraLost(CameraLost),
    UnderWatched(UnderWatched),
    Tamper(Tamper),
}

impl RuleSet {
    pub fn new(camera: CameraId, rules: Vec<RuleSpec>) -> Self {
        let places = rules.iter().any(|r| r.limits.ignore_still.is_some()).then(Places::default);
        RuleSet { camera, rules: rules.into_iter().map(Rule::new).collect(), places, last_set: None }
    }

    /// A frame was looked at.
    pub fn on_tracks(&mut self, set: &TrackSet) -> Vec<RuleEvent> {
        let mut out = self.end_stale(set.at);
        self.last_set = Some(set.at);
        let standing = self.places.as_mut().map_or_else(Standing::new, |p| p.on_tracks(set));
        out.extend(self.each(set.at, |rule| {
            let sight = Sight::new(&rule.spec, set, &standing);
            rule.outlet.follow(&sight);
            rule.watch.on_sight(&sight)
        }));
        out
    }

    /// Ingest tells something about one of the camera's streams. May give an end of `camera_lost`
    /// that ends nothing: at the first sign of life of a run.
    pub fn on_stream(&mut self, event: &StreamEvent) -> Vec<RuleEvent> {
        self.each(event.at, |rule| match &mut rule.watch {
            Watch::CameraLost(w) => w.on_stream(event),
            _ => Vec::new(),
        })
    }

    /// How closely the camera is watched at `now`. Call every few seconds, whatever the level is. May give
    /// an end that ends nothing, as [`on_stream`](Self::on_stream).
    pub fn on_watched(&mut self, level: &WatchLevel, now: Wall) -> Vec<RuleEvent> {
        self.each(now, |rule| match &mut rule.watch {
            Watch::UnderWatched(w) => w.on_watched(level, now),
            _ => Vec::new(),
        })
    }

    /// What a picture taken at `at` says of the camera itself. May give an end that ends nothing, as
    /// [`on_stream`](Self::on_stream).
    pub fn on_view(&mut self, reading: &ViewReading, at: Wall) -> Vec<RuleEvent> {
        self.each(at, |rule| match &mut rule.watch {
            Watch::Tamper(w) => w.on_view(reading, at),
            _ => Vec::new(),
        })
    }

    /// What stands in a picture taken at `at`, after its tracks were told.
    pub fn on_standing(&mut self, things: &[StandingThing], at: Wall) -> Vec<RuleEvent> {
        self.each(at, |rule| match &mut rule.watch {
            Watch::LeftObject(w) => w.on_standing(things, at),
            _ => Vec::new(),
        })
    }

    /// Time passes. Call about once a second.
    pub fn tick(&mut self, now: Wall) -> Vec<RuleEvent> {
        let mut out = self.end_stale(now);
        out.extend(self.each(now, |rule| match &mut rule.watch {
            Watch::CameraLost(w) => w.tick(now),
            _ => Vec::new(),
        }));
        out
    }

    fn end_stale(&mut self, now: Wall) -> Vec<RuleEvent> {
        match self.last_set {
            Some(last) if now.since(last) >= STALE => {
                self.last_set = None;
                self.each(now, |rule| rule.watch.end_all(last))
            }
            _ => Vec::new(),
        }
    }

    fn each(&mut self, now: Wall, mut find: impl FnMut(&mut Rule) -> Vec<Finding>) -> Vec<RuleEvent> {
        let mut out = Vec::new();
        for rule in &mut self.rules {
            let findings = find(rule);
            for f in rule.outlet.pass(now, findings) {
                out.push(RuleEvent {
                    camera: self.camera.clone(),
                    rule: rule.spec.id.clone(),
                    kind: rule.spec.kind.as_str(),
                    severity: rule.spec.severity,
                    at: f.at,
                    subject: f.subject,
                    edge: f.edge,
                    cooldown: rule.spec.cooldown,
                    message: f.message,
                });
            }
        }
        out
    }
}

impl Rule {
    fn new(spec: RuleSpec) -> Self {
        let watch = match spec.kind.clone() {
            RuleKind::Intrusion { zone, anchor } => Watch::Intrusion(Intrusion::new(zone, anchor)),
            RuleKind::LineCrossing { a, b, direction, anchor } => {
                Watch::LineCrossing(LineCrossing::new(a, b, direction, anchor))
            }
            RuleKind::Loitering { zone, anchor, dwell } => {
                Watch::Loitering(Loitering::new(zone, anchor, dwell))
            }
            RuleKind::WrongWay { zone, anchor, heading } => {
                Watch::WrongWay(WrongWay::new(zone, anchor, heading))
            }
            RuleKind::Crowd { zone, anchor, count, hold } => {
                Watch::Crowd(Crowd::new(zone, anchor, count, hold))
            }
            RuleKind::FaceSeen { zone } => Watch::FaceSeen(FaceSeen::new(zone)),
            RuleKind::Motion { zone } => Watch::Motion(Motion::new(zone)),
            RuleKind::AbandonedObject { zone, dwell } => {
                Watch::LeftObject(LeftObject::new(zone, dwell, Change::Came, spec.limits.clone()))
            }
            RuleKind::RemovedObject { zone, dwell } => {
                Watch::LeftObject(LeftObject::new(zone, dwell, Change::Gone, spec.limits.clone()))
            }
            RuleKind::CameraLost { after } => Watch::CameraLost(CameraLost::new(after)),
            RuleKind::UnderWatched { below, hold } => Watch::UnderWatched(UnderWatched::new(below, hold)),
            RuleKind::Tamper { signs, hold } => Watch::Tamper(Tamper::new(signs, hold)),
        };
        let lasting = !matches!(watch, Watch::LineCrossing(_) | Watch::WrongWay(_));
        let outlet = Outlet::new(spec.schedule.clone(), spec.cooldown, lasting);
        Rule { spec, watch, outlet }
    }
}

impl Watch {
    fn on_sight(&mut self, sight: &Sight) -> Vec<Finding> {
        match self {
            Watch::Intrusion(w) => w.on_sight(sight),
            Watch::LineCrossing(w) => w.on_sight(sight),
            Watch::Loitering(w) => w.on_sight(sight),
            Watch::WrongWay(w) => w.on_sight(sight),
            Watch::Crowd(w) => w.on_sight(sight),
            Watch::FaceSeen(w) => w.on_sight(sight),
            Watch::Motion(w) => w.on_sight(sight),
            Watch::LeftObject(w) => w.on_sight(sight),
            Watch::CameraLost(_) | Watch::UnderWatched(_) | Watch::Tamper(_) => Vec::new(),
        }
    }

    fn end_all(&mut self, last: Wall) -> Vec<Finding> {
        match self {
            Watch::Intrusion(w) => w.end_all(),
            Watch::Loitering(w) => w.end_all(),
            Watch::WrongWay(w) => {
                w.end_all();
                Vec::new()
            }
            Watch::Crowd(w) => w.end_all(last),
            Watch::FaceSeen(w) => w.end_all(),
            Watch::Motion(w) => w.end_all(),
            // A thing that stood there may stand there still.
            Watch::LeftObject(_) => Vec::new(),
            // Of the camera itself nobody knows more when no frame comes, and nothing less.
            Watch::LineCrossing(_) | Watch::CameraLost(_) | Watch::UnderWatched(_) | Watch::Tamper(_) => {
                Vec::new()
            }
        }
    }
}
