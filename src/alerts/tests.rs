//! Behaviour of the alert store, on real SQLite files.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::broadcast::error::TryRecvError;

use super::*;
use crate::base::task::Tasks;
use crate::base::{CameraId, Clock, Kind, SimClock, Wall};
use crate::camera::Frame;
use crate::infer::Class;
use crate::media::{BBox, I420, Pts};
use crate::rules::{Edge, RuleEvent, RuleId, Severity, Subject};
use crate::track::TrackId;

const START: Wall = Wall::from_secs(1_700_000_000);

struct Place {
    dir: TempDir,
    clock: Arc<SimClock>,
}

impl Place {
    fn new() -> Self {
        Place { dir: TempDir::new().unwrap(), clock: Arc::new(SimClock::new(START)) }
    }

    /// As after a kill: whoever held the store before was dropped without a word.
    fn open(&self) -> Alerts {
        let settings = Settings {
            store: self.dir.path().join("db/alerts.sqlite"),
            snapshots: self.dir.path().join("snapshots"),
            max_age: Duration::from_secs(3600),
        };
        Alerts::open(settings, self.clock.clone()).unwrap()
    }

    fn pass(&self, secs: u64) {
        self.clock.advance(Duration::from_secs(secs));
    }

    fn files(&self) -> usize {
        let folders = std::fs::read_dir(self.dir.path().join("snapshots")).unwrap();
        folders.map(|f| std::fs::read_dir(f.unwrap().path()).unwrap().count()).sum()
    }
}

fn event(kind: &'static str, at: i64, edge: Edge, subject: Subject) -> RuleEvent {
    RuleEvent {
        camera: CameraId::new("cam").unwrap(),
        rule: RuleId(format!("r-{kind}")),
        kind,
        severity: Severity::Warning,
        at: START + Duration::from_secs(at as u64),
        subject,
        edge,
        cooldown: Duration::from_secs(30),
        message: "Person in the zone.".into(),
    }
}

fn person(id: u64, x: f32) -> Subject {
    let bbox = BBox::new(x, 0.2, x + 0.1, 0.6);
    Subject::Track { id: TrackId(id), class: Class::Person, bbox, score: 0.9, direction: None, dwell: None }
}

fn visit(at: i64, edge: Edge, id: u64, x: f32) -> RuleEvent {
    event("intrusion", at, edge, person(id, x))
}

fn crossing(at: i64, id: u64) -> RuleEvent {
    let Subject::Track { id, class, bbox, score, dwell, .. } = person(id, 0.1 + 0.15 * (id % 5) as f32)
    else {
        unreachable!()
    };
    let direction = Some("to_left");
    event("line_crossing", at, Edge::Begin, Subject::Track { id, class, bbox, score, direction, dwell })
}

#[test]
fn alert_is_stored_with_its_snapshot_and_survives_a_kill() {
    let p = Place::new();
    let raised = p.open().raise(&visit(1, Edge::Begin, 7, 0.1), Some(b"jpeg".to_vec())).unwrap().unwrap();
    let again = p.open();
    let read = again.get(raised.id).unwrap().unwrap();
    assert_eq!(read, raised);
    assert_eq!((read.track, read.state, read.boxes.len()), (Some(7), AlertState::Open, 1));
    let path = again.snapshot(raised.id).unwrap().unwrap();
    assert_eq!(std::fs::read(path).unwrap(), b"jpeg");
}

#[test]
fn same_subject_is_told_once_while_it_lasts_and_within_its_cooldown() {
    let p = Place::new();
    let a = p.open();
    let raise = |e: RuleEvent| a.raise(&e, None).unwrap();
    let first = raise(visit(1, Edge::Begin, 7, 0.1)).unwrap();
    assert_eq!(raise(visit(100, Edge::Begin, 7, 0.1)), None, "it still lasts");
    let ended = raise(visit(110, Edge::End, 7, 0.1)).unwrap();
    assert_eq!((ended.id, ended.ended), (first.id, Some(START + Duration::from_secs(110))));
    assert!(ended.seq > first.seq);
    assert_eq!(raise(visit(110, Edge::End, 7, 0.1)), None, "an end that ends nothing");
    assert_eq!(raise(visit(120, Edge::Begin, 7, 0.1)), None, "within the cooldown");
    assert!(raise(visit(141, Edge::Begin, 7, 0.1)).is_some());
    assert!(raise(visit(142, Edge::Begin, 8, 0.1)).is_some(), "somebody else");
}

#[test]
fn what_lasted_before_a_restart_is_not_told_again_but_newcomers_are() {
    let p = Place::new();
    let first = p.open().raise(&visit(1, Edge::Begin, 7, 0.1), None).unwrap().unwrap();
    p.pass(600);
    let a = p.open();
    // Track numbers begin anew: 1 is the thing that was 7.
    assert_eq!(a.raise(&visit(601, Edge::Begin, 1, 0.11), None).unwrap(), None);
    assert!(a.raise(&visit(601, Edge::Begin, 2, 0.6), None).unwrap().is_some(), "at another place");
    let ended = a.raise(&visit(640, Edge::End, 1, 0.11), None).unwrap().unwrap();
    assert_eq!(ended.id, first.id);
    // Number 7 of this run is not number 7 of the last.
    assert!(a.raise(&visit(650, Edge::Begin, 7, 0.35), None).unwrap().is_some());
}

#[test]
fn long_after_a_restart_nothing_is_taken_for_what_was_before() {
    let p = Place::new();
    p.open().raise(&visit(1, Edge::Begin, 7, 0.1), None).unwrap();
    let crowd = |at| event("crowd", at, Edge::Begin, Subject::Scene { count: 5, boxes: vec![] });
    p.open().raise(&crowd(1), None).unwrap().unwrap();
    let a = p.open();
    p.pass(3600);
    assert!(a.raise(&visit(3601, Edge::Begin, 1, 0.1), None).unwrap().is_some());
    assert!(a.raise(&crowd(3601), None).unwrap().is_some());
}

#[test]
fn camera_lost_over_a_restart_is_one_alert() {
    let p = Place::new();
    let lost = |at, edge| event("camera_lost", at, edge, Subject::Camera);
    let first = p.open().raise(&lost(1, Edge::Begin), None).unwrap().unwrap();
    let a = p.open();
    p.pass(3600);
    assert_eq!(a.raise(&lost(3601, Edge::Begin), None).unwrap(), None);
    assert_eq!(a.raise(&lost(3700, Edge::End), None).unwrap().unwrap().id, first.id);
    assert!(a.raise(&lost(4000, Edge::Begin), None).unwrap().is_some());
}

#[test]
fn same_event_given_again_after_a_kill_is_one_alert() {
    let p = Place::new();
    let once = RuleEvent { cooldown: Duration::ZERO, ..crossing(5, 3) };
    assert!(p.open().raise(&once, None).unwrap().is_some());
    assert_eq!(p.open().raise(&once, None).unwrap(), None);
}

#[test]
fn resuming_listener_misses_nothing_and_hears_nothing_twice() {
    let p = Place::new();
    let a = p.open();
    let mut heard = Vec::new();
    let mut live = a.subscribe();
    for i in 0..5 {
        a.raise(&crossing(i, i as u64), None).unwrap().unwrap();
    }
    for _ in 0..3 {
        heard.push(live.try_recv().unwrap().seq);
    }
    drop(live);
    let a = p.open();
    // The connection is gone. Meanwhile alerts come and one it knew changes.
    let known = a.since(0, 1).unwrap().remove(0);
    a.change(known.id, AlertState::Acknowledged, "ana", None, START).unwrap();
    a.raise(&crossing(900, 50), None).unwrap().unwrap();
    // Back: first listen, then catch up, then go on live with what is newer.
    let mut live = a.subscribe();
    a.raise(&crossing(901, 51), None).unwrap().unwrap();
    loop {
        let page = a.since(*heard.last().unwrap(), 2).unwrap();
        if page.is_empty() {
            break;
        }
        heard.extend(page.iter().map(|x| x.seq));
    }
    a.raise(&crossing(902, 52), None).unwrap().unwrap();
    while let Ok(alert) = live.try_recv() {
        if alert.seq > *heard.last().unwrap() {
            heard.push(alert.seq);
        }
    }
    assert_eq!(heard, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
}

#[test]
fn slow_listener_is_told_that_it_fell_behind() {
    let p = Place::new();
    let a = p.open();
    let mut slow = a.subscribe();
    for i in 0..300 {
        a.raise(&RuleEvent { cooldown: Duration::ZERO, ..crossing(i, i as u64) }, None).unwrap();
    }
    assert!(matches!(slow.try_recv(), Err(TryRecvError::Lagged(_))));
}

#[test]
fn people_move_alerts_only_as_allowed_and_it_is_written_down() {
    let p = Place::new();
    let a = p.open();
    let id = a.raise(&crossing(1, 1), None).unwrap().unwrap().id;
    a.change(id, AlertState::Acknowledged, "ana", None, START).unwrap();
    let done = a.change(id, AlertState::Resolved, "bo", Some("a cat"), START).unwrap();
    let told: Vec<_> = done.history.iter().map(|c| (c.to, c.actor.as_str(), c.reason.as_deref())).collect();
    assert_eq!(told, [(AlertState::Acknowledged, "ana", None), (AlertState::Resolved, "bo", Some("a cat"))]);
    for to in [AlertState::Open, AlertState::Acknowledged, AlertState::Resolved, AlertState::Dismissed] {
        let e = a.change(id, to, "ana", None, START).unwrap_err();
        assert_eq!(e.kind(), Kind::Conflict);
        assert!(e.to_string().contains("is resolved"), "{e}");
    }
    assert_eq!(p.open().get(id).unwrap().unwrap(), done, "a refused change changes nothing");
    let nobody = AlertId(uuid::Uuid::nil());
    assert_eq!(
        a.change(nobody, AlertState::Resolved, "ana", None, START).unwrap_err().kind(),
        Kind::NotFound
    );
}

#[test]
fn list_pages_newest_first_without_loss_and_filters() {
    let p = Place::new();
    let a = p.open();
    for i in 0..25 {
        // Threes at the same time.
        a.raise(&RuleEvent { cooldown: Duration::ZERO, ..crossing(i / 3, i as u64) }, None).unwrap().unwrap();
    }
    let (mut seen, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let page = a.list(&Filter::default(), cursor.as_deref(), 4).unwrap();
        seen.extend(page.alerts.iter().map(|x| (x.at, x.id)));
        // What comes meanwhile does not shift the pages.
        a.raise(&crossing(1000 + seen.len() as i64, 100 + seen.len() as u64), None).unwrap();
        match page.next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    assert_eq!(seen.len(), 25);
    assert!(seen.is_sorted_by(|x, y| x > y), "newest first, none twice");

    let count = |f: Filter| a.list(&f, None, 100).unwrap().alerts.len();
    let at = |s| Some(START + Duration::from_secs(s));
    assert_eq!(count(Filter { from: at(2), to: at(4), ..Filter::default() }), 6);
    assert_eq!(count(Filter { camera: Some(CameraId::new("other").unwrap()), ..Filter::default() }), 0);
    assert_eq!(count(Filter { kind: Some("line_crossing".into()), to: at(4), ..Filter::default() }), 12);
    assert_eq!(count(Filter { severity: Some(Severity::Critical), ..Filter::default() }), 0);
    assert_eq!(count(Filter { state: Some(AlertState::Resolved), ..Filter::default() }), 0);
    let e = a.list(&Filter::default(), Some("nonsense"), 4).unwrap_err();
    assert_eq!(e.kind(), Kind::Invalid);
}

#[test]
fn prune_takes_what_is_done_and_old_with_its_picture_and_frees_no_number() {
    let p = Place::new();
    let a = p.open();
    let jpeg = || Some(vec![1, 2, 3]);
    let done = a.raise(&crossing(1, 1), jpeg()).unwrap().unwrap();
    let open = a.raise(&crossing(2, 2), jpeg()).unwrap().unwrap();
    let last = a.change(done.id, AlertState::Dismissed, "ana", None, START).unwrap();
    // A crash between file and row.
    let stray = a.snapshot(open.id).unwrap().unwrap().with_file_name("stray.jpg");
    std::fs::write(&stray, b"x").unwrap();
    assert_eq!(a.prune(START + Duration::from_secs(3600)).unwrap(), 0, "not old enough");
    assert!(!stray.exists());
    assert_eq!(a.prune(START + Duration::from_secs(7200)).unwrap(), 1);
    assert_eq!((a.get(done.id).unwrap(), p.files()), (None, 1));
    assert_eq!(a.count_by_state().unwrap()[0], (AlertState::Open, 1));
    let next = p.open().raise(&crossing(900, 9), None).unwrap().unwrap();
    assert!(next.seq > last.seq, "{} is used again", next.seq);
}

#[test]
fn snapshot_that_cannot_be_written_leaves_no_row() {
    let p = Place::new();
    let a = p.open();
    let folder = p.dir.path().join("snapshots");
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::write(&folder, b"a file where the folder should be").unwrap();
    let e = a.raise(&crossing(1, 1), Some(vec![1])).unwrap_err();
    assert_eq!(e.kind(), Kind::Storage);
    assert!(a.list(&Filter::default(), None, 10).unwrap().alerts.is_empty());
}

#[test]
fn store_of_a_newer_program_is_refused_untouched() {
    let p = Place::new();
    drop(p.open());
    let path = p.dir.path().join("db/alerts.sqlite");
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let settings =
        Settings { store: path, snapshots: Path::new("/dev/null").into(), max_age: Duration::ZERO };
    let e = Alerts::open(settings, p.clock.clone()).err().expect("refused").to_string();
    assert!(e.contains("schema 99"), "{e}");
}

#[tokio::test]
async fn writer_stores_everything_that_was_submitted_before_it_ends() {
    let p = Place::new();
    let alerts = Arc::new(p.open());
    let tasks = Tasks::root("t");
    let writer = AlertWriter::start(alerts.clone(), &tasks).unwrap();
    let image = Arc::new(I420::packed(64, 48, vec![128; 64 * 48 * 3 / 2]).unwrap());
    let frame = Frame { camera: CameraId::new("cam").unwrap(), pts: Pts(0), at: p.clock.wall(), image };
    let submitted = tokio::task::spawn_blocking(move || {
        for i in 0..100 {
            let evidence = (i % 2 == 0).then(|| Evidence { frame: frame.clone(), boxes: vec![] });
            let event = RuleEvent { cooldown: Duration::ZERO, ..crossing(i, i as u64) };
            writer.submit(event, evidence, None).unwrap();
        }
    });
    submitted.await.unwrap();
    // Stopping does not cut off what waits.
    assert!(tasks.stop_and_join(Duration::from_secs(60)).await.is_empty());
    let all = alerts.list(&Filter::default(), None, 1000).unwrap().alerts;
    assert_eq!((all.len(), all.iter().filter(|a| a.snapshot).count()), (100, 50));
    assert_eq!(p.files(), 50);
}

#[test]
fn a_model_that_was_kept_before_its_manifest_was_is_read() {
    let old = r#"{"name":"nano","sha256":"ab"}"#;
    let model: crate::infer::ModelRef = serde_json::from_str(old).unwrap();
    assert_eq!((model.name.as_str(), model.manifest_sha256.as_str()), ("nano", ""));
}

#[test]
fn an_alert_says_what_it_was_decided_by_and_the_rule_is_kept_once() {
    let p = Place::new();
    let a = p.open();
    let models = vec![crate::infer::ModelRef {
        name: "nano".into(),
        sha256: "ab".into(),
        manifest_sha256: "cd".into(),
    }];
    let by = Decider::new("[[rule]]\nid = \"r\"\n".into(), crate::base::StreamKind::Sub, models, "1.2.3");
    let first = a.raise_by(&crossing(1, 1), None, Some(&by)).unwrap().unwrap();
    a.raise_by(&crossing(2, 2), None, Some(&by)).unwrap().unwrap();
    let plain = a.raise(&crossing(3, 3), None).unwrap().unwrap();
    let again = p.open();
    let origin = again.get(first.id).unwrap().unwrap().origin.unwrap();
    assert_eq!(origin, by.origin);
    assert_eq!(origin.rule, version_of(&by.rule_text));
    assert_eq!(again.rule_text(&origin.rule).unwrap().as_deref(), Some(by.rule_text.as_str()));
    assert_eq!(again.rule_text("0123456789abcdef").unwrap(), None);
    assert_eq!(again.get(plain.id).unwrap().unwrap().origin, None);
    assert_ne!(version_of("a"), version_of("b"));
}
