//! Exports as other programs see them.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use super::{Error, Form, export, playlist};
use crate::archive::Archive;
use crate::archive::testing::{
    ALWAYS, START, again, archive, cam, decodes, footage, keep_all, listing, made_up, store, tool,
};
use crate::base::{Kind, StreamKind, WallSpan};
use crate::media::EncodedUnit;

fn secs(from: u64, to: u64) -> WallSpan {
    WallSpan::new(START + Duration::from_secs(from), START + Duration::from_secs(to))
}

/// Exports `span` into a file and returns what the export says it holds.
fn write(archive: &Archive, span: WallSpan, path: &Path) -> WallSpan {
    let e = export(archive, &cam("gate"), StreamKind::Main, span).unwrap();
    let mut bytes = Vec::new();
    for piece in e.reader {
        bytes.extend_from_slice(&piece.unwrap());
    }
    assert_eq!(bytes.len() as u64, e.bytes, "the length told before is not the length delivered");
    std::fs::write(path, bytes).unwrap();
    e.span
}

fn probe(path: &Path, what: &str) -> Option<String> {
    let args = format!("-v error -count_frames -select_streams v -show_entries {what} -of csv=p=0");
    let args: Vec<&str> = args.split(' ').chain([path.to_str().unwrap()]).collect();
    tool("ffprobe", &args).map(|said| said.unwrap().trim().trim_end_matches(',').to_owned())
}

fn check_range(clip: &str, gop: Duration) {
    let Some(units) = footage(clip, 16) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (archive, _) = archive(folder.path(), keep_all());
    store(&archive, &units, 2, vec![]);
    let path = folder.path().join("out.mp4");
    let asked = secs(5, 11);
    let got = write(&archive, asked, &path);
    assert!(got.start <= asked.start && asked.start.since(got.start) <= gop, "{clip}: {got:?}");
    assert!(got.end >= asked.end && got.end.since(asked.end) <= gop, "{clip}: {got:?}");
    decodes(&path);
    let inside = |u: &&EncodedUnit| u.is_video() && got.contains(u.received + Duration::from_millis(1));
    let frames = units.iter().filter(inside).count().to_string();
    let Some(said) = probe(&path, "stream=nb_read_frames") else { return };
    assert_eq!(said, frames, "{clip}");
    assert_eq!(probe(&path, "stream=start_time").unwrap(), "0.000000", "{clip}");
    let length: f64 = probe(&path, "format=duration").unwrap().parse().unwrap();
    assert!((length - got.duration().as_secs_f64()).abs() < 0.2, "{clip}: {length} s");
    let created = probe(&path, "format_tags=creation_time").unwrap();
    assert!(created.starts_with(&got.start.to_string()[..19]), "{clip}: {created}");
}

#[test]
fn a_range_is_exported_to_within_one_gop_and_plays() {
    check_range("people-detection-768x432.mp4", Duration::from_secs(2));
    check_range("people-detection-1080p25-h265.mp4", Duration::from_secs(2));
    check_range("one-by-one-person-detection.mp4", Duration::from_secs(1));
}

#[test]
fn a_gap_keeps_the_time_line_true_to_the_wall_clock() {
    let Some(units) = footage("people-detection-768x432.mp4", 4) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (archive, _) = archive(folder.path(), keep_all());
    store(&archive, &units, 9, vec![]);
    store(&archive, &again(&units, Duration::from_secs(10), 2), 9, vec![]);
    let path = folder.path().join("out.mp4");
    let got = write(&archive, secs(0, 60), &path);
    assert_eq!(got.duration().as_secs(), 14);
    decodes(&path);
    let Some(times) = probe(&path, "packet=pts_time") else { return };
    let times: Vec<f64> = times.lines().map(|l| l.trim_end_matches(',').parse().unwrap()).collect();
    assert_eq!(times.len(), units.len() * 2);
    assert_eq!((times[0], times[units.len()]), (0.0, 10.0), "the second run is not at its own time");
}

#[test]
fn nothing_in_range_names_the_nearest_recording() {
    let folder = tempfile::tempdir().unwrap();
    let (archive, _) = archive(folder.path(), keep_all());
    store(&archive, &made_up("gate", 10), 5, vec![]);
    let ask = |span| export(&archive, &cam("gate"), StreamKind::Main, span).unwrap_err();
    match ask(secs(50, 60)) {
        Error::NotRecorded { nearest, .. } => assert_eq!(nearest, Some(secs(5, 10))),
        other => panic!("{other}"),
    }
    assert_eq!(ask(secs(50, 60)).kind(), Kind::NotFound);
    assert_eq!(ask(secs(60, 50)).kind(), Kind::Invalid);
    let unknown = export(&archive, &cam("roof"), StreamKind::Main, secs(0, 5)).unwrap_err();
    assert!(unknown.to_string().contains("camera roof"), "{unknown}");
}

#[test]
fn a_change_of_format_is_told_with_its_time() {
    let Some(units) = footage("people-detection-768x432.mp4", 4) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (archive, _) = archive(folder.path(), keep_all());
    store(&archive, &units, 9, vec![]);
    store(&archive, &again(&made_up("gate", 3), Duration::from_secs(6), 2), 9, vec![]);
    let e = export(&archive, &cam("gate"), StreamKind::Main, secs(0, 60)).unwrap_err();
    assert!(matches!(e, Error::FormatChanged { at, .. } if at == START + Duration::from_secs(6)), "{e}");
}

#[test]
fn small_reads_give_the_same_bytes_as_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let (archive, _) = archive(folder.path(), keep_all());
    store(&archive, &made_up("gate", 10), 5, vec![]);
    let all = || export(&archive, &cam("gate"), StreamKind::Main, secs(0, 10)).unwrap();
    let pieces: Vec<u8> = all().reader.flat_map(|p| p.unwrap()).collect();
    let mut reader = all().reader;
    let (mut read, mut some) = (Vec::new(), [0; 7]);
    loop {
        match reader.read(&mut some).unwrap() {
            0 => break,
            n => read.extend_from_slice(&some[..n]),
        }
    }
    assert!(read == pieces);
}

#[test]
fn a_playlist_over_several_segments_decodes_without_an_error() {
    let Some(units) = footage("people-detection-768x432.mp4", 12) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (archive, _) = archive(folder.path(), keep_all());
    store(&archive, &units, 2, vec![]);
    let rows = listing(&archive, "gate");
    assert!(rows.len() > 2);
    let text = playlist(&rows, ALWAYS, Form::Vod, |r| r.path.to_string_lossy().into_owned());
    let path = folder.path().join("list.m3u8");
    std::fs::write(&path, text).unwrap();
    decodes(&path);
    let Some(frames) = probe(&path, "stream=nb_read_frames") else { return };
    assert_eq!(frames.lines().next().unwrap().trim_end_matches(','), units.len().to_string());
}
