//! What holds for every order of calls, and the rules one by one.

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;

use super::{Job, JobKind, Offer, Scheduler, Settings, Slot, Spent, plan};
use crate::base::Mono;
use crate::camera::{Attention, Need};

fn need() -> Need {
    Need { look_every: Duration::from_secs(4), fps: 5.0 }
}

fn at(seconds: f64) -> Mono {
    Mono(Duration::from_secs_f64(seconds))
}

fn spent(ms: f64, frames: u32) -> Spent {
    Spent { decode: Duration::from_secs_f64(ms / 1e3), analyse: Duration::ZERO, frames, ..Spent::default() }
}

#[derive(Clone, Debug)]
enum Step {
    Insert,
    Remove(usize),
    Need(usize, f32),
    Attend(usize, bool),
    Offer(usize, bool),
    Next,
    /// Which of the jobs under way; CPU milliseconds; frames.
    Done(usize, u16, u32),
    Wait(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => Just(Step::Insert),
        1 => (0..100usize).prop_map(Step::Remove),
        1 => (0..100usize, 0.0f32..50.0).prop_map(|(i, fps)| Step::Need(i, fps)),
        3 => (0..100usize, any::<bool>()).prop_map(|(i, on)| Step::Attend(i, on)),
        8 => (0..100usize, any::<bool>()).prop_map(|(i, key)| Step::Offer(i, key)),
        8 => Just(Step::Next),
        6 => (0..100usize, 0..400u16, 0..5u32).prop_map(|(i, ms, frames)| Step::Done(i, ms, frames)),
        6 => (0..3000u32).prop_map(Step::Wait),
    ]
}

/// What the scheduler may know of a camera.
#[derive(Default)]
struct Known {
    keyframe: bool,
    units: bool,
    followed: bool,
    busy: bool,
}

#[derive(Default)]
struct World {
    cameras: HashMap<Slot, Known>,
    order: Vec<Slot>,
    jobs: Vec<Job>,
    ms: u64,
}

impl World {
    fn now(&self) -> Mono {
        Mono(Duration::from_millis(self.ms))
    }

    fn pick(&self, i: usize) -> Option<Slot> {
        (!self.order.is_empty()).then(|| self.order[i % self.order.len()])
    }

    fn step(&mut self, s: &mut Scheduler, step: Step) {
        let now = self.now();
        match step {
            Step::Insert => {
                let slot = s.insert(need(), now);
                assert!(self.cameras.insert(slot, Known::default()).is_none(), "a slot was used again");
                self.order.push(slot);
            }
            Step::Remove(i) => {
                let Some(slot) = self.pick(i) else { return };
                s.remove(slot);
                self.cameras.remove(&slot);
                self.order.retain(|x| *x != slot);
                assert!(s.watched(slot, now).is_none());
            }
            Step::Need(i, fps) => {
                let Some(slot) = self.pick(i) else { return };
                s.set_need(slot, Need { fps, ..need() }, now);
            }
            Step::Attend(i, on) => {
                let Some(slot) = self.pick(i) else { return };
                let attention = if on { Attention::Followed } else { Attention::Idle };
                s.attend(slot, attention, now);
                self.cameras.get_mut(&slot).unwrap().followed = on;
            }
            Step::Offer(i, key) => {
                let Some(slot) = self.pick(i) else { return };
                s.offer(slot, if key { Offer::Keyframe } else { Offer::Units }, now);
                let known = self.cameras.get_mut(&slot).unwrap();
                (known.keyframe, known.units) = (known.keyframe || key, true);
            }
            Step::Next => {
                let Some(job) = s.next(now) else { return };
                let known = self.cameras.get_mut(&job.slot).expect("a job of a camera that is there");
                assert!(!known.busy, "two jobs for one camera");
                match job.kind {
                    JobKind::Look => assert!(known.keyframe, "a look without a keyframe"),
                    JobKind::Follow => assert!(known.units && known.followed, "nothing to follow"),
                }
                (known.keyframe, known.units, known.busy) = (false, false, true);
                assert!(job.fps > 0.0 && job.fps <= 100.0);
                self.jobs.push(job);
            }
            Step::Done(i, ms, frames) => {
                if self.jobs.is_empty() {
                    return;
                }
                let job = self.jobs.swap_remove(i % self.jobs.len());
                if let Some(known) = self.cameras.get_mut(&job.slot) {
                    known.busy = false;
                }
                s.done(job, now, spent(f64::from(ms), frames));
            }
            Step::Wait(ms) => self.ms += u64::from(ms),
        }
        self.check(s);
    }

    fn check(&self, s: &Scheduler) {
        let load = s.load();
        assert_eq!(load.cameras, self.cameras.len());
        assert_eq!(load.followed, self.cameras.values().filter(|c| c.followed).count());
        assert!(load.stretch >= 1.0 && load.stretch.is_finite(), "{load:?}");
        assert!(load.demand >= 0.0 && load.capacity > 0.0, "{load:?}");
        for slot in &self.order {
            let level = s.watched(*slot, self.now()).unwrap();
            assert!((0.0..=1.0).contains(&level.ratio), "{level:?}");
            assert!(level.longest <= self.now().0 && level.window <= Duration::from_secs(60), "{level:?}");
        }
        assert!(self.cameras.values().any(|c| c.units && !c.busy) || s.wake_at(self.now()).is_none());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn whatever_the_order_of_calls(steps in prop::collection::vec(step(), 0..250)) {
        let mut s = Scheduler::new(Settings::default());
        let mut world = World { ms: 1000, ..World::default() };
        world.step(&mut s, Step::Insert);
        for step in steps {
            world.step(&mut s, step);
        }
        // Whoever offers a keyframe is looked at, if all jobs come back and time passes.
        for job in std::mem::take(&mut world.jobs) {
            if let Some(known) = world.cameras.get_mut(&job.slot) {
                known.busy = false;
            }
            s.done(job, world.now(), spent(1.0, 1));
        }
        for i in 0..world.order.len() {
            world.step(&mut s, Step::Offer(i, true));
        }
        let mut waiting = world.order.len();
        while let Some(wake) = s.wake_at(world.now()) {
            world.ms = world.ms.max(wake.0.as_millis() as u64 + 1);
            if let Some(job) = s.next(world.now()) {
                waiting -= 1;
                s.done(job, world.now(), spent(1.0, 1));
            }
        }
        prop_assert_eq!(waiting, 0);
        for slot in std::mem::take(&mut world.order) {
            s.remove(slot);
        }
        prop_assert_eq!((s.load().demand, s.load().ready, s.load().followed), (0.0, 0, 0));
    }
}

/// One camera with a keyframe every two seconds, and a worker that takes `cpu_ms` for each job.
fn play(s: &mut Scheduler, slot: Slot, from: f64, to: f64, cpu_ms: f64) -> Vec<(f64, JobKind)> {
    let mut seen = Vec::new();
    let mut followed = from;
    let ticks = |t: f64| (t * 10.0).round() as u64;
    for tick in ticks(from)..ticks(to) {
        let t = tick as f64 / 10.0;
        s.offer(slot, if tick % 20 == 0 { Offer::Keyframe } else { Offer::Units }, at(t));
        while let Some(job) = s.next(at(t)) {
            seen.push((t, job.kind));
            let frames = match job.kind {
                JobKind::Look => 1,
                JobKind::Follow => ((t - followed) * f64::from(job.fps)).round() as u32,
            };
            followed = t;
            s.done(job, at(t + cpu_ms / 1e3), spent(cpu_ms, frames));
        }
    }
    seen
}

#[test]
fn an_idle_camera_is_looked_at_as_its_keyframes_come() {
    let mut s = Scheduler::new(Settings::default());
    let slot = s.insert(need(), at(9.0));
    let looks: Vec<f64> = play(&mut s, slot, 9.0, 40.0, 1.0).iter().map(|(t, _)| *t).collect();
    let gaps: Vec<f64> = looks.windows(2).map(|w| w[1] - w[0]).collect();
    assert_eq!(looks[0], 10.0);
    // The second comes early: cameras that begin together spread out.
    assert!(gaps[2..].iter().all(|g| *g == 4.0), "{looks:?}");
    let level = s.watched(slot, at(40.0)).unwrap();
    assert!(level.ratio > 0.99 && level.longest <= Duration::from_millis(4001), "{level:?}");
}

#[test]
fn a_look_that_waited_for_a_worker_does_not_put_off_the_next() {
    let mut s = Scheduler::new(Settings::default());
    let slot = s.insert(need(), at(9.0));
    let looks = play(&mut s, slot, 9.0, 23.9, 1.0);
    assert_eq!(looks.last().unwrap().0, 22.0);
    // Taken early, and only when it is about to be replaced: what counts is when it came.
    s.set_need(slot, Need { look_every: Duration::from_secs(5), ..need() }, at(23.9));
    s.offer(slot, Offer::Keyframe, at(24.0));
    s.offer(slot, Offer::Keyframe, at(26.0));
    let late = s.next(at(27.9)).unwrap();
    s.done(late, at(27.9), spent(1.0, 1));
    let looks: Vec<f64> = play(&mut s, slot, 28.0, 41.0, 1.0).iter().map(|(t, _)| *t).collect();
    assert_eq!(looks, [30.0, 34.0, 38.0]);
}

#[test]
fn an_active_camera_is_followed_at_once_and_let_go() {
    let mut s = Scheduler::new(Settings::default());
    let slot = s.insert(need(), at(9.0));
    play(&mut s, slot, 9.0, 21.0, 1.0);
    s.attend(slot, Attention::Followed, at(21.0));
    let first = s.next(at(21.0)).unwrap();
    assert_eq!((first.kind, first.fps), (JobKind::Follow, 5.0));
    s.done(first, at(21.01), spent(5.0, 5));
    let followed = play(&mut s, slot, 21.1, 31.1, 1.0);
    assert!(followed.iter().all(|(_, kind)| *kind == JobKind::Follow));
    // Ten seconds, 0.4 s at a time.
    assert!((24..=26).contains(&followed.len()), "{}", followed.len());
    let level = s.watched(slot, at(31.1)).unwrap();
    assert!(level.ratio > 0.97 && level.fps.unwrap() > 4.9, "{level:?}");
    s.attend(slot, Attention::Idle, at(31.1));
    let looks = play(&mut s, slot, 31.2, 60.0, 1.0);
    assert!(looks.iter().all(|(_, kind)| *kind == JobKind::Look) && looks.len() == 7, "{looks:?}");
}

#[test]
fn what_was_owed_is_told_apart_from_what_was_not_offered() {
    let mut s = Scheduler::new(Settings::default());
    let (gone, starved) = (s.insert(need(), at(0.0)), s.insert(need(), at(0.0)));
    for slot in [gone, starved] {
        s.offer(slot, Offer::Keyframe, at(0.0));
        let job = s.next(at(0.0)).unwrap();
        s.done(job, at(0.0), spent(1.0, 1));
    }
    for t in (2..=40).step_by(2) {
        s.offer(starved, Offer::Keyframe, at(f64::from(t)));
    }
    let (gone, starved) = (s.watched(gone, at(40.0)).unwrap(), s.watched(starved, at(40.0)).unwrap());
    assert_eq!((gone.ratio, gone.unoffered), (1.0, Duration::from_secs(36)));
    assert_eq!(starved.unoffered, Duration::ZERO);
    assert!((0.09..0.11).contains(&starved.ratio), "{starved:?}");
    assert_eq!(starved.longest, Duration::from_secs(40));
}

#[test]
fn the_window_forgets() {
    let mut s = Scheduler::new(Settings::default());
    let slot = s.insert(need(), at(0.0));
    for t in (0..=30).step_by(2) {
        s.offer(slot, Offer::Keyframe, at(f64::from(t)));
    }
    let starved = s.watched(slot, at(30.0)).unwrap();
    assert!(starved.ratio < 0.2, "{starved:?}");
    play(&mut s, slot, 30.0, 100.0, 1.0);
    let level = s.watched(slot, at(100.0)).unwrap();
    assert!(level.ratio > 0.99 && level.longest < Duration::from_secs(5), "{level:?}");
    assert!(level.window >= Duration::from_secs(50), "{level:?}");
}

#[test]
fn a_job_may_end_after_its_camera_was_removed() {
    let mut s = Scheduler::new(Settings::default());
    let old = s.insert(need(), at(0.0));
    s.offer(old, Offer::Keyframe, at(0.0));
    let job = s.next(at(0.0)).unwrap();
    s.remove(old);
    let new = s.insert(need(), at(0.1));
    s.offer(new, Offer::Keyframe, at(0.1));
    let other = s.next(at(0.1)).unwrap();
    assert_eq!((job.slot, other.slot), (old, new));
    s.done(job, at(0.2), spent(1.0, 1));
    s.offer(new, Offer::Keyframe, at(0.2));
    assert!(s.next(at(10.0)).is_none(), "the new camera's job still runs");
    s.done(other, at(10.0), spent(1.0, 1));
    assert!(s.next(at(10.0)).is_some());
}

/// Follow one camera from the first second on, by half a worker where three quarters are needed; `keys` at these
/// seconds. Gives when each job began and how much of its GOPs is wanted.
fn heads(keys: &[f64], to: f64) -> Vec<(f64, Duration)> {
    heads_where(keys, to, |_| true)
}

/// The same where the camera is followed at some times only.
fn heads_where(keys: &[f64], to: f64, followed: impl Fn(f64) -> bool) -> Vec<(f64, Duration)> {
    let mut s = Scheduler::new(Settings { workers: 1, share: 0.5 });
    let slot = s.insert(need(), at(0.0));
    s.attend(slot, Attention::Followed, at(0.0));
    let (mut begun, mut busy, mut seen) = (0.0, 0.0, Vec::new());
    for tick in 1..(to * 10.0) as u32 {
        let t = f64::from(tick) / 10.0;
        let key = keys.iter().any(|key| (key - t).abs() < 0.01);
        s.attend(slot, if followed(t) { Attention::Followed } else { Attention::Idle }, at(t));
        s.offer(slot, if key { Offer::Keyframe } else { Offer::Units }, at(t));
        if t < busy {
            continue;
        }
        if let Some(job) = s.next(at(t)).filter(|job| job.kind == JobKind::Follow) {
            seen.push((t, job.head));
            let cpu = 0.75 * (t - std::mem::replace(&mut begun, t));
            busy = t + cpu;
            s.done(job, at(busy), spent(cpu * 1e3, 2));
        }
    }
    seen
}

#[test]
fn of_gops_only_the_heads_are_wanted_where_rates_are_shrunk() {
    let every_two: Vec<f64> = (0..30).map(|n| 0.5 + 2.0 * f64::from(n)).collect();
    let seen = heads(&every_two, 60.0);
    // Nothing is left out of what made it active, nor before it is known how long a GOP is.
    assert!(seen.iter().take_while(|(t, _)| *t < 2.5).all(|(_, head)| *head == Duration::MAX), "{seen:?}");
    let later = || seen.iter().filter(|(t, _)| *t > 40.0).map(|(_, head)| head.as_secs_f64());
    assert!(later().count() > 20 && later().all(|head| (1.19..1.6).contains(&head)), "{seen:?}");
    // A keyframe in between makes no later GOP shorter.
    let mut more = every_two;
    more.extend([50.8, 51.1]);
    more.sort_by(f64::total_cmp);
    let seen = heads(&more, 60.0);
    let after = || seen.iter().filter(|(t, _)| (51.2..53.0).contains(t)).map(|(_, head)| head.as_secs_f64());
    assert!(after().count() > 2 && after().all(|head| head > 1.19), "{seen:?}");
}

#[test]
fn nothing_is_left_out_of_what_made_a_camera_active() {
    let every_two: Vec<f64> = (0..30).map(|n| 0.5 + 2.0 * f64::from(n)).collect();
    let seen = heads_where(&every_two, 44.0, |t| !(40.0..40.5).contains(&t));
    let again: Vec<_> = seen.iter().filter(|(t, _)| *t >= 40.5).map(|(_, head)| *head).collect();
    assert_eq!(again[0], Duration::MAX, "{seen:?}");
    assert!(again.len() > 4 && again[1..].iter().all(|head| *head < Duration::from_secs(2)), "{seen:?}");
}

#[test]
fn no_more_than_the_end_of_a_gop_is_left_out() {
    for (stretch, gop, want) in [
        (1.0, 2.0, 1.0),
        (1.25, 2.0, 0.8),
        (5.0, 2.0, 0.6),
        (2.0, 10.0, 0.92),
        (2.0, 0.5, 0.5),
        (9.0, 0.5, 1.0 / 3.0),
        (2.0, 0.0, 1.0),
    ] {
        let head = plan::head(stretch, gop);
        assert!((head - want).abs() < 1e-9, "{head} at a stretch of {stretch} and GOPs of {gop} s");
    }
}

#[test]
fn what_was_left_out_did_not_cost_anything() {
    let cost = |cut: f32| {
        let mut s = Scheduler::new(Settings::default());
        let slot = s.insert(need(), at(0.0));
        s.attend(slot, Attention::Followed, at(0.0));
        for tick in 1..50 {
            let t = f64::from(tick) / 10.0;
            s.offer(slot, if tick % 20 == 1 { Offer::Keyframe } else { Offer::Units }, at(t));
            if let Some(job) = s.next(at(t)) {
                s.done(job, at(t), Spent { cut, ..spent(4.0, 0) });
            }
        }
        s.load().demand
    };
    // 4 ms for 0.4 s, and the same for a quarter of them.
    let (whole, quarter) = (cost(0.0), cost(0.75));
    let frames = 5.0 * 3e-3;
    assert!(((quarter - frames) / (whole - frames) - 4.0).abs() < 0.1, "{whole} and {quarter}");
}
