//! What would be told beside what was; and that what was kept decides as it did.

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::compare::{Told, compare};
use super::replay::{retell, span};
use super::retell::{Retelling, TICK};
use crate::alerts::{Alert, AlertBox, AlertId, AlertState, Origin};
use crate::api::{Counts, ReplayVerdict, Standing};
use crate::app::chain::Chain;
use crate::archive::observations::keep;
use crate::archive::{Journal, Look, Observations};
use crate::base::{CameraId, StreamKind, Wall, WallSpan};
use crate::config;
use crate::infer::{Class, Detection, Outcome, SkipReason};
use crate::media::BBox;
use crate::rules::{Edge, RuleEvent, RuleId, RuleSpec, Severity, Subject};
use crate::track::TrackNumbers;

/// Tenths of a second.
fn at(tenths: i64) -> Wall {
    Wall(1_700_000_000_000_000 + tenths * 100_000)
}

fn would(rule: &str, tenths: i64, direction: Option<&'static str>) -> Told {
    Told {
        rule: rule.into(),
        kind: "line_crossing",
        severity: Severity::Info,
        at: at(tenths),
        ended: None,
        message: "m".into(),
        boxes: Vec::new(),
        direction,
    }
}

fn was(n: u128, rule: &str, tenths: i64, direction: Option<&str>) -> Alert {
    Alert {
        id: AlertId(uuid::Uuid::from_u128(n)),
        seq: n as u64,
        camera: CameraId::new("c").unwrap(),
        rule: RuleId(rule.into()),
        kind: "line_crossing".into(),
        severity: Severity::Info,
        at: at(tenths),
        ended: None,
        raised: at(tenths) + Duration::from_secs(1),
        message: "m".into(),
        boxes: Vec::new(),
        track: None,
        direction: direction.map(str::to_owned),
        state: AlertState::Open,
        history: Vec::new(),
        snapshot: false,
        origin: None,
    }
}

/// Each alert as its sign, rule and tenth, `=` with the number of the one it is.
fn shown(told: Vec<Told>, raised: Vec<Alert>) -> (String, Counts) {
    let (alerts, counts) = compare(told, raised);
    let one = |a: &crate::api::TrialAlert| {
        let tenths = (a.at.micros() - at(0).micros()) / 100_000;
        let id = a.alert.as_ref().map(|id| id.parse::<uuid::Uuid>().unwrap().as_u128());
        match a.standing {
            Standing::Kept => format!("={}{tenths}:{}", a.rule, id.unwrap()),
            Standing::New => format!("+{}{tenths}", a.rule),
            Standing::Gone => format!("-{}{tenths}:{}", a.rule, id.unwrap()),
        }
    };
    (alerts.iter().map(one).collect::<Vec<_>>().join(" "), counts)
}

#[test]
fn what_is_told_at_the_same_time_is_the_same_and_nothing_is_counted_twice() {
    let told = vec![would("a", 0, None), would("a", 15, None), would("a", 100, None)];
    let raised = vec![was(1, "a", 1, None), was(2, "a", 16, None), was(3, "a", 200, None)];
    let (text, counts) = shown(told, raised);
    assert_eq!(text, "=a0:1 =a15:2 +a100 -a200:3");
    assert_eq!(counts, Counts { kept: 2, new: 1, gone: 1 });
    // One alert cannot be two.
    assert_eq!(
        shown(vec![would("a", 0, None), would("a", 3, None)], vec![was(1, "a", 2, None)]).0,
        "+a0 =a3:1"
    );
}

#[test]
fn the_other_way_over_a_line_is_another_thing() {
    let told = vec![would("a", 0, Some("to_left"))];
    assert_eq!(shown(told, vec![was(1, "a", 0, Some("to_right"))]).0, "+a0 -a0:1");
}

#[test]
fn a_rule_under_another_name_is_known_again_but_its_namesake_comes_first() {
    assert_eq!(shown(vec![would("new", 0, None)], vec![was(1, "old", 2, None)]).0, "=new0:1");
    let raised = vec![was(1, "old", 0, None), was(2, "a", 10, None)];
    assert_eq!(shown(vec![would("a", 0, None)], raised).0, "=a0:2 -old0:1");
    assert_eq!(
        shown(vec![would("a", 0, None)], vec![was(1, "a", 21, None)]).0,
        "+a0 -a21:1",
        "too far apart"
    );
}

/// Rules of every kind that decides from detections alone.
const RULES: &str = r#"
[[rule]]
id = "zone"
kind = "intrusion"
zone = [[0.2, 0.4], [0.8, 0.4], [0.8, 1], [0.2, 1]]
cooldown = "3s"
ignore_still = "20s"
[[rule]]
id = "line"
kind = "line_crossing"
line = [[0, 0.6], [1, 0.6]]
cooldown = "0s"
[[rule]]
id = "stay"
kind = "loitering"
zone = [[0, 0.4], [1, 0.4], [1, 1], [0, 1]]
dwell = "6s"
[[rule]]
id = "way"
kind = "wrong_way"
zone = [[0, 0], [1, 0], [1, 1], [0, 1]]
way = [[0.5, 1], [0.5, 0]]
[[rule]]
id = "crowd"
kind = "crowd"
zone = [[0, 0.3], [1, 0.3], [1, 1], [0, 1]]
count = 2
hold = "2s"
[[rule]]
id = "face"
kind = "face_seen"
[[rule]]
id = "motion"
kind = "motion"
cooldown = "5s"
"#;

/// Six people who wander about, seen five times a second and sometimes not, with their faces and as moving
/// areas; of every frame its time and what was seen.
fn wanderers(seed: u64, seconds: i64) -> Vec<(Wall, Outcome)> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut people: Vec<(f32, f32, f32, f32)> =
        (0..6).map(|_| (rng.random(), rng.random(), rng.random(), rng.random())).collect();
    let mut frames = Vec::new();
    for i in 0..seconds * 5 {
        let mut seen = Vec::new();
        for (x, y, dx, dy) in &mut people {
            (*x, *y) = ((*x + (*dx - 0.5) * 0.02).rem_euclid(1.4), (*y + (*dy - 0.5) * 0.02).rem_euclid(1.4));
            if rng.random_bool(0.02) {
                (*dx, *dy) = (rng.random(), rng.random());
            }
            let there = *x < 0.9 && *y < 0.9 && rng.random_bool(0.9);
            let body = BBox::new(*x, *y, *x + 0.08, *y + 0.25);
            let face = BBox::new(*x + 0.02, *y, *x + 0.05, *y + 0.06);
            for (class, bbox) in [(Class::Person, body), (Class::Face, face), (Class::Motion, body)] {
                if there {
                    seen.push(Detection { class, bbox, score: rng.random_range(0.2..1.0), landmarks: None });
                }
            }
        }
        let skipped = rng.random_bool(0.01);
        let outcome = if skipped { Outcome::Skipped(SkipReason::ModelFailed) } else { Outcome::Done(seen) };
        frames.push((at(i * 2), outcome));
    }
    frames
}

/// Events as they would be told, without the numbers of tracks.
fn told(events: &[RuleEvent]) -> Vec<String> {
    let subject = |e: &RuleEvent| match &e.subject {
        Subject::Track { bbox, direction, dwell, .. } => format!("{bbox:?} {direction:?} {dwell:?}"),
        other => format!("{other:?}"),
    };
    events.iter().map(|e| format!("{} {:?} {:?} {}", e.rule, e.at, e.edge, subject(e))).collect()
}

/// What rules say of frames as they come, each with the time at which it is said, `late` after its frame;
/// and the store that keeps what was seen.
fn watched(rules: &[RuleSpec], frames: &[(Wall, Outcome)], late: Duration) -> (Seen, Vec<(Wall, RuleEvent)>) {
    let (folder, camera) = (tempfile::tempdir().unwrap(), CameraId::new("c").unwrap());
    let store = Observations::open(&folder.path().join("seen.sqlite")).unwrap();
    let mut said = Vec::new();
    keep(&store, |keeper| {
        let look = Look {
            stream: StreamKind::Sub,
            models: Vec::new(),
            classes: Class::ALL.to_vec(),
            program: "1".into(),
        };
        let mut chain = Chain::new(camera.clone(), rules.to_vec(), TrackNumbers::default());
        chain.keep(Journal::new(camera.clone(), Arc::new(look), keeper));
        let mut ticked = frames[0].0;
        for (at, outcome) in frames {
            while ticked + TICK <= *at {
                ticked = ticked + TICK;
                said.extend(chain.tick(ticked).into_iter().map(|e| (ticked, e)));
            }
            said.extend(chain.on_frame(*at, outcome, &[]).events.into_iter().map(|e| (*at + late, e)));
        }
    })
    .unwrap();
    (Seen { store, _folder: folder }, said)
}

struct Seen {
    store: Observations,
    _folder: tempfile::TempDir,
}

#[test]
fn what_was_kept_decides_as_it_did() {
    let rules = config::rules(RULES, "rules".as_ref()).unwrap();
    let camera = CameraId::new("c").unwrap();
    for seed in 0..4 {
        let frames = wanderers(seed, 180);
        let (seen, said) = watched(&rules, &frames, Duration::ZERO);
        let live: Vec<RuleEvent> = said.into_iter().map(|(_, event)| event).collect();
        let all = WallSpan::new(Wall::MIN, Wall::MAX);
        let span = WallSpan::new(at(0), at(2000));
        let blocks = seen.store.blocks(&camera, span).unwrap();
        assert!(blocks.len() >= 3, "of three minutes: {}", blocks.len());
        let mut again = Vec::new();
        let mut retelling = Retelling::new(camera.clone(), rules.clone());
        let told_frames = retelling.observe(&blocks, all, &mut |events| again.extend(events));
        assert_eq!(told_frames, frames.len());
        assert_eq!(told(&again), told(&live));
        for rule in &rules {
            assert!(live.iter().any(|e| e.rule == rule.id), "seed {seed} says nothing of '{}'", rule.id);
        }
    }
}

/// What is told of each beginning when it is decided again, at one frame in `every`.
fn replayed(every: usize) -> Vec<ReplayVerdict> {
    let rules = config::rules(RULES, "rules".as_ref()).unwrap();
    let frames: Vec<_> = wanderers(1, 180).into_iter().step_by(every).collect();
    let (seen, said) = watched(&rules, &frames, Duration::from_millis(300));
    let origin =
        Origin { rule: "r".into(), stream: StreamKind::Sub, models: Vec::new(), program: "1".into() };
    let mut verdicts = Vec::new();
    for (raised, event) in said.into_iter().filter(|(_, e)| e.edge == Edge::Begin) {
        let direction = match &event.subject {
            Subject::Track { direction, .. } => *direction,
            _ => None,
        };
        let alert = Alert {
            at: event.at,
            raised,
            boxes: AlertBox::all_of(&event),
            ..was(1, &event.rule.0, 0, direction)
        };
        let rule = rules.iter().find(|r| r.id == event.rule).unwrap().clone();
        let span = span(&alert, &rule);
        let blocks = seen.store.blocks(&alert.camera, span).unwrap();
        let (_, (verdict, _)) = retell(&alert, &origin, rule, &blocks, span);
        verdicts.push(verdict);
    }
    verdicts
}

#[test]
fn what_took_long_to_be_known_is_decided_again_as_well() {
    // At a frame every 1.2 s nobody is known within a second of when he was first seen.
    let verdicts = replayed(6);
    assert!(verdicts.len() > 20, "{}", verdicts.len());
    let same = verdicts.iter().filter(|v| **v == ReplayVerdict::Same).count();
    assert_eq!(same, verdicts.len());
}
