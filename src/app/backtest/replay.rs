//! One alert decided once more, from what was kept.

use std::time::Duration;

use super::past::Past;
use super::retell::{Retelling, TICK};
use super::trial::{lead, wants_pictures};
use crate::alerts::{Alert, AlertBox, Origin, version_of};
use crate::api::{Replay, ReplayVerdict};
use crate::archive::Block;
use crate::base::{Wall, WallSpan};
use crate::config;
use crate::rules::{Edge, RuleEvent, RuleKind, RuleSpec, Subject};

/// What was seen is written within so long.
const WRITTEN: Duration = Duration::from_secs(120);

/// Decide an alert again: the rule as it was, told what was seen then.
///
/// # Errors
/// A store cannot be read.
pub(super) fn replay(past: &Past, alert: &Alert, now: Wall) -> anyhow::Result<Replay> {
    let mut told = Replay {
        alert: alert.id.to_string(),
        verdict: ReplayVerdict::Impossible,
        detail: String::new(),
        rule: None,
        rule_version: None,
        models: Vec::new(),
        frames: 0,
    };
    match decide(past, alert, now, &mut told)? {
        Ok((verdict, detail)) => (told.verdict, told.detail) = (verdict, detail),
        Err(missing) => told.detail = missing,
    }
    Ok(told)
}

/// The inner `Err` says what is missing.
fn decide(
    past: &Past,
    alert: &Alert,
    now: Wall,
    told: &mut Replay,
) -> anyhow::Result<Result<(ReplayVerdict, String), String>> {
    let Some(origin) = &alert.origin else {
        return Ok(Err("It was raised by a program that did not yet keep what it decided by.".into()));
    };
    told.models.clone_from(&origin.models);
    told.rule_version = Some(origin.rule.clone());
    let Some(text) = past.alerts.rule_text(&origin.rule)?.filter(|t| version_of(t) == origin.rule) else {
        return Ok(Err(format!("The text of version {} of its rule is not kept.", origin.rule)));
    };
    told.rule = Some(text.clone());
    let rule = match config::rules(&text, "the alert's rule".as_ref()) {
        Ok(mut rules) if rules.len() == 1 => rules.remove(0),
        _ => return Ok(Err("This program does not understand the rule as it was then.".into())),
    };
    if matches!(rule.kind, RuleKind::CameraLost { .. } | RuleKind::UnderWatched { .. })
        || wants_pictures(&rule.kind)
    {
        let why = "A rule of this kind decides from more than what was detected, and that is not kept.";
        return Ok(Err(why.into()));
    }
    let span = span(alert, &rule);
    let blocks = past.observations.blocks(&alert.camera, span)?;
    let not_yet = || Ok(Err("Not all that was seen then is written yet: try again in two minutes.".into()));
    let is_fresh = now.since(alert.raised) < WRITTEN;
    if !near(&blocks, alert.at) {
        if is_fresh {
            return not_yet();
        }
        return Ok(Err(format!(
            "What was seen at {} is not kept: it is older than [archive] observations_max_age, or the server \
             was killed within that minute.",
            alert.at
        )));
    }
    let (frames, verdict) = retell(alert, origin, rule, &blocks, span);
    told.frames = frames;
    // Without the last frames the rule may say nothing, or something else.
    if is_fresh && verdict.0 == ReplayVerdict::Different {
        return not_yet();
    }
    Ok(Ok(verdict))
}

/// What decided: what the rule had to know before, and all until the alert was raised. That can be long after
/// `at`, the first frame of what was then not yet known for more than noise.
pub(super) fn span(alert: &Alert, rule: &RuleSpec) -> WallSpan {
    let lead = lead(std::slice::from_ref(rule));
    // An alert may have waited for a disk.
    let waited = alert.raised.since(alert.at).min(lead);
    WallSpan::new(alert.at - lead, alert.at + waited + TICK)
}

/// The number of frames told, and what came of it.
pub(super) fn retell(
    alert: &Alert,
    origin: &Origin,
    rule: RuleSpec,
    blocks: &[Block],
    span: WallSpan,
) -> (usize, (ReplayVerdict, String)) {
    let mut events = Vec::new();
    let mut retelling = Retelling::new(alert.camera.clone(), vec![rule]);
    let frames = retelling.observe(blocks, span, &mut |said| events.extend(said));
    // What had been held back may have been told when no frame came any more.
    events.extend(retelling.pass(span.end));
    (frames, verdict(alert, origin, blocks, &events))
}

/// Whether a frame lies so close that the decision can have been made from it.
fn near(blocks: &[Block], at: Wall) -> bool {
    blocks.iter().flat_map(|b| &b.entries).any(|e| e.at <= at && at.since(e.at) <= TICK * 2)
}

fn verdict(
    alert: &Alert,
    origin: &Origin,
    blocks: &[Block],
    events: &[RuleEvent],
) -> (ReplayVerdict, String) {
    let begins = events.iter().filter(|e| e.edge == Edge::Begin);
    let apart = |e: &RuleEvent| e.at.since(alert.at).max(alert.at.since(e.at));
    let same = |e: &&RuleEvent| {
        apart(e) <= TICK
            && way(&e.subject) == alert.direction.as_deref()
            && AlertBox::all_of(e) == alert.boxes
    };
    let by_others = blocks.iter().any(|b| b.look.models != origin.models);
    match begins.clone().filter(same).min_by_key(|e| apart(e)) {
        Some(e) => {
            let how = match (e.at == alert.at, by_others) {
                (true, false) => "The same",
                (true, true) => "The same, by other models or limits",
                (false, _) => "The same, within half a second",
            };
            (ReplayVerdict::Same, format!("{how}: {}", e.message))
        }
        None => match begins.min_by_key(|e| apart(e)) {
            Some(e) => (ReplayVerdict::Different, format!("Instead, at {}: {}", e.at, e.message)),
            None => (ReplayVerdict::Different, "The rule says nothing of what was seen.".into()),
        },
    }
}

fn way(s: &Subject) -> Option<&'static str> {
    match s {
        Subject::Track { direction, .. } => *direction,
        Subject::Scene { .. } | Subject::Camera => None,
    }
}
