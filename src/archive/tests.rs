//! The index without the recorder.

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;

use super::fmp4::PastGap;
use super::retention::unlink;
use super::testing::{
    ALWAYS, START, again, archive, cam, gaps, keep_all, listing, made_up, open_at, open_disks, store,
    store_on,
};
use super::{Archive, DiskId, NewSegment, Retention, RunId};
use crate::base::{StreamKind, WallSpan};
use crate::camera::GapCause;

fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).into_iter().flatten().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.insert(entry.path());
        }
    }
    found
}

/// Rows and files agree, and so do the totals.
fn agree(archive: &Archive) -> Result<(), TestCaseError> {
    let rows: Vec<_> = ["a", "b"].iter().flat_map(|c| listing(archive, c)).collect();
    let paths: BTreeSet<PathBuf> = rows.iter().map(|r| r.path.clone()).collect();
    prop_assert_eq!(files(&archive.settings().root), paths);
    let bytes: u64 = rows.iter().map(|r| r.bytes).sum();
    prop_assert_eq!((archive.totals().segments, archive.totals().bytes), (rows.len() as u64, bytes));
    Ok(())
}

#[derive(Clone, Copy, Debug)]
enum Act {
    /// A camera records so many GOPs of 1 s, at the place in time of this act.
    Insert(bool, usize),
    Enforce,
    /// Retention is killed after 0 marking, 1 some unlinking, 2 all unlinking.
    Crash(u8),
    Rebuild,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (any::<bool>(), 1usize..6).prop_map(|(a, n)| Act::Insert(a, n)),
        Just(Act::Enforce),
        (0u8..3).prop_map(Act::Crash),
        Just(Act::Rebuild),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..Default::default() })]
    #[test]
    fn rows_and_files_agree_after_anything(acts in prop::collection::vec(act(), 1..12), max in 1500u64..12_000) {
        let folder = tempfile::tempdir().unwrap();
        let rules = Retention { max_bytes: Some(max), ..keep_all() };
        let (mut archive, clock) = archive(folder.path(), rules.clone());
        for (i, act) in acts.into_iter().enumerate() {
            match act {
                Act::Insert(first, gops) => {
                    let units = made_up(if first { "a" } else { "b" }, gops as i64);
                    store(&archive, &again(&units, Duration::from_secs(10 * i as u64), 1), 2, vec![]);
                }
                Act::Enforce => {
                    archive.enforce(START).unwrap();
                    prop_assert!(archive.totals().bytes <= max);
                }
                Act::Crash(point) => {
                    let victims = archive.choose(None, 3000, START - Duration::from_secs(1), &BTreeSet::new()).unwrap();
                    archive.mark(&victims).unwrap();
                    let gone = match point { 0 => 0, 1 => victims.len() / 2, _ => victims.len() };
                    victims[..gone].iter().for_each(|v| unlink(&v.path).unwrap());
                    drop(archive);
                    archive = open_at(folder.path(), rules.clone(), clock.clone());
                    prop_assert!(victims.iter().all(|v| !v.path.exists()), "what was marked came back");
                }
                Act::Rebuild => {
                    let before = (listing(&archive, "a"), listing(&archive, "b"));
                    drop(archive);
                    fs::remove_file(folder.path().join("index.db")).unwrap();
                    archive = open_at(folder.path(), rules.clone(), clock.clone());
                    prop_assert_eq!((listing(&archive, "a"), listing(&archive, "b")), before);
                }
            }
            agree(&archive)?;
        }
    }
}

#[test]
fn the_oldest_goes_first_over_all_cameras_and_leaves_one_gap() {
    let folder = tempfile::tempdir().unwrap();
    let rules = Retention { max_age: Some(Duration::from_secs(100)), ..keep_all() };
    let (archive, clock) = archive(folder.path(), rules);
    for (camera, at) in [("a", 0), ("b", 10), ("a", 20), ("b", 30)] {
        store(&archive, &again(&made_up(camera, 4), Duration::from_secs(at), 1), 2, vec![]);
    }
    clock.advance(Duration::from_secs(113));
    assert_eq!(archive.enforce(super::Archive::now(&archive)).unwrap().segments, 3);
    assert_eq!(gaps(&archive, "a"), ["0.0..4.0 retention", "4.0..20.0 unknown"]);
    assert_eq!(gaps(&archive, "b"), ["10.0..12.0 retention", "14.0..30.0 unknown"]);
    clock.advance(Duration::from_secs(12));
    archive.enforce(archive.now()).unwrap();
    assert_eq!(gaps(&archive, "a")[0], "0.0..24.0 retention", "the gaps of retention are one");
}

#[test]
fn a_disk_that_fills_up_is_given_its_reserve_back() {
    let folder = tempfile::tempdir().unwrap();
    let (archive, _) = archive(folder.path(), keep_all());
    store(&archive, &made_up("a", 10), 2, vec![]);
    let each = archive.totals().bytes / 5;
    assert_eq!(archive.make_room(DiskId(0), 1000, 1000).unwrap().segments, 0);
    assert_eq!(archive.make_room(DiskId(0), 1000, 1000 + each + 1).unwrap().segments, 2);
}

#[test]
fn a_disk_gets_its_room_from_what_lies_on_it() {
    let dir = tempfile::tempdir().unwrap();
    let clock = std::sync::Arc::new(crate::base::SimClock::new(START));
    let a = open_disks(dir.path(), &["other"], keep_all(), clock);
    store(&a, &made_up("here", 3), 1, vec![]);
    store_on(DiskId(1), &a, &again(&made_up("there", 3), Duration::from_secs(10), 1), 1, vec![]);
    assert_eq!(a.make_room(DiskId(1), 0, 1).unwrap().segments, 1);
    assert_eq!((listing(&a, "here").len(), listing(&a, "there").len()), (3, 2));
    assert_eq!(a.make_room(DiskId(0), 0, u64::MAX).unwrap().segments, 3);
    assert_eq!((listing(&a, "here").len(), listing(&a, "there").len()), (0, 2));
}

#[test]
fn a_clock_set_a_month_ahead_deletes_nothing_for_its_age_until_it_has_held() {
    const DAY: Duration = Duration::from_secs(86_400);
    let folder = tempfile::tempdir().unwrap();
    let rules = Retention { max_age: Some(DAY), ..keep_all() };
    let (a, clock) = archive(folder.path(), rules.clone());
    store(&a, &made_up("a", 10), 2, vec![]);
    let round = |a: &Archive| {
        let deleted = a.enforce(a.now()).unwrap().segments;
        a.note_alive(a.now()).unwrap();
        deleted
    };
    assert_eq!(round(&a), 0);
    clock.step_wall(30 * DAY.as_micros() as i64);
    assert_eq!(round(&a), 0);
    assert_eq!(a.make_room(DiskId(0), 0, 1).unwrap().segments, 1, "the disk needs its room all the same");
    // A restart does not make the new time any truer.
    drop(a);
    let a = open_at(folder.path(), rules, clock.clone());
    assert_eq!(round(&a), 0);
    clock.advance(Duration::from_secs(1800));
    assert_eq!(round(&a), 0);
    clock.advance(Duration::from_secs(1800));
    assert_eq!(round(&a), 4, "a time that has held for an hour is right");
}

#[test]
fn what_cannot_be_deleted_stays_listed_and_counted_and_others_go() {
    let folder = tempfile::tempdir().unwrap();
    let (archive, _) = archive(folder.path(), keep_all());
    store(&archive, &made_up("a", 100), 1, vec![]);
    let rows = listing(&archive, "a");
    let (held, bytes) =
        (archive.totals().bytes, |r: Range<usize>| rows[r].iter().map(|r| r.bytes).sum::<u64>());
    // A folder with something in it in place of a file: nobody, root included, can unlink it.
    let block = |path: &Path| {
        fs::remove_file(path).unwrap();
        fs::create_dir_all(path.join("something")).unwrap();
    };
    rows[..40].iter().for_each(|r| block(&r.path));
    let done = archive.make_room(DiskId(0), 0, bytes(40..43)).unwrap();
    assert_eq!((done.segments, done.bytes, done.stuck), (3, bytes(40..43), 40));
    assert_eq!(archive.totals().bytes, held - done.bytes);
    assert_eq!(listing(&archive, "a").len(), 97, "what is there is listed");
    assert_eq!(archive.told_stuck().len(), 40, "each is told once");
    // The next round tries them again.
    rows[..2].iter().for_each(|r| fs::remove_dir_all(&r.path).unwrap());
    let done = archive.make_room(DiskId(0), 0, bytes(0..2)).unwrap();
    assert_eq!((done.segments, done.stuck, archive.told_stuck().len()), (2, 0, 38));
    assert_eq!(archive.totals().bytes, held - bytes(40..43) - bytes(0..2));
}

#[test]
fn coverage_and_the_nearest_segment_read_no_fragment_tables() {
    let folder = tempfile::tempdir().unwrap();
    let (a, _) = archive(folder.path(), keep_all());
    for at in [0, 100] {
        store(&a, &again(&made_up("a", 10), Duration::from_secs(at), 1), 5, vec![]);
    }
    // A table that cannot be read shows whether it is.
    a.write(|c| c.execute("UPDATE segment SET fragments = x'ff'", [])).unwrap();
    let span = |from, to| WallSpan::new(START + Duration::from_secs(from), START + Duration::from_secs(to));
    let covered = a.coverage(&cam("a"), StreamKind::Main, span(0, 200)).unwrap();
    assert_eq!(covered.recorded, [span(0, 10), span(100, 110)]);
    let nearest = |from, to| a.nearest(&cam("a"), StreamKind::Main, span(from, to)).unwrap().unwrap();
    assert_eq!(nearest(20, 30), span(5, 10));
    assert_eq!(nearest(80, 90), span(100, 105));
    assert_eq!(nearest(180, 190), span(105, 110));
    assert_eq!(a.nearest(&cam("b"), StreamKind::Main, ALWAYS).unwrap(), None);
}

#[test]
fn files_taken_away_or_cut_short_become_gaps() {
    let folder = tempfile::tempdir().unwrap();
    let (a, clock) = archive(folder.path(), keep_all());
    store(&a, &made_up("a", 8), 2, vec![]);
    let rows = listing(&a, "a");
    drop(a);
    fs::remove_file(&rows[1].path).unwrap();
    let cut = fs::File::options().write(true).open(&rows[3].path).unwrap();
    cut.set_len(rows[3].bytes - 1).unwrap();
    clock.advance(Duration::from_secs(20));
    let a = open_at(folder.path(), keep_all(), clock.clone());
    assert_eq!(listing(&a, "a").len(), 3);
    let expected = ["2.0..4.0 file_lost", "7.0..20.0 server_down open", "7.0..8.0 file_lost"];
    let mut found = gaps(&a, "a");
    found.sort();
    assert_eq!(found, expected);
    drop(a);
    fs::remove_dir_all(folder.path().join("media/a")).unwrap();
    let a = open_at(folder.path(), keep_all(), clock);
    assert_eq!((listing(&a, "a").len(), a.totals().bytes), (0, 0));
}

#[test]
fn an_open_segment_full_of_zeros_does_not_keep_the_archive_shut() {
    let dir = tempfile::tempdir().unwrap();
    let (archive, clock) = archive(dir.path(), keep_all());
    store(&archive, &made_up("a", 2), 1, vec![]);
    let new = NewSegment {
        camera: cam("a"),
        stream: StreamKind::Main,
        run: RunId(uuid::Uuid::nil()),
        seq_in_run: 0,
        start: START + Duration::from_secs(60),
        path: archive.path_for(DiskId(0), &cam("a"), StreamKind::Main, START + Duration::from_secs(60)),
        header_bytes: 1000,
        width: 1,
        height: 1,
        codecs: String::new(),
    };
    let path = new.path.clone();
    archive.begin(new).unwrap();
    drop(archive);
    // After a power failure a file may have its length but not its data.
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, vec![0; 50_000]).unwrap();
    let archive = open_at(dir.path(), keep_all(), clock);
    assert_eq!(listing(&archive, "a").len(), 2);
    assert_eq!(fs::metadata(&path).unwrap().len(), 50_000, "what it holds may be of use to somebody");
}

#[test]
fn another_programs_file_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (a, clock) = archive(folder.path(), keep_all());
    store(&a, &made_up("a", 2), 2, vec![]);
    let stranger = listing(&a, "a")[0].path.with_file_name("holiday.mp4");
    fs::write(&stranger, b"\0\0\0\x10ftypmp42\0\0\0\0\0\0\0\x08mdat").unwrap();
    drop(a);
    let a = open_at(folder.path(), keep_all(), clock);
    assert!(stranger.exists() && listing(&a, "a").len() == 1);
}

#[test]
fn a_gap_goes_on_under_the_same_cause_and_splits_under_another() {
    let folder = tempfile::tempdir().unwrap();
    let (a, clock) = archive(folder.path(), keep_all());
    let (camera, main) = (cam("a"), StreamKind::Main);
    let at = |s: u64| START + Duration::from_secs(s);
    a.gap_begins(&camera, main, at(0), GapCause::CameraLost, "refused").unwrap();
    a.gap_begins(&camera, main, at(3), GapCause::CameraLost, "refused again").unwrap();
    a.gap_begins(&camera, main, at(5), GapCause::Disk, "full").unwrap();
    let past = a.gap_ends(&camera, main, at(9)).unwrap();
    let past: Vec<_> = past.iter().map(|g| (g.span(), g.cause)).collect();
    let span = |from, to| WallSpan::new(at(from), at(to));
    assert_eq!(past, [(span(0, 5), GapCause::CameraLost), (span(5, 9), GapCause::Disk)]);
    // The write fails again: the same gap goes on.
    a.gap_begins(&camera, main, at(9), GapCause::Disk, "full").unwrap();
    clock.advance(Duration::from_secs(12));
    assert_eq!(gaps(&a, "a"), ["0.0..5.0 camera_lost", "5.0..12.0 disk open"]);
}

#[test]
fn a_rebuilt_index_knows_what_retention_had_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let (a, clock) = archive(folder.path(), keep_all());
    let told = |from: u64, to: u64, cause| PastGap {
        start_us: START.micros() + from as i64 * 1_000_000,
        end_us: START.micros() + to as i64 * 1_000_000,
        cause,
        note: "told".into(),
    };
    // What was recorded before 14 s is gone; the first file that is left tells since when it was expected.
    a.expect(&cam("a"), StreamKind::Main, START).unwrap();
    store(&a, &again(&made_up("a", 4), Duration::from_secs(20), 2), 2, vec![told(14, 20, GapCause::Network)]);
    drop(a);
    fs::remove_file(folder.path().join("index.db")).unwrap();
    clock.advance(Duration::from_secs(30));
    let a = open_at(folder.path(), keep_all(), clock);
    assert_eq!(gaps(&a, "a"), ["0.0..14.0 retention", "14.0..20.0 network", "24.0..30.0 server_down open"]);
    assert!(a.segments(&cam("a"), StreamKind::Main, ALWAYS).unwrap().iter().all(|r| !r.open));
}
