//! One rule.

use std::time::Duration;

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;

use crate::base::CameraId;
use crate::camera::Tampering;
use crate::config::document::Place;
use crate::config::problem::Report;
use crate::config::raw;
use crate::infer::Class;
use crate::media::geometry::BadPolygon;
use crate::media::{Point, Polygon};
use crate::rules::{Heading, Limits, RuleId, RuleKind, RuleSpec, Schedule, Severity};

use super::values::{duration, positive_duration};

const MIN_SCORE: f32 = 0.3;
const COOLDOWN: Duration = Duration::from_secs(10);
const HOLD: Duration = Duration::from_secs(5);
const LOST_AFTER: Duration = Duration::from_secs(10);
const LEFT_FOR: Duration = Duration::from_secs(60);
/// The background learns what stands for an hour; half of it is well before.
const LEFT_MOST: Duration = Duration::from_secs(30 * 60);
const TOLERANCE: f32 = 60.0;
const WATCHED_BELOW: f32 = 0.8;
const WATCHED_HOLD: Duration = Duration::from_secs(60);
const TAMPER_HOLD: Duration = Duration::from_secs(10);

/// The rule that every camera has unless it says otherwise.
pub fn camera_lost() -> RuleSpec {
    about_camera("camera_lost", RuleKind::CameraLost { after: LOST_AFTER })
}

/// The rule that every analysed camera has unless it says otherwise.
pub fn under_watched() -> RuleSpec {
    about_camera("under_watched", RuleKind::UnderWatched { below: WATCHED_BELOW, hold: WATCHED_HOLD })
}

/// The rule that an analysed camera has where the configuration says so.
pub fn tamper() -> RuleSpec {
    about_camera("tamper", RuleKind::Tamper { signs: Tampering::ALL.to_vec(), hold: TAMPER_HOLD })
}

fn about_camera(id: &str, kind: RuleKind) -> RuleSpec {
    RuleSpec {
        id: RuleId(id.into()),
        kind,
        classes: Vec::new(),
        min_score: 0.0,
        limits: Limits::default(),
        severity: Severity::Warning,
        schedule: None,
        // It lasts and clears by itself; a second time is news.
        cooldown: Duration::ZERO,
    }
}

/// Whether the rule is of that kind.
pub fn is_kind(rule: &RuleSpec, kind: raw::Kind) -> bool {
    match kind {
        raw::Kind::CameraLost => matches!(rule.kind, RuleKind::CameraLost { .. }),
        raw::Kind::UnderWatched => matches!(rule.kind, RuleKind::UnderWatched { .. }),
        raw::Kind::Tamper => matches!(rule.kind, RuleKind::Tamper { .. }),
        _ => false,
    }
}

/// `None` where the rule cannot be made; that has been reported.
pub fn resolve(at: &Place, raw: raw::Rule, report: &mut Report) -> Option<RuleSpec> {
    let id = raw.id.as_deref().and_then(|text| rule_id(&at.key("id"), text, report));
    let schedule = raw.schedule.as_ref().and_then(|s| schedule(&at.key("schedule"), s, report));
    let cooldown = duration(&at.key("cooldown"), raw.cooldown.as_deref(), report);
    let takes = keys_of(raw.kind?);
    unfit(at, takes, report);
    let kind = kind(at, &raw, report);
    let limits = limits(at, &raw, report);
    let about_camera =
        matches!(raw.kind?, raw::Kind::CameraLost | raw::Kind::UnderWatched | raw::Kind::Tamper);
    let classes = match raw.kind? {
        _ if about_camera => Vec::new(),
        raw::Kind::FaceSeen => vec![Class::Face],
        raw::Kind::Motion => vec![Class::Motion],
        raw::Kind::AbandonedObject | raw::Kind::RemovedObject if raw.classes.is_none() => {
            vec![Class::Person, Class::Vehicle]
        }
        _ => raw.classes.map_or(vec![Class::Person], |c| c.into_iter().map(class).collect()),
    };
    Some(RuleSpec {
        id: id?,
        kind: kind?,
        classes,
        min_score: if takes.contains(&"min_score") { raw.min_score.unwrap_or(MIN_SCORE) } else { 0.0 },
        limits,
        severity: raw.severity.unwrap_or_default(),
        schedule,
        cooldown: cooldown.unwrap_or(if about_camera { Duration::ZERO } else { COOLDOWN }),
    })
}

/// The keys that mean something to a kind, besides those of every rule.
fn keys_of(kind: raw::Kind) -> &'static [&'static str] {
    match kind {
        raw::Kind::Intrusion => {
            &["zone", "anchor", "classes", "min_score", "min_size", "max_size", "ignore_still"]
        }
        raw::Kind::LineCrossing => {
            &["line", "direction", "anchor", "classes", "min_score", "min_size", "max_size"]
        }
        raw::Kind::Loitering => &["zone", "anchor", "classes", "min_score", "min_size", "max_size", "dwell"],
        raw::Kind::WrongWay => &[
            "zone",
            "way",
            "tolerance",
            "distance",
            "anchor",
            "classes",
            "min_score",
            "min_size",
            "max_size",
        ],
        raw::Kind::Crowd => &[
            "zone",
            "anchor",
            "classes",
            "min_score",
            "min_size",
            "max_size",
            "ignore_still",
            "count",
            "hold",
        ],
        raw::Kind::FaceSeen => &["zone", "min_score", "min_size", "max_size"],
        raw::Kind::Motion => &["zone", "min_size", "max_size"],
        raw::Kind::AbandonedObject | raw::Kind::RemovedObject => {
            &["zone", "classes", "min_score", "min_size", "max_size", "dwell"]
        }
        raw::Kind::CameraLost => &["after"],
        raw::Kind::UnderWatched => &["below", "hold"],
        raw::Kind::Tamper => &["signs", "hold"],
    }
}

fn limits(at: &Place, raw: &raw::Rule, report: &mut Report) -> Limits {
    let usual = Limits::default();
    let (min_size, max_size) =
        (raw.min_size.unwrap_or(usual.min_size), raw.max_size.unwrap_or(usual.max_size));
    if min_size >= max_size {
        let key = if raw.max_size.is_some() { "max_size" } else { "min_size" };
        let hint = "leave out one of them, or make `max_size` larger than `min_size`";
        at.key(key).error(report, "no box is as high as that and no higher", hint);
    }
    let still = positive_duration(&at.key("ignore_still"), raw.ignore_still.as_deref(), report);
    Limits { min_size, max_size, ignore_still: still }
}

fn unfit(at: &Place, takes: &[&str], report: &mut Report) {
    let special = [
        "zone",
        "line",
        "direction",
        "way",
        "tolerance",
        "distance",
        "anchor",
        "classes",
        "min_score",
        "min_size",
        "max_size",
        "ignore_still",
        "dwell",
        "count",
        "hold",
        "after",
        "below",
        "signs",
    ];
    for key in special.iter().filter(|k| !takes.contains(k) && at.key(k).is_written()) {
        let hint = format!("remove it; this kind takes {}", takes.join(", "));
        at.key(key).error(report, format!("'{key}' says nothing in a rule of this kind"), hint);
    }
}

fn kind(at: &Place, raw: &raw::Rule, report: &mut Report) -> Option<RuleKind> {
    let anchor = raw.anchor.unwrap_or_default();
    Some(match raw.kind? {
        raw::Kind::Intrusion => RuleKind::Intrusion { zone: needed_zone(at, raw, report)?, anchor },
        raw::Kind::LineCrossing => {
            needed(at, "line", "such as `line = [[0, 0.5], [1, 0.5]]`", report);
            let (a, b) = line(&at.key("line"), raw.line.as_deref(), report)?;
            RuleKind::LineCrossing { a, b, direction: raw.direction.unwrap_or_default(), anchor }
        }
        raw::Kind::Loitering => {
            let dwell = positive_duration(&at.key("dwell"), raw.dwell.as_deref(), report);
            needed(at, "dwell", "such as `dwell = \"15s\"`", report);
            RuleKind::Loitering { zone: needed_zone(at, raw, report)?, anchor, dwell: dwell? }
        }
        raw::Kind::WrongWay => {
            needed(at, "way", "such as `way = [[0.5, 1], [0.5, 0]]`", report);
            let way = line(&at.key("way"), raw.way.as_deref(), report);
            let zone = needed_zone(at, raw, report)?;
            let ((from, to), tolerance) = (way?, raw.tolerance.unwrap_or(TOLERANCE));
            let heading = Heading { from, to, tolerance, distance: raw.distance };
            RuleKind::WrongWay { zone, anchor, heading }
        }
        raw::Kind::Crowd => {
            let hold = duration(&at.key("hold"), raw.hold.as_deref(), report).unwrap_or(HOLD);
            needed(at, "count", "such as `count = 5`", report);
            let zone = needed_zone(at, raw, report)?;
            RuleKind::Crowd { zone, anchor, count: raw.count? as usize, hold }
        }
        raw::Kind::FaceSeen => RuleKind::FaceSeen { zone: zone(at, raw, report) },
        raw::Kind::Motion => RuleKind::Motion { zone: zone(at, raw, report) },
        raw::Kind::AbandonedObject => {
            RuleKind::AbandonedObject { zone: zone(at, raw, report), dwell: left_for(at, raw, report) }
        }
        raw::Kind::RemovedObject => {
            RuleKind::RemovedObject { zone: zone(at, raw, report), dwell: left_for(at, raw, report) }
        }
        raw::Kind::CameraLost => RuleKind::CameraLost {
            after: positive_duration(&at.key("after"), raw.after.as_deref(), report).unwrap_or(LOST_AFTER),
        },
        raw::Kind::Tamper => RuleKind::Tamper {
            signs: raw.signs.clone().unwrap_or_else(|| Tampering::ALL.to_vec()),
            hold: duration(&at.key("hold"), raw.hold.as_deref(), report).unwrap_or(TAMPER_HOLD),
        },
        raw::Kind::UnderWatched => RuleKind::UnderWatched {
            below: raw.below.unwrap_or(WATCHED_BELOW),
            hold: duration(&at.key("hold"), raw.hold.as_deref(), report).unwrap_or(WATCHED_HOLD),
        },
    })
}

fn left_for(at: &Place, raw: &raw::Rule, report: &mut Report) -> Duration {
    let here = at.key("dwell");
    let dwell = positive_duration(&here, raw.dwell.as_deref(), report).unwrap_or(LEFT_FOR);
    if dwell > LEFT_MOST {
        here.error(report, "what stands for so long is part of the scene by then", "write \"30m\" at most");
    }
    dwell
}

/// Reports a key that is not written at all; a wrong one has been reported already.
fn needed(at: &Place, key: &str, example: &str, report: &mut Report) {
    if !at.key(key).is_written() {
        let what = format!("'{key}' is missing: a rule of this kind needs it");
        at.key(key).error(report, what, format!("add a line {example}"));
    }
}

fn needed_zone(at: &Place, raw: &raw::Rule, report: &mut Report) -> Option<Polygon> {
    needed(at, "zone", "such as `zone = [[0, 0.5], [1, 0.5], [1, 1], [0, 1]]`", report);
    zone(at, raw, report)
}

fn zone(at: &Place, raw: &raw::Rule, report: &mut Report) -> Option<Polygon> {
    let here = at.key("zone");
    match Polygon::new(raw.zone.as_ref()?.iter().map(point).collect()) {
        Ok(zone) => Some(zone),
        Err(e) => {
            let (here, hint) = match e {
                BadPolygon::TooFew(_) => (here, "name at least 3 corners"),
                BadPolygon::Outside(i) => {
                    (here.item(i), "use shares of the picture's width and height, from 0 to 1")
                }
                BadPolygon::Flat => {
                    (here, "name corners that do not lie on one line, in an order in which no sides cross")
                }
            };
            // The place says which point it is.
            let what = match e {
                BadPolygon::Outside(_) => "this point lies outside the picture".to_owned(),
                other => other.to_string(),
            };
            here.error(report, what, hint);
            None
        }
    }
}

/// Two different points in the picture.
fn line(here: &Place, ends: Option<&[[f32; 2]]>, report: &mut Report) -> Option<(Point, Point)> {
    let [a, b] = ends? else { return None };
    let (a, b) = (point(a), point(b));
    let mut right = true;
    for (i, p) in [a, b].iter().enumerate() {
        if !(0.0..=1.0).contains(&p.x) || !(0.0..=1.0).contains(&p.y) {
            let hint = "use shares of the picture's width and height, from 0 to 1";
            here.item(i).error(report, "this point lies outside the picture", hint);
            right = false;
        }
    }
    if a == b {
        here.error(report, "the line has no length", "name two different ends");
        right = false;
    }
    right.then_some((a, b))
}

fn point(p: &[f32; 2]) -> Point {
    Point::new(p[0], p[1])
}

fn rule_id(at: &Place, text: &str, report: &mut Report) -> Option<RuleId> {
    // Same characters as camera ids: rule ids stand in addresses and metrics too.
    if CameraId::new(text).is_ok() {
        return Some(RuleId(text.into()));
    }
    let hint = "use 1 to 64 of a-z, 0-9, '-' and '_', beginning with a letter or digit";
    at.error(report, format!("'{text}' is not a rule id"), hint);
    None
}

fn class(raw: raw::Class) -> Class {
    match raw {
        raw::Class::Person => Class::Person,
        raw::Class::Vehicle => Class::Vehicle,
        raw::Class::Face => Class::Face,
        raw::Class::Motion => Class::Motion,
    }
}

fn schedule(at: &Place, raw: &raw::Schedule, report: &mut Report) -> Option<Schedule> {
    let zone = raw.zone.as_deref().and_then(|name| match TimeZone::get(name) {
        Ok(zone) => Some(zone),
        Err(_) => {
            let hint = "use an IANA name such as \"Asia/Shanghai\" or \"UTC\" (the system's tzdata must be \
                        installed)";
            at.key("zone").error(report, format!("'{name}' is not a time zone of this machine"), hint);
            None
        }
    });
    let days = raw.days.iter().flatten().map(|d| weekday(*d)).collect();
    let mut spans = Vec::new();
    for (i, text) in raw.spans.iter().flatten().enumerate() {
        match span(text) {
            Some(span) => spans.push(span),
            None => {
                let here = at.key("spans").item(i);
                here.error(report, format!("'{text}' is not a span of a day"), "write \"22:00-06:00\"");
            }
        }
    }
    if raw.spans.as_ref().is_none_or(Vec::is_empty) {
        // From midnight to midnight: the end is not after the start, so it is the next day's.
        spans.push((Time::midnight(), Time::midnight()));
    }
    Some(Schedule { zone: zone?, days, spans })
}

fn span(text: &str) -> Option<(Time, Time)> {
    let (from, to) = text.split_once('-')?;
    Some((time(from.trim())?, time(to.trim())?))
}

fn time(text: &str) -> Option<Time> {
    let (h, m) = text.split_once(':')?;
    let two = |s: &str| (s.len() == 2).then(|| s.parse::<i8>().ok()).flatten();
    match (two(h)?, two(m)?) {
        (24, 0) => Some(Time::midnight()),
        (h, m) => Time::new(h, m, 0, 0).ok(),
    }
}

fn weekday(raw: raw::Day) -> Weekday {
    match raw {
        raw::Day::Mon => Weekday::Monday,
        raw::Day::Tue => Weekday::Tuesday,
        raw::Day::Wed => Weekday::Wednesday,
        raw::Day::Thu => Weekday::Thursday,
        raw::Day::Fri => Weekday::Friday,
        raw::Day::Sat => Weekday::Saturday,
        raw::Day::Sun => Weekday::Sunday,
    }
}
