//! The recorder on a real disk with real footage.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rand::{Rng, SeedableRng, rngs::StdRng};

use super::disk::{Disk, RealDisk};
use super::{Recorder, RecorderHandle, Settings};
use crate::archive::fmp4::{BLOCK, read_moof};
use crate::archive::testing::{
    START, again, archive, cam, decodes, footage, gaps, keep_all, listing, open_at, open_disks,
};
use crate::archive::testing::{made_up, tool};
use crate::archive::{Archive, DiskId};
use crate::base::task::Tasks;
use crate::base::{Clock, SimClock, StreamKind};
use crate::camera::{GapCause, StreamEvent, StreamWhat};
use crate::media::EncodedUnit;

struct Bench {
    folder: tempfile::TempDir,
    archive: Arc<Archive>,
    clock: Arc<SimClock>,
    tasks: Tasks,
    recorder: RecorderHandle,
}

impl Bench {
    fn new(disk: impl Disk, segment: u64) -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let (archive, clock) = archive(folder.path(), keep_all());
        let b = Bench::on(vec![Box::new(disk)], segment, folder, archive, clock);
        b.recorder.expect(cam("gate"), StreamKind::Main);
        b
    }

    /// A recorder on two disks, which expects nothing yet.
    fn with_two(disks: [Box<dyn Disk>; 2]) -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SimClock::new(START));
        let archive = open_disks(folder.path(), &["other"], keep_all(), clock.clone());
        Bench::on(disks.into(), 60, folder, archive, clock)
    }

    fn on(
        disks: Vec<Box<dyn Disk>>,
        segment: u64,
        folder: tempfile::TempDir,
        archive: Arc<Archive>,
        clock: Arc<SimClock>,
    ) -> Bench {
        let tasks = Tasks::root("test");
        let settings = Settings { segment: Duration::from_secs(segment), ..Settings::default() };
        let recorder = Recorder::start_on(disks, settings, archive.clone(), clock.clone(), &tasks).unwrap();
        Bench { folder, archive, clock, tasks, recorder }
    }

    /// Record a camera on the disk of this number.
    fn expect_on(&self, disk: usize, camera: &str) {
        self.archive.disks().set_home(&cam(camera), StreamKind::Main, DiskId(disk));
        self.recorder.expect(cam(camera), StreamKind::Main);
    }

    fn play(&self, units: &[EncodedUnit]) {
        play(&self.recorder, units);
    }

    fn lost(&self, after: u64) {
        let what = StreamWhat::Lost { cause: GapCause::CameraLost, message: "connection refused".into() };
        let at = START + Duration::from_secs(after);
        self.recorder.event(&StreamEvent { camera: cam("gate"), stream: StreamKind::Main, at, what });
    }

    async fn stop(&self) {
        assert_eq!(self.tasks.stop_and_join(Duration::from_secs(60)).await, []);
        self.clock.advance(Duration::from_secs(60));
    }
}

/// The disk of the tests' folders.
fn real() -> RealDisk {
    RealDisk::new(&std::env::temp_dir())
}

fn play(recorder: &RecorderHandle, units: &[EncodedUnit]) {
    units.iter().for_each(|u| recorder.inlet(&u.camera, u.stream).unit(u.clone()));
}

fn videos(units: &[EncodedUnit]) -> usize {
    units.iter().filter(|u| u.is_video()).count()
}

/// Records a clip in segments of 4 s and looks at what another program makes of the files.
async fn check_clip(name: &str, seconds: i64) {
    let Some(units) = footage(name, seconds) else { return };
    let b = Bench::new(real(), 4);
    b.play(&units);
    b.stop().await;
    let rows = listing(&b.archive, "gate");
    assert!(rows.len() > 1, "{name} is one segment only");
    let frames: usize = rows.iter().flat_map(|r| &r.fragments).map(|f| f.frames as usize).sum();
    assert_eq!(frames, videos(&units), "{name} lost pictures");
    for (seq, row) in rows.iter().enumerate() {
        assert_eq!((row.seq_in_run as usize, row.run, row.open), (seq, rows[0].run, false));
        assert_eq!(fs::metadata(&row.path).unwrap().len(), row.bytes);
        let begins = row.fragments.iter().map(|f| f.offset).chain([row.header_bytes, row.bytes]);
        assert!(begins.into_iter().all(|at| at.is_multiple_of(BLOCK as u64)), "{row:?}");
        decodes(&row.path);
        let path = row.path.to_str().unwrap();
        let args = "-v error -count_frames -select_streams v -show_entries stream=nb_read_frames -of csv=p=0";
        let args: Vec<&str> = args.split(' ').chain([path]).collect();
        let Some(counted) = tool("ffprobe", &args) else { return };
        let counted: u32 = counted.unwrap().trim().trim_end_matches(',').parse().unwrap();
        assert_eq!(counted, row.fragments.iter().map(|f| f.frames).sum::<u32>(), "{path}");
    }
    // The time line of a run goes on from file to file, by the wall clock as by the media.
    for pair in rows.windows(2) {
        let last = pair[0].fragments.last().unwrap();
        let next = &pair[1].fragments[0];
        assert_eq!(last.media_start_90k + last.duration_90k as u64, next.media_start_90k);
        assert_eq!(pair[0].span.end.since(pair[1].span.start), Duration::ZERO);
    }
    assert_eq!(gaps(&b.archive, "gate"), [] as [&str; 0], "{name}");
}

#[tokio::test]
async fn h264_is_recorded_whole_and_decodes() {
    check_clip("people-detection-768x432.mp4", 15).await;
}

#[tokio::test]
async fn h265_is_recorded_whole_and_decodes() {
    check_clip("people-detection-1080p25-h265.mp4", 9).await;
}

#[tokio::test]
async fn b_frames_keep_their_order() {
    check_clip("one-by-one-person-detection.mp4", 15).await;
}

#[tokio::test]
async fn sound_is_recorded_beside_the_picture() {
    check_clip("car-detection.mp4", 15).await;
    let Some(units) = footage("car-detection.mp4", 6) else { return };
    let b = Bench::new(real(), 60);
    b.play(&units);
    b.stop().await;
    let row = listing(&b.archive, "gate").pop().unwrap();
    assert!(row.codecs.contains("mp4a.40"), "{}", row.codecs);
    decodes(&row.path);
    let args = "-v error -count_packets -select_streams a -show_entries stream=nb_read_packets -of csv=p=0";
    let args: Vec<&str> = args.split(' ').chain([row.path.to_str().unwrap()]).collect();
    let Some(counted) = tool("ffprobe", &args) else { return };
    let counted: usize = counted.unwrap().trim().trim_end_matches(',').parse().unwrap();
    assert_eq!(counted, units.len() - videos(&units));
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test]
async fn a_file_cut_at_any_byte_loses_its_open_fragment_only() {
    let Some(units) = footage("worker-zone-detection-480x270.mp4", 6) else { return };
    let b = Bench::new(real(), 60);
    b.play(&units);
    b.stop().await;
    let row = listing(&b.archive, "gate").pop().unwrap();
    let name = row.path.strip_prefix(b.folder.path()).unwrap();
    let bytes = fs::read(&row.path).unwrap();
    let mut rng = StdRng::seed_from_u64(7);
    // Of each fragment, where its media data ends and where its padding does.
    let file = File::open(&row.path).unwrap();
    let end = |at: u64| read_moof(&file, at, row.bytes).unwrap().unwrap().end;
    let ends: Vec<(u64, u64)> =
        row.fragments.iter().map(|f| (end(f.offset), f.offset + f.bytes as u64)).collect();
    let near = ends.iter().flat_map(|(m, e)| [m - 1, *m, m + 1, m + 8, e - 1, *e, e + 1, e + 8, e + 33]);
    // A disk writes whole blocks.
    let blocks = (0..20).map(|_| rng.random_range(0..bytes.len() / BLOCK) * BLOCK);
    let blocks: Vec<u64> = blocks.map(|b| b as u64).collect();
    let cuts = near.chain(blocks).chain((0..60).map(|_| rng.random_range(0..bytes.len() as u64)));
    for (i, cut) in cuts.filter(|c| *c <= bytes.len() as u64).enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &bytes[..cut as usize]).unwrap();
        let again = open_at(folder.path(), keep_all(), b.clock.clone());
        let whole = ends.iter().filter(|(media, _)| *media <= cut).count();
        let mut expected = row.fragments[..whole].to_vec();
        if let (Some(last), Some((media, end))) = (expected.last_mut(), ends[..whole].last())
            && *end > cut
        {
            last.bytes = (media - last.offset) as u32;
        }
        let found = listing(&again, "gate");
        let fragments = found.first().map_or(&[] as &[_], |r| &r.fragments);
        assert_eq!(fragments, expected, "cut at {cut}");
        assert_eq!(path.exists(), whole > 0, "cut at {cut}");
        if whole > 0 {
            let last = expected[whole - 1];
            let left = fs::metadata(&path).unwrap().len();
            assert_eq!(left, last.offset + last.bytes as u64, "a torn end stays at {cut}");
            if i % 8 == 0 {
                decodes(&path);
            }
        }
    }
}

#[test]
fn a_disk_that_refuses_direct_writes_is_written_through_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let mut disk = RealDisk::new(folder.path());
    let is_direct = |f: &File| rustix::fs::fcntl_getfl(f).unwrap().contains(rustix::fs::OFlags::DIRECT);
    let file = disk.create(&folder.path().join("a")).unwrap();
    if !is_direct(&file) {
        eprintln!("skipped: the file system of {} knows no O_DIRECT", folder.path().display());
        return;
    }
    // Half of a block is what no disk takes directly.
    let bytes = vec![7; BLOCK / 8 + 1];
    disk.write(&file, &bytes, 0).unwrap();
    assert_eq!(fs::read(folder.path().join("a")).unwrap(), bytes);
    assert!(!is_direct(&file), "its next write would be refused too");
    let next = disk.create(&folder.path().join("b")).unwrap();
    assert!(!is_direct(&next));
    disk.write(&next, &bytes, 0).unwrap();
}

#[tokio::test]
async fn a_lost_index_is_rebuilt_with_all_gaps() {
    let b = Bench::new(real(), 4);
    let units = made_up("gate", 10);
    b.play(&units);
    b.lost(10);
    b.play(&again(&units, Duration::from_secs(15), 2));
    b.lost(25);
    b.play(&again(&units, Duration::from_secs(40), 3));
    b.stop().await;
    let (rows, before) = (listing(&b.archive, "gate"), gaps(&b.archive, "gate"));
    assert_eq!(rows.len(), 9);
    assert_eq!(before, ["10.0..15.0 camera_lost", "25.0..40.0 camera_lost"]);
    for damage in [|p: &Path| fs::remove_file(p).unwrap(), |p: &Path| fs::write(p, [7; 5000]).unwrap()] {
        let copy = tempfile::tempdir().unwrap();
        copy_tree(&b.folder.path().join("media"), &copy.path().join("media"));
        fs::copy(b.folder.path().join("index.db"), copy.path().join("index.db")).unwrap();
        damage(&copy.path().join("index.db"));
        let found = open_at(copy.path(), keep_all(), b.clock.clone());
        let moved = |mut rows: Vec<crate::archive::SegmentRow>, root: &Path| {
            rows.iter_mut().for_each(|r| r.path = r.path.strip_prefix(root).unwrap().to_owned());
            rows
        };
        assert_eq!(
            moved(listing(&found, "gate"), copy.path()),
            moved(rows.clone(), b.folder.path()),
            "the listing differs"
        );
        let mut after = gaps(&found, "gate");
        assert_eq!(after.pop().unwrap(), "50.0..60.0 server_down open");
        assert_eq!(after, before);
    }
}

#[tokio::test]
async fn a_killed_server_finds_what_was_written_and_enters_its_own_absence() {
    let b = Bench::new(real(), 60);
    let units = made_up("gate", 6);
    b.play(&units);
    b.lost(6);
    b.play(&again(&units, Duration::from_secs(10), 2));
    b.stop().await;
    // Files as a kill leaves them: the last segment's row is open, its file has a torn end.
    let row = listing(&b.archive, "gate").pop().unwrap();
    let conn = rusqlite::Connection::open(b.folder.path().join("index.db")).unwrap();
    conn.execute(
        "UPDATE segment SET state = 0, fragments = x'01' WHERE start = ?1",
        [row.span.start.micros()],
    )
    .unwrap();
    drop(conn);
    let torn = row.fragments[4].offset + 40;
    File::options().write(true).open(&row.path).unwrap().set_len(torn).unwrap();
    let reopened = open_at(b.folder.path(), keep_all(), b.clock.clone());
    let found = listing(&reopened, "gate").pop().unwrap();
    assert_eq!(found.fragments, row.fragments[..4]);
    assert_eq!(gaps(&reopened, "gate"), ["6.0..10.0 camera_lost", "14.0..60.0 server_down open"]);
}

/// Takes some writes and refuses others, now and then after a part was written.
struct Failing {
    rng: StdRng,
    refused: Arc<AtomicU32>,
}

impl Disk for Failing {
    fn write(&mut self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        if self.rng.random_bool(0.3) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            let part = self.rng.random_range(0..bytes.len());
            file.write_all_at(&bytes[..part], at)?;
            return Err(io::Error::from_raw_os_error(28)); // ENOSPC
        }
        file.write_all_at(bytes, at)
    }
}

#[tokio::test]
async fn a_full_disk_costs_what_could_not_be_written_and_nothing_else() {
    let Some(units) = footage("people-detection-768x432.mp4", 40) else { return };
    let refused = Arc::new(AtomicU32::new(0));
    let disk = Failing { rng: StdRng::seed_from_u64(3), refused: refused.clone() };
    let b = Bench::new(disk, 8);
    b.play(&units);
    b.stop().await;
    let rows = listing(&b.archive, "gate");
    let held: usize = rows.iter().map(|r| r.fragments.len()).sum();
    let gops = units.iter().filter(|u| u.key).count();
    let refused = refused.load(Ordering::Relaxed) as usize;
    assert!(refused > 2 && held + refused == gops, "{held} of {gops} held, {refused} refused");
    for row in &rows {
        assert_eq!(fs::metadata(&row.path).unwrap().len(), row.bytes, "a torn end stays");
        decodes(&row.path);
    }
    let found = gaps(&b.archive, "gate");
    assert!(!found.is_empty() && found.iter().all(|g| g.contains(" disk")), "{found:?}");
    // Each file on the disk has a row and the other way round, and the same is read from them again.
    fs::remove_file(b.folder.path().join("index.db")).unwrap();
    let rebuilt = open_at(b.folder.path(), keep_all(), b.clock.clone());
    assert_eq!(listing(&rebuilt, "gate"), rows);
}

/// Does not write until it is told to.
struct Stuck(std::sync::mpsc::Receiver<()>);

impl Disk for Stuck {
    fn write(&mut self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        let _ = self.0.recv();
        file.write_all_at(bytes, at)
    }
}

#[tokio::test]
async fn a_stuck_disk_never_blocks_the_camera_and_the_gap_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let (archive, clock) = archive(folder.path(), keep_all());
    let tasks = Tasks::root("test");
    let (release, stuck) = std::sync::mpsc::channel();
    let settings = Settings { queue_bytes: 2000, ..Settings::default() };
    let recorder =
        Recorder::start_on(vec![Box::new(Stuck(stuck))], settings, archive.clone(), clock.clone(), &tasks)
            .unwrap();
    recorder.expect(cam("gate"), StreamKind::Main);
    // Far more than the queue takes: the calls come back although nothing is written.
    let units = made_up("gate", 100);
    play(&recorder, &units);
    drop(release);
    assert_eq!(tasks.stop_and_join(Duration::from_secs(60)).await, []);
    let held: u32 = listing(&archive, "gate").iter().flat_map(|r| &r.fragments).map(|f| f.frames).sum();
    assert!((2..200).contains(&held), "{held} pictures held");
    clock.advance(Duration::from_secs(200));
    let found = gaps(&archive, "gate");
    assert!(
        !found.is_empty() && found.iter().all(|g| g.contains("disk") || g.contains("overload")),
        "{found:?}"
    );
}

#[tokio::test]
async fn what_was_refused_before_switching_off_is_no_gap_after_switching_on() {
    let folder = tempfile::tempdir().unwrap();
    let (archive, clock) = archive(folder.path(), keep_all());
    let tasks = Tasks::root("test");
    let (release, stuck) = std::sync::mpsc::channel();
    let settings = Settings { queue_bytes: 2000, ..Settings::default() };
    let recorder =
        Recorder::start_on(vec![Box::new(Stuck(stuck))], settings, archive.clone(), clock.clone(), &tasks)
            .unwrap();
    recorder.expect(cam("gate"), StreamKind::Main);
    play(&recorder, &made_up("gate", 100));
    clock.advance(Duration::from_secs(100));
    recorder.forget(cam("gate"), StreamKind::Main, GapCause::NotConfigured);
    clock.advance(Duration::from_secs(10));
    recorder.expect(cam("gate"), StreamKind::Main);
    drop(release);
    assert_eq!(tasks.stop_and_join(Duration::from_secs(60)).await, []);
    clock.advance(Duration::from_secs(10));
    let found = gaps(&archive, "gate");
    let [before @ .., off, on] = &found[..] else { panic!("{found:?}") };
    assert_eq!((off.as_str(), on.as_str()), ("100.0..110.0 not_configured", "110.0..120.0 camera_lost open"));
    let told = |g: &String| g.contains("disk") || g.contains("overload");
    assert!(!before.is_empty() && before.iter().all(told), "{found:?}");
}

#[tokio::test]
async fn switching_off_finishes_the_segment_and_is_not_counted_as_missing() {
    let b = Bench::new(real(), 60);
    let units = made_up("gate", 5);
    b.play(&units);
    b.clock.advance(Duration::from_secs(5));
    b.recorder.forget(cam("gate"), StreamKind::Main, GapCause::NotConfigured);
    b.play(&again(&units, Duration::from_secs(5), 1));
    b.stop().await;
    assert_eq!(b.clock.now().0, Duration::from_secs(65));
    assert_eq!(gaps(&b.archive, "gate"), ["5.0..65.0 not_configured open"]);
    let span = crate::base::WallSpan::new(START, START + Duration::from_secs(100));
    let c = b.archive.coverage(&cam("gate"), StreamKind::Main, span).unwrap();
    assert_eq!((c.expected_seconds, c.recorded_seconds), (5.0, 5.0));
}

/// Tells of each write.
struct Telling(std::sync::mpsc::Sender<()>);

impl Disk for Telling {
    fn write(&mut self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        file.write_all_at(bytes, at)?;
        self.0.send(()).map_err(io::Error::other)
    }
}

#[tokio::test]
async fn a_slow_disk_delays_its_own_cameras_only() {
    let (release, stuck) = std::sync::mpsc::channel();
    let (tell, told) = std::sync::mpsc::channel();
    let b = Bench::with_two([Box::new(Stuck(stuck)), Box::new(Telling(tell))]);
    b.expect_on(0, "slow");
    b.expect_on(1, "quick");
    b.play(&made_up("slow", 10));
    b.play(&made_up("quick", 10));
    // All but the open GOP is written while the other disk writes nothing.
    (0..9).for_each(|_| told.recv_timeout(Duration::from_secs(60)).unwrap());
    assert_eq!(listing(&b.archive, "slow"), []);
    drop(release);
    b.stop().await;
    for camera in ["slow", "quick"] {
        assert_eq!(listing(&b.archive, camera)[0].fragments.len(), 10);
        assert_eq!(gaps(&b.archive, camera), [] as [&str; 0], "{camera}");
    }
}

/// Refuses all.
struct Broken;

impl Disk for Broken {
    fn write(&mut self, _: &File, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::Error::from_raw_os_error(5)) // EIO
    }
}

#[tokio::test]
async fn the_cameras_of_a_broken_disk_go_on_elsewhere_and_stay_there() {
    let b = Bench::with_two([Box::new(Broken), Box::new(real())]);
    let home = |a: &Archive| a.disks().home_of(&cam("gate"), StreamKind::Main);
    b.expect_on(0, "gate");
    let units = made_up("gate", 10);
    b.play(&units[..3]);
    while home(&b.archive) == Some(DiskId(0)) {
        std::thread::yield_now();
    }
    b.play(&units[4..]);
    b.stop().await;
    let other = b.folder.path().join("other");
    let rows = listing(&b.archive, "gate");
    assert!(rows.len() == 1 && rows[0].path.starts_with(&other), "{rows:?}");
    assert_eq!((rows[0].fragments.len(), rows[0].bytes), (8, fs::metadata(&rows[0].path).unwrap().len()));
    assert_eq!(gaps(&b.archive, "gate"), ["0.0..2.0 disk"]);

    // The next start finds it there, with its index or without.
    for lose in [false, true] {
        if lose {
            fs::remove_file(b.folder.path().join("index.db")).unwrap();
        }
        let again = open_disks(b.folder.path(), &["other"], keep_all(), b.clock.clone());
        assert_eq!((home(&again), listing(&again, "gate")), (Some(DiskId(1)), rows.clone()));
    }
    // A disk that is not mounted costs no row, and is not written to: its folder lies on another disk.
    let aside = b.folder.path().join("aside");
    fs::rename(&other, &aside).unwrap();
    fs::create_dir(&other).unwrap();
    let without = open_disks(b.folder.path(), &["other"], keep_all(), b.clock.clone());
    assert_eq!((home(&without), listing(&without, "gate")), (None, rows.clone()));
    assert_eq!(without.disks().best(|_| true), Some(DiskId(0)));
    assert_eq!(fs::read_dir(&other).unwrap().count(), 0);
    drop(without);
    fs::remove_dir(&other).unwrap();
    fs::rename(&aside, &other).unwrap();
    let back = open_disks(b.folder.path(), &["other"], keep_all(), b.clock.clone());
    assert_eq!((home(&back), listing(&back, "gate")), (Some(DiskId(1)), rows));
    assert_eq!(gaps(&back, "gate")[..1], ["0.0..2.0 disk"]);
}

#[tokio::test]
async fn new_cameras_are_spread_over_the_disks() {
    let b = Bench::with_two([Box::new(real()), Box::new(real())]);
    for camera in ["a", "b", "c", "d"] {
        b.recorder.expect(cam(camera), StreamKind::Main);
        b.play(&made_up(camera, 2));
    }
    b.stop().await;
    // Both lie on one file system here and have the same space free.
    for folder in ["media", "other"] {
        let found = fs::read_dir(b.folder.path().join(folder)).unwrap();
        assert_eq!(found.filter(|e| e.as_ref().unwrap().path().is_dir()).count(), 2, "{folder}");
    }
}
