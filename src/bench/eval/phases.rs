//! Whichever pictures of a stream are picked, the same is told of it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::app::chain::Chain;
use crate::app::pick::Pick;
use crate::base::{CameraId, Wall};
use crate::bench::encode::EncodeSettings;
use crate::bench::scene::{Scene, Variant};
use crate::infer::{Class, MotionDetector, MotionSettings, Outcome};
use crate::media::{Params, Pts};
use crate::rules::spec::Direction;
use crate::rules::{Anchor, Edge, RuleId, RuleKind, RuleSpec, Severity, Subject};
use crate::track::TrackNumbers;

const START: Wall = Wall::from_secs(1_700_000_000);
const TOLERANCE_S: f64 = 0.7;
/// The second round is what counts: in the first the background is learnt.
const ROUNDS: i64 = 2;

/// What a rule tells, and the second of the round.
type Told = (String, f64);

fn rule(id: &str, kind: RuleKind) -> RuleSpec {
    RuleSpec {
        id: RuleId(id.into()),
        kind,
        classes: vec![Class::Motion],
        min_score: 0.0,
        limits: crate::rules::Limits::default(),
        severity: Severity::Info,
        schedule: None,
        cooldown: Duration::ZERO,
    }
}

/// One way to pick pictures, and what comes of it.
struct Way {
    /// Pictures left out at the begin.
    phase: usize,
    name: String,
    pick: Pick,
    motion: MotionDetector,
    chain: Chain,
    told: Vec<Told>,
}

impl Way {
    fn new(fps: f32, phase: usize, rules: Vec<RuleSpec>) -> Way {
        Way {
            phase,
            name: format!("{fps} a second from picture {phase}"),
            pick: Pick::new(fps),
            motion: MotionDetector::new(MotionSettings::default()),
            chain: Chain::new(CameraId::new("yard").unwrap(), rules, TrackNumbers::default()),
            told: Vec::new(),
        }
    }

    fn look(&mut self, frame: &crate::camera::Frame, round_s: f64) {
        if !self.pick.takes(frame.at) {
            return;
        }
        let moving = self.motion.look(&frame.image, frame.at);
        for event in self.chain.on_frame(frame.at, &Outcome::Done(Vec::new()), &moving).events {
            let direction = match event.subject {
                Subject::Track { direction, .. } => direction.unwrap_or_default(),
                _ => "",
            };
            let place = event.at.since(START).as_secs_f64() - (ROUNDS - 1) as f64 * round_s;
            if event.edge == Edge::Begin && place >= 0.0 {
                self.told.push((format!("{} {direction}", event.rule.0), place));
            }
        }
    }
}

/// The yard with somebody in clothes of the wall's colour: head, legs and middle come and go.
#[test]
fn whichever_pictures_are_picked_of_a_faint_figure_the_same_is_told() {
    let mut scene = Scene::demo(Variant::Yard, 2);
    scene.noise = 4;
    let Ok(clip) = scene.encode("yard", &EncodeSettings::load_sub()) else {
        return eprintln!("skipped: there is no encoder here");
    };
    let ((a, b), zone, anchor) = (Variant::Yard.line(), Variant::Yard.zone(), Anchor::default());
    let truth = scene.truth();
    let crossed = truth.crossings(a, b, anchor).into_iter().map(|c| {
        let direction = if c.direction == Direction::ToLeft { "to_left" } else { "to_right" };
        (format!("line {direction}"), c.at.as_secs_f64())
    });
    let entered = truth.occupancy(&zone, anchor).into_iter().map(|s| ("zone ".into(), s.from.as_secs_f64()));
    let mut expected: Vec<Told> = crossed.chain(entered).collect();
    expected.sort_by(|a, b| a.1.total_cmp(&b.1));

    let rules = [
        rule("line", RuleKind::LineCrossing { a, b, direction: Direction::Both, anchor }),
        rule("zone", RuleKind::Intrusion { zone, anchor }),
    ];
    // Each fifth and each fourth picture of 25 a second, beginning with each of them.
    let rates = (0..5).map(|phase| (5.0, phase)).chain((0..4).map(|phase| (6.25, phase)));
    let ways: Vec<Way> = rates.map(|(fps, phase)| Way::new(fps, phase, rules.to_vec())).collect();
    let (params, round_s) =
        (Arc::new(Params::Video(clip.params.clone())), clip.duration.since(Pts(0)).as_secs_f64());
    let round = |n: i64| clip.units.iter().map(move |u| (Pts(u.pts.0 + n * clip.duration.0), u));
    let units: Vec<_> = (0..ROUNDS).flat_map(round).map(|(pts, u)| u.sent(START, pts, &params)).collect();
    let watched = Arc::new(Mutex::new((0usize, ways)));
    let watching = watched.clone();
    crate::decode::testing::each_frame(&units, move |frame| {
        let (n, ways) = &mut *watching.lock().unwrap();
        ways.iter_mut().filter(|w| *n >= w.phase).for_each(|w| w.look(&frame, round_s));
        *n += 1;
    });
    let (frames, ways) = std::mem::take(&mut *watched.lock().unwrap());
    assert_eq!(frames, units.len());
    let mut extra = 0;
    for way in &ways {
        let near = |e: &Told| way.told.iter().any(|t| t.0 == e.0 && (t.1 - e.1).abs() <= TOLERANCE_S);
        assert!(expected.iter().all(near), "{}: {:.2?}, expected {expected:.2?}", way.name, way.told);
        extra += way.told.len() - expected.len();
    }
    // A figure that falls into two for long is told of twice.
    assert!(extra <= 3, "{extra} told beside what happened");
}
