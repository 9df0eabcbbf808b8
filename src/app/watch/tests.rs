//! One camera watched with real decoders, by a clock that moves with its stream: the threads' work is done
//! here, tick by tick, so that every count follows from the pictures.

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use super::attending::Shows;
use super::eyes::Eyes;
use super::glance::Way;
use super::job::Tools;
use super::models::Inference;
use super::setup::Setup;
use super::*;
use crate::alerts::{self, Alert, AlertWriter, Alerts, Filter};
use crate::app::chain::Chain;
use crate::base::clock::SimClock;
use crate::base::task::Tasks;
use crate::base::{CameraId, Clock, StreamKind, Wall};
use crate::bench::clip::Clip;
use crate::bench::encode::{EncodeSettings, encode};
use crate::bench::scene::{Scene, Variant};
use crate::camera::{
    Attention, CameraSpec, Frame, Pace, SourceSpec, StreamEvent, StreamSpec, StreamWhat, UnitPath,
};
use crate::decode::{self, Pictures};
use crate::infer::{AnalyticsProfile, Class};
use crate::media::{EncodedUnit, I420, Params, Pts};
use crate::rules::spec::Direction;
use crate::rules::{Anchor, RuleId, RuleKind, RuleSpec, Severity};
use crate::track::TrackNumbers;
use crate::{config, infer};

const START: Wall = Wall::from_secs(1_700_000_000);
const FPS: u32 = 12;
const SECONDS: usize = 60;
/// Somebody stands there all at once, in the middle of a GOP of two seconds, and walks to the right.
const APPEARS: f64 = 31.0;
const GONE: f64 = 41.0;
const TICK: Duration = Duration::from_millis(100);

/// A calm place through which somebody in restless clothes walks once. `None`, with a visible word: there is
/// no encoder here.
fn footage() -> Option<&'static Clip> {
    static CLIP: OnceLock<Option<Clip>> = OnceLock::new();
    let settings = EncodeSettings { fps: FPS, ..EncodeSettings::sub() };
    CLIP.get_or_init(|| match encode("walker", &settings, SECONDS * FPS as usize, paint) {
        Ok(clip) => Some(clip),
        Err(e) => {
            eprintln!("skipped: {e:#}");
            None
        }
    })
    .as_ref()
}

fn paint(n: usize) -> I420 {
    let (w, h) = (640usize, 360usize);
    let t = n as f64 / f64::from(FPS);
    let walker = (APPEARS..GONE).contains(&t).then(|| 40 + ((t - APPEARS) * 50.0) as usize);
    let mut seed = (n as u32).wrapping_mul(2_654_435_761) | 1;
    let mut bytes = vec![128u8; w * h * 3 / 2];
    for (i, pixel) in bytes[..w * h].iter_mut().enumerate() {
        let (x, y) = (i % w, i / w);
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        let ground = 60 + (x / 32 * 37 % 80) + (y / 32 * 53 % 40);
        let inside = walker.is_some_and(|left| (left..left + 50).contains(&x) && (150..300).contains(&y));
        let luma = if inside { 140 + (seed >> 16) as usize % 90 } else { ground };
        *pixel = luma as u8;
    }
    I420::packed(w as u32, h as u32, bytes).unwrap()
}

fn moving(id: &str) -> RuleSpec {
    RuleSpec {
        id: RuleId(id.into()),
        kind: RuleKind::Motion { zone: None },
        classes: vec![Class::Motion],
        min_score: 0.0,
        limits: crate::rules::Limits::default(),
        severity: Severity::Info,
        schedule: None,
        cooldown: Duration::ZERO,
    }
}

fn camera(pictures: Pictures, pace: Pace, rule: &str) -> config::Camera {
    let source = SourceSpec::Files { path: "walker.mp4".into(), pace, repeat: false };
    config::Camera {
        spec: CameraSpec {
            id: CameraId::new("yard").unwrap(),
            name: "Yard".into(),
            unit: UnitPath::default(),
            main: StreamSpec { source, silence: Duration::from_secs(10) },
            sub: None,
            record: false,
            audio: false,
        },
        rules: vec![moving(rule)],
        profile: "motion".into(),
        decode: pictures,
        fps: None,
    }
}

fn profile() -> AnalyticsProfile {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/analytics");
    AnalyticsProfile { fps: 5.0, ..infer::AnalyticsProfile::load(&dir, "motion").unwrap() }
}

/// A watched camera, its clock and its alerts.
struct Post {
    clock: Arc<SimClock>,
    desk: Arc<Desk>,
    analysis: Arc<Analysis>,
    tools: Tools,
    units: Vec<EncodedUnit>,
    /// The next unit to come.
    next: usize,
    /// When the camera began to be followed, each time.
    followed: Vec<f64>,
    alerts: Arc<Alerts>,
    tasks: Tasks,
    _dir: tempfile::TempDir,
}

/// Looks, frames decoded, frames analysed so far.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Counted {
    looks: u64,
    decoded: u64,
    analysed: u64,
}

impl Post {
    fn new(pictures: Pictures, pace: Pace, max_follow: usize) -> Option<Post> {
        Some(Post::of(footage()?, &camera(pictures, pace, "first"), max_follow))
    }

    fn of(clip: &Clip, camera: &config::Camera, max_follow: usize) -> Post {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(SimClock::new(START));
        let alerts = Alerts::open(
            alerts::Settings {
                store: dir.path().join("alerts.sqlite"),
                snapshots: dir.path().join("snapshots"),
                max_age: Duration::from_secs(3600),
            },
            clock.clone(),
        );
        let (alerts, tasks) = (Arc::new(alerts.unwrap()), Tasks::root("test"));
        let desk = Arc::new(Desk::new(1, max_follow, clock.clone()));
        let profile_of_decoders = Arc::new(decode::Profile::default());
        let shared = Shared {
            models: None,
            writer: AlertWriter::start(alerts.clone(), &tasks).unwrap(),
            decode: profile_of_decoders.clone(),
            clock: clock.clone(),
            tracks: TrackNumbers::default(),
            desk: desk.clone(),
            keeper: None,
        };
        let analysis = Analysis::start(camera, &profile(), shared);
        let params = Arc::new(Params::Video(clip.params.clone()));
        Post {
            clock,
            desk,
            analysis,
            tools: Tools::new(profile_of_decoders, None, tasks.stop_token()),
            units: clip.units.iter().map(|u| u.sent(START, u.pts, &params)).collect(),
            next: 0,
            followed: Vec::new(),
            alerts,
            tasks,
            _dir: dir,
        }
    }

    fn second(&self) -> f64 {
        self.clock.wall().since(START).as_secs_f64()
    }

    /// Play the stream up to this second.
    fn play(&mut self, until: f64) {
        while self.second() < until {
            while let Some(unit) = self.units.get(self.next).filter(|u| u.received <= self.clock.wall()) {
                self.analysis.unit(unit.clone());
                self.next += 1;
            }
            self.tick();
            self.clock.advance(TICK);
        }
    }

    /// What the gate thread does at a tick, and all jobs that a worker finds then.
    fn tick(&mut self) {
        let before = self.analysis.feed().attention();
        let step = self.analysis.gather(self.desk.is_crowded(), self.clock.now());
        self.desk.tell(step);
        self.work();
        if before == Attention::Idle && self.analysis.feed().attention() == Attention::Followed {
            self.followed.push(self.second());
        }
    }

    fn work(&mut self) {
        while let Some((job, analysis)) = self.desk.poll() {
            let (spent, step) = analysis.work(&job, &mut self.tools);
            self.desk.done(job, spent, step);
        }
    }

    fn counted(&self) -> Counted {
        let f = self.analysis.figures();
        Counted { looks: f.looks, decoded: f.frames_decoded, analysed: f.frames_analysed }
    }

    /// What was counted while the stream played up to this second.
    fn counted_until(&mut self, second: f64) -> Counted {
        let before = self.counted();
        self.play(second);
        let after = self.counted();
        Counted {
            looks: after.looks - before.looks,
            decoded: after.decoded - before.decoded,
            analysed: after.analysed - before.analysed,
        }
    }

    fn is_followed(&self) -> bool {
        self.analysis.feed().attention() == Attention::Followed
    }

    /// All alerts, once everybody who could raise one is gone: the rule's name, and the second.
    async fn alerts(self) -> Vec<(String, f64)> {
        let told = |a: &Alert| (a.rule.0.clone(), a.at.since(START).as_secs_f64());
        self.stored().await.iter().map(told).collect()
    }

    /// As [`alerts`](Self::alerts), whole.
    async fn stored(self) -> Vec<Alert> {
        let Post { desk, analysis, alerts, tasks, .. } = self;
        desk.close();
        drop((desk, analysis));
        assert_eq!(tasks.join(Duration::from_secs(20)).await, []);
        let page = alerts.list(&Filter::default(), None, 100).unwrap();
        page.alerts.iter().rev().cloned().collect()
    }
}

#[test]
fn an_idle_camera_is_looked_at_every_four_seconds_and_nothing_else_of_it_is_decoded() {
    let Some(mut post) = Post::new(Pictures::Auto, Pace::RealTime, 4) else { return };
    post.play(14.0);
    assert!(!post.is_followed(), "the gate knows it by now");
    let counted = post.counted_until(30.0);
    assert_eq!(counted, Counted { looks: 4, decoded: 4, analysed: 4 });
    assert_eq!(post.desk.leases.used(), 0, "no decoder is kept for it");
}

#[tokio::test]
async fn whoever_appears_is_followed_from_before_the_gates_verdict_until_he_is_gone() {
    let Some(mut post) = Post::new(Pictures::Auto, Pace::RealTime, 4) else { return };
    post.play(APPEARS);
    assert!(!post.is_followed());
    let before = post.followed.len();
    let at_once = post.counted_until(APPEARS + 0.3);
    let [verdict] = post.followed[before..] else { panic!("{:?}", post.followed) };
    assert!(verdict < APPEARS + 0.3, "followed from {verdict}");
    // All of the GOP in which he came, from second 30 on, and five of each second.
    assert!(at_once.decoded > u64::from(FPS) && at_once.analysed >= 5, "{at_once:?}");
    let counted = post.counted_until(40.0);
    assert!((100..=108).contains(&counted.decoded), "{counted:?}");
    assert!((41..=46).contains(&counted.analysed), "{counted:?}");
    post.play(55.0);
    assert!(!post.is_followed());
    assert_eq!(post.desk.leases.used(), 0);
    let alerts = post.alerts().await;
    let [(_, at)] = &alerts[..] else { panic!("{alerts:?}") };
    assert!((APPEARS - 0.01..APPEARS + 1.0).contains(at), "{alerts:?}, verdict at {verdict}");
}

#[test]
fn who_is_told_to_stop_leaves_the_video_that_waits() {
    let Some(mut post) = Post::new(Pictures::Auto, Pace::RealTime, 4) else { return };
    post.play(APPEARS + 1.0);
    assert!(post.is_followed());
    post.tasks.stop_token().cancel();
    let counted = post.counted_until(APPEARS + 2.0);
    assert!(post.is_followed());
    assert_eq!((counted.decoded, counted.analysed), (0, 0));
}

#[test]
fn what_stands_in_pictures_before_the_look_that_begins_following_does_not_move_there() {
    // The place without anybody, with something that stands, and with somebody besides.
    let with = |thing: bool, walker: bool| {
        let mut bytes = paint(0).luma().0[..640 * 360].to_vec();
        for (i, pixel) in bytes.iter_mut().enumerate() {
            let (x, y) = (i % 640, i / 640);
            let there =
                |from: usize, shown: bool| shown && (from..from + 60).contains(&x) && (150..300).contains(&y);
            if there(400, thing) || there(100, walker) {
                *pixel = 230;
            }
        }
        bytes.resize(640 * 360 * 3 / 2, 128);
        I420::packed(640, 360, bytes).unwrap()
    };
    let camera = camera(Pictures::Auto, Pace::RealTime, "first");
    let setup = Arc::new(Setup::new(&camera, &profile(), None));
    let (id, rules) = (camera.spec.id, setup.rules.clone());
    let chain = Mutex::new(Chain::new(id.clone(), rules, TrackNumbers::default()));
    let (mut eyes, mut models) = (Eyes::new(setup), Inference::new(None));
    let mut look = |second: i64, thing, walker, begins| {
        let (at, pts) = (START + Duration::from_secs(second as u64), Pts(second * Pts::HZ));
        let frame = Frame { camera: id.clone(), pts, at, image: Arc::new(with(thing, walker)) };
        let way = Way { look: true, begins, spare: Duration::ZERO };
        eyes.see((1, &frame), &way, &mut models, &chain, &mut |_| {}).shows
    };
    let calm: Vec<Shows> = (0..6).map(|n| look(2 * n, false, false, true)).collect();
    assert_eq!(calm, [Shows::Nothing; 6]);
    assert_eq!([12, 14].map(|second| look(second, true, false, false)), [Shows::Moving, Shows::Standing]);
    // A look that begins following, and then what came before it.
    assert_eq!(look(20, true, true, true), Shows::Moving);
    assert_eq!(look(18, true, false, true), Shows::Standing);
}

#[tokio::test]
async fn new_rules_go_on_with_what_is_known_of_the_stream() {
    let Some(mut post) = Post::new(Pictures::Auto, Pace::RealTime, 4) else { return };
    post.play(20.0);
    post.analysis.change(&camera(Pictures::Auto, Pace::RealTime, "second"), &profile());
    let counted = post.counted_until(30.0);
    assert!(counted.looks <= 3 && counted.decoded == counted.looks, "not learnt anew: {counted:?}");
    post.play(40.0);
    let alerts = post.alerts().await;
    assert!(matches!(&alerts[..], [(rule, _)] if rule == "second"), "{alerts:?}");
}

#[test]
fn without_a_decoder_to_follow_with_every_keyframe_is_looked_at() {
    let Some(mut post) = Post::new(Pictures::Auto, Pace::RealTime, 0) else { return };
    post.play(33.0);
    let counted = post.counted_until(41.0);
    assert_eq!(counted, Counted { looks: 4, decoded: 4, analysed: 4 });
}

#[test]
fn a_camera_may_be_watched_by_its_keyframes_alone_or_followed_always() {
    let Some(mut post) = Post::new(Pictures::Keyframes, Pace::RealTime, 4) else { return };
    let counted = post.counted_until(40.0);
    assert_eq!(counted, Counted { looks: 20, decoded: 20, analysed: 20 });
    let Some(mut post) = Post::new(Pictures::Follow, Pace::RealTime, 4) else { return };
    let counted = post.counted_until(20.0);
    assert!(counted.decoded >= 235 && (98..=102).contains(&counted.analysed), "{counted:?}");
}

#[tokio::test]
async fn footage_played_as_fast_as_can_be_is_decoded_to_the_last_picture() {
    let Some(mut post) = Post::new(Pictures::Auto, Pace::AsFastAsPossible, 0) else { return };
    while let Some(unit) = post.units.get(post.next).cloned() {
        // As the source waits for its sink: not a moment passes, so only back pressure holds it.
        if futures_util::FutureExt::now_or_never(post.analysis.ready()).is_none() {
            post.clock.advance(TICK);
            post.tick();
            continue;
        }
        post.analysis.unit(unit);
        post.next += 1;
    }
    post.analysis.event(StreamEvent {
        camera: CameraId::new("yard").unwrap(),
        stream: StreamKind::Main,
        at: START,
        what: StreamWhat::Ended,
    });
    for _ in 0..20 {
        post.clock.advance(TICK);
        post.tick();
    }
    let counted = post.counted();
    assert_eq!(counted.decoded, SECONDS as u64 * u64::from(FPS));
    assert!((5 * 60..=5 * 60 + 2).contains(&counted.analysed), "{counted:?}");
}

#[test]
fn a_camera_that_nobody_looks_at_costs_no_decoding_and_may_be_looked_at_later() {
    let Some(mut post) = Post::new(Pictures::Auto, Pace::RealTime, 4) else { return };
    let none = AnalyticsProfile { models: Vec::new(), motion: false, fps: 0.0, ..profile() };
    let unwatched = config::Camera { rules: Vec::new(), ..camera(Pictures::Auto, Pace::RealTime, "first") };
    post.analysis.change(&unwatched, &none);
    assert!(!post.analysis.looks());
    assert_eq!(post.counted_until(10.0).decoded, 0);
    post.analysis.change(&camera(Pictures::Auto, Pace::RealTime, "first"), &profile());
    assert!(post.counted_until(20.0).decoded > 0);
}

/// A made yard at a constant bitrate with a sensor's noise, several rounds of it; and the alerts that a line and
/// a zone in it raise.
async fn told_of_the_yard(clip: &Clip, rounds: i64, pictures: Pictures) -> Option<Vec<(String, f64)>> {
    let mut post = Post::new(pictures, Pace::RealTime, 4)?;
    let ((a, b), anchor) = (Variant::Yard.line(), Anchor::default());
    let line = RuleKind::LineCrossing { a, b, direction: Direction::Both, anchor };
    let zone = RuleKind::Intrusion { zone: Variant::Yard.zone(), anchor };
    let rules = [("line", line), ("zone", zone)].map(|(id, kind)| RuleSpec { kind, ..moving(id) });
    let config = config::Camera { rules: rules.to_vec(), ..camera(pictures, Pace::RealTime, "") };
    post.analysis.change(&config, &profile());
    let params = Arc::new(Params::Video(clip.params.clone()));
    let round = |n: i64| clip.units.iter().map(move |u| (Pts(u.pts.0 + n * clip.duration.0), u));
    post.units = (0..rounds).flat_map(round).map(|(pts, u)| u.sent(START, pts, &params)).collect();
    post.play(rounds as f64 * clip.duration.since(Pts(0)).as_secs_f64() + 3.0);
    Some(post.alerts().await)
}

#[tokio::test]
async fn watching_as_needed_tells_what_following_always_tells() {
    // Of the second one the gate sees the first figure only when it has crossed the line.
    for seed in [3, 1] {
        let mut scene = Scene::demo(Variant::Yard, seed);
        scene.noise = 4;
        let Ok(clip) = scene.encode("yard", &EncodeSettings::load_sub()) else {
            return eprintln!("skipped: there is no encoder here");
        };
        let Some(always) = told_of_the_yard(&clip, 3, Pictures::Follow).await else { return };
        let as_needed = told_of_the_yard(&clip, 3, Pictures::Auto).await.unwrap();
        assert!(always.len() >= 9, "{always:?}");
        let same = always.len() == as_needed.len()
            && always.iter().zip(&as_needed).all(|(a, b)| a.0 == b.0 && (a.1 - b.1).abs() <= 0.7);
        assert!(same, "seed {seed}: always {always:?}, as needed {as_needed:?}");
    }
}

#[tokio::test]
async fn what_is_left_behind_and_a_camera_that_goes_dark_are_told_with_their_pictures() {
    const LEFT: usize = 16;
    const DARK: usize = 42;
    let settings = EncodeSettings { fps: FPS, ..EncodeSettings::sub() };
    let clip = encode("left", &settings, SECONDS * FPS as usize, |n| {
        let t = n / FPS as usize;
        let (w, h) = (640, 360);
        let calm = paint(0);
        let mut bytes = vec![128u8; w * h * 3 / 2];
        bytes[..w * h].copy_from_slice(&calm.luma().0[..w * h]);
        for (i, pixel) in bytes[..w * h].iter_mut().enumerate() {
            let bag = t >= LEFT && (400..450).contains(&(i % w)) && (250..300).contains(&(i / w));
            *pixel = if t >= DARK {
                17
            } else if bag {
                230
            } else {
                *pixel
            };
        }
        I420::packed(w as u32, h as u32, bytes).unwrap()
    });
    let clip = match clip {
        Ok(clip) => clip,
        Err(e) => return eprintln!("skipped: {e:#}"),
    };
    let rule = |id: &str, kind: RuleKind| RuleSpec { kind, ..moving(id) };
    let (dwell, hold) = (Duration::from_secs(10), Duration::from_secs(5));
    let mut camera = camera(Pictures::Auto, Pace::RealTime, "first");
    camera.rules = vec![
        rule("left", RuleKind::AbandonedObject { zone: None, dwell }),
        rule("lens", RuleKind::Tamper { signs: crate::camera::Tampering::ALL.to_vec(), hold }),
    ];
    let mut post = Post::of(&clip, &camera, 4);
    post.play(SECONDS as f64);
    let alerts = post.stored().await;
    let told: Vec<_> = alerts.iter().map(|a| (a.rule.0.as_str(), a.at.since(START).as_secs())).collect();
    let [("left", left), ("lens", dark)] = told[..] else { panic!("{told:?}") };
    // Until it has blended into the background it is taken for somebody who may be with it.
    assert!((26..=38).contains(&left) && (47..=56).contains(&dark), "{told:?}");
    assert!(alerts.iter().all(|a| a.snapshot), "{alerts:?}");
    assert!(alerts[1].message.contains("dark"), "{alerts:?}");
}
