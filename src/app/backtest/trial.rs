//! One camera's rules over a stretch of the past.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use super::compare::Told;
use super::past::{Past, Sight};
use super::plan::{From, Piece, plan, suffices};
use super::retell::Retelling;
use crate::alerts::AlertBox;
use crate::app::chain::Chain;
use crate::app::watch::{Recorded, in_force};
use crate::base::task::Stop;
use crate::base::{StreamKind, Wall, WallSpan};
use crate::config;
use crate::infer::Class;
use crate::rules::{Edge, RuleEvent, RuleKind, RuleSpec, Subject};
use crate::track::TrackNumbers;

/// So much before the span is told to tracker and rules at least, and at most.
const LEAD: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3600));
/// So much after it as well: what begins at its end is told when it is known for more than noise.
const TAIL: Duration = Duration::from_secs(10);
/// So much before a decoded piece is decoded as well, where it is recorded: without a background everything moves.
const WARM_UP: Duration = Duration::from_secs(20);

/// What is tried.
pub(super) struct Ask<'a> {
    /// With the rules to try.
    pub camera: &'a config::Camera,
    pub span: WallSpan,
    /// Decode also what was seen.
    pub decode: bool,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Tried {
    pub told: Vec<Told>,
    pub observed: Duration,
    pub decoded: Duration,
    pub unknown: Duration,
    pub frames: u64,
    pub frames_decoded: u64,
    pub notes: Vec<String>,
    /// Of which time nothing is left, for which rules.
    untold: Vec<(Vec<RuleSpec>, WallSpan)>,
}

/// What rules say of the span.
struct Sayings {
    span: WallSpan,
    told: Vec<Told>,
    /// What of it lasts, by rule and subject.
    lasting: BTreeMap<(String, String), usize>,
}

/// Try an ask's rules. `progress`: seconds of the span that are done, as they are. A rule that looks at pictures is
/// tried apart: it is no reason to decide the others anew from what they show.
pub(super) fn run(
    past: &Past,
    sight: &Sight,
    ask: &Ask,
    progress: &mut dyn FnMut(Duration),
    stop: &Stop,
) -> anyhow::Result<Tried> {
    let mut tried = Tried { notes: sight.known.notices.clone(), ..Tried::default() };
    let rules = triable(&ask.camera.rules, &mut tried.notes);
    let rules = in_force(&rules, &sight.profile, sight.models());
    let of_pictures = |r: &RuleSpec| ask.decode || wants_pictures(&r.kind);
    let (from_pictures, from_kept): (Vec<_>, Vec<_>) = rules.into_iter().partition(of_pictures);
    if !from_pictures.is_empty() && !from_kept.is_empty() {
        let names: Vec<_> = from_pictures.iter().map(|r| format!("'{}'", r.id)).collect();
        tried
            .notes
            .push(format!("{} looked at pictures, so the recording was decoded for it", names.join(", ")));
    }
    let mut groups = vec![(true, from_pictures), (false, from_kept)];
    groups.retain(|(_, rules)| !rules.is_empty());
    if groups.is_empty() {
        groups.push((false, Vec::new()));
    }
    let all = groups.len() as u32;
    for ((from_pictures, rules), before) in groups.into_iter().zip(0u32..) {
        let mut tell = |done| progress((ask.span.duration() * before + done) / all);
        tried.join(together(past, sight, ask, (from_pictures, rules), &mut tell, stop)?);
    }
    tried.told.sort_by_key(|told| told.at);
    Ok(tried)
}

/// Try these rules, from pictures alone or from what was seen where that suffices.
fn together(
    past: &Past,
    sight: &Sight,
    ask: &Ask,
    (from_pictures, rules): (bool, Vec<RuleSpec>),
    progress: &mut dyn FnMut(Duration),
    stop: &Stop,
) -> anyhow::Result<Tried> {
    let mut tried = Tried::default();
    let lead = lead(&rules);
    let wide = WallSpan::new(ask.span.start - lead, ask.span.end + TAIL);
    let mut blocks = match from_pictures {
        true => Vec::new(),
        false => past.observations.blocks(&ask.camera.spec.id, wide)?,
    };
    // What nobody would find today either is no reason to decode.
    let found = sight.found();
    let mut needed: Vec<Class> = rules.iter().flat_map(|r| r.classes.clone()).collect();
    needed.retain(|class| found.contains(class));
    blocks.retain(|b| suffices(b, &needed));
    let seen: Vec<Wall> = blocks.iter().flat_map(|b| b.entries.iter().map(|e| e.at)).collect();
    let recorded = past.recorded(&ask.camera.spec.id, wide)?;
    let mut camera = config::Camera { rules: rules.clone(), ..ask.camera.clone() };
    // What is recorded is the main stream.
    camera.spec.sub = None;
    let mut retelling = Retelling::new(camera.spec.id.clone(), rules);
    let mut sayings = Sayings { span: ask.span, told: Vec::new(), lasting: BTreeMap::new() };
    for piece in plan(wide, &seen, &recorded) {
        if stop.is_cancelled() {
            break;
        }
        match piece.from {
            From::Observed => {
                let frames = retelling.observe(&blocks, piece.span, &mut |events| sayings.take(events));
                tried.frames += frames as u64;
            }
            From::Decoded => {
                let (before, from) = (tried.done(), piece.span.start.max(ask.span.start));
                let mut seen = |at: Wall| progress(before + at.since(from));
                let found = (&mut tried, &mut sayings);
                decode(past, (sight, &camera), piece.span, &mut retelling, found, (&mut seen, stop))?;
            }
            From::Unknown => tried.untold.push((camera.rules.clone(), piece.span)),
        }
        tried.count(piece, ask.span);
        progress(tried.done());
    }
    // No further: nobody knows yet whether what lasts at the end goes on.
    sayings.take(retelling.pass(ask.span.end));
    tried.told = sayings.told;
    Ok(tried)
}

/// Rules of which recordings say something; the others are named.
fn triable(rules: &[RuleSpec], notes: &mut Vec<String>) -> Vec<RuleSpec> {
    let about_stream =
        |r: &&RuleSpec| matches!(r.kind, RuleKind::CameraLost { .. } | RuleKind::UnderWatched { .. });
    for rule in rules.iter().filter(about_stream) {
        notes.push(format!("rule '{}' was not tried: recordings do not say when it was met", rule.id));
    }
    rules.iter().filter(|r| !about_stream(r)).cloned().collect()
}

/// Whether a rule looks at pictures as such, of which nothing is kept.
pub(super) fn wants_pictures(kind: &RuleKind) -> bool {
    kind.wants_standing() || matches!(kind, RuleKind::Tamper { .. })
}

/// How much of the time before a rule has to know.
pub(super) fn lead(rules: &[RuleSpec]) -> Duration {
    let of = |r: &RuleSpec| {
        let wait = match r.kind {
            RuleKind::Loitering { dwell, .. }
            | RuleKind::AbandonedObject { dwell, .. }
            | RuleKind::RemovedObject { dwell, .. } => dwell,
            RuleKind::Crowd { hold, .. } | RuleKind::Tamper { hold, .. } => hold,
            _ => Duration::ZERO,
        };
        (wait + r.cooldown + r.limits.ignore_still.unwrap_or_default()) * 2
    };
    rules.iter().map(of).max().unwrap_or_default().clamp(LEAD.0, LEAD.1)
}

impl Tried {
    /// What other rules of the same camera and span came to as well.
    fn join(&mut self, other: Tried) {
        self.told.extend(other.told);
        self.observed += other.observed;
        self.decoded += other.decoded;
        self.unknown = self.unknown.max(other.unknown);
        self.frames += other.frames;
        self.frames_decoded += other.frames_decoded;
        self.notes.extend(other.notes);
        self.untold.extend(other.untold);
    }

    /// Whether nothing is left of the time in which an alert of `rule` was decided, or a part of it.
    pub fn is_untold(&self, rule: &str, kind: &str, decided: WallSpan) -> bool {
        let about_it = |r: &RuleSpec| r.id.0 == rule || r.kind.as_str() == kind;
        self.untold
            .iter()
            .any(|(rules, span)| span.intersect(decided).is_some() && rules.iter().any(about_it))
    }

    /// How much of the span is done.
    fn done(&self) -> Duration {
        self.observed + self.decoded + self.unknown
    }

    fn count(&mut self, piece: Piece, span: WallSpan) {
        let took = piece.span.intersect(span).map_or(Duration::ZERO, WallSpan::duration);
        match piece.from {
            From::Observed => self.observed += took,
            From::Decoded => self.decoded += took,
            From::Unknown => self.unknown += took,
        }
    }
}

impl Sayings {
    fn take(&mut self, events: Vec<RuleEvent>) {
        for event in events {
            let (subject, direction) = subject(&event.subject);
            let key = (event.rule.0.clone(), subject);
            match event.edge {
                Edge::End => {
                    if let Some(told) = self.lasting.remove(&key).and_then(|i| self.told.get_mut(i)) {
                        told.ended = Some(event.at.max(told.at));
                    }
                }
                Edge::Begin if self.span.contains(event.at) => {
                    if event.lasts() {
                        self.lasting.insert(key, self.told.len());
                    }
                    self.told.push(told(event, direction));
                }
                Edge::Begin => {}
            }
        }
    }
}

/// Watch what is recorded of `span`; `seen` is told the time of each key.
fn decode(
    past: &Past,
    (sight, camera): (&Sight, &config::Camera),
    span: WallSpan,
    retelling: &mut Retelling,
    (tried, sayings): (&mut Tried, &mut Sayings),
    (seen, stop): (&mut dyn FnMut(Wall), &Stop),
) -> anyhow::Result<()> {
    let (decode, wide) = (past.decode.clone(), WallSpan::new(span.start - WARM_UP, span.end));
    let mut watched =
        Recorded::new(camera, &sight.profile, sight.models(), past.detectors(sight)?, decode, wide.start);
    // Tracker and rules know what was before.
    let nobody = Mutex::new(Chain::new(camera.spec.id.clone(), Vec::new(), TrackNumbers::default()));
    let mut failed = 0u32;
    for unit in past.archive.units(&camera.spec.id, StreamKind::Main, wide)? {
        if stop.is_cancelled() {
            break;
        }
        let unit = match unit {
            Ok(unit) => unit,
            Err(e) => {
                // Retention may just have deleted it.
                tried.notes.push(format!("a part of the recording was not tried: {e}"));
                continue;
            }
        };
        let (at, key) = (unit.received, unit.key);
        if at < span.start {
            // A picture that cannot be decoded teaches nothing.
            let _ = watched.push(unit, &nobody);
            continue;
        }
        sayings.take(retelling.pass(at));
        match watched.push(unit, &retelling.chain) {
            Ok(events) => sayings.take(events),
            Err(_) => failed += 1,
        }
        if key {
            seen(at);
        }
    }
    sayings.take(watched.finish(&retelling.chain));
    if failed > 0 {
        tried.notes.push(format!("{failed} pictures from {} on could not be decoded", span.start));
    }
    tried.frames += watched.analysed;
    tried.frames_decoded += watched.decoded;
    Ok(())
}

/// Whom an event is about, as text, and which way it went.
fn subject(s: &Subject) -> (String, Option<&'static str>) {
    match s {
        Subject::Track { id, direction, .. } => (format!("{} {}", id.0, direction.unwrap_or("")), *direction),
        Subject::Scene { .. } => ("scene".into(), None),
        Subject::Camera => ("camera".into(), None),
    }
}

fn told(event: RuleEvent, direction: Option<&'static str>) -> Told {
    let boxes = AlertBox::all_of(&event);
    Told {
        rule: event.rule.0,
        kind: event.kind,
        severity: event.severity,
        at: event.at,
        ended: None,
        message: event.message,
        boxes,
        direction,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_decided_in_time_of_which_nothing_is_left_for_its_rule_is_untold() {
        let rule = |id: &str, kind: &str| format!("[[rule]]\nid = \"{id}\"\nkind = \"{kind}\"\n");
        let rules = |text: &str| config::rules(text, "test".as_ref()).unwrap();
        let second = |s: i64| Wall(s * 1_000_000);
        let span = |from, to| WallSpan::new(second(from), second(to));
        let mut tried = Tried { unknown: Duration::from_secs(10), ..Tried::default() };
        tried.untold.push((rules(&rule("shut", "tamper")), span(0, 100)));
        tried.join(Tried {
            unknown: Duration::from_secs(4),
            untold: vec![(rules(&rule("moves", "motion")), span(96, 100))],
            ..Tried::default()
        });
        assert_eq!(tried.unknown, Duration::from_secs(10), "of the same span");
        assert!(tried.is_untold("shut", "tamper", span(50, 51)));
        assert!(tried.is_untold("renamed", "tamper", span(50, 51)));
        assert!(!tried.is_untold("moves", "motion", span(50, 51)), "its own time is known");
        assert!(tried.is_untold("moves", "motion", span(95, 97)), "decided by what came later");
        assert!(!tried.is_untold("moves", "motion", span(94, 96)));
    }
}
