//! HLS media playlists (RFC 8216) over the segment files as they lie: byte ranges, no copies.

use std::fmt::Write;

use crate::archive::{RunId, SegmentRow};
use crate::base::{Wall, WallSpan};

/// What sort of playlist.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// A range that is over.
    Vod,
    /// It grows at its end, for as long as it is asked for with the same start.
    Event,
    /// As [`Form::Event`], but shows only the newest entries. The start must stay the same from one
    /// call to the next, because entries are counted from it.
    Sliding { entries: usize },
}

/// One entry: a GOP, or what is there of it.
struct Entry<'a> {
    row: &'a SegmentRow,
    offset: u64,
    bytes: u64,
    ticks: u64,
    start: Wall,
    /// It does not continue the time line of the entry before.
    breaks: bool,
    key: bool,
}

/// Media playlist of what `rows` (one stream, by start) hold of `span`, from the key at or before its
/// start to the end of the fragment at its end. `uri` names a segment's file for the client.
pub fn playlist(
    rows: &[SegmentRow],
    span: WallSpan,
    form: Form,
    uri: impl Fn(&SegmentRow) -> String,
) -> String {
    let all = entries(rows, span, form == Form::Vod);
    let skipped = match form {
        Form::Sliding { entries } => all.len().saturating_sub(entries),
        _ => 0,
    };
    // RFC 8216 §4.3.3.1: at least each duration, rounded to the nearest second.
    let target = all.iter().map(|e| seconds(e.ticks).round() as u64).max().unwrap_or(1).max(1);
    let mut out = format!("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{target}\n");
    let _ = writeln!(out, "#EXT-X-MEDIA-SEQUENCE:{skipped}");
    match form {
        Form::Vod => out += "#EXT-X-PLAYLIST-TYPE:VOD\n",
        Form::Event => out += "#EXT-X-PLAYLIST-TYPE:EVENT\n",
        Form::Sliding { .. } => {
            let breaks = all[..skipped].iter().filter(|e| e.breaks).count();
            let _ = writeln!(out, "#EXT-X-DISCONTINUITY-SEQUENCE:{breaks}");
        }
    }
    if all.iter().all(|e| e.key) {
        out += "#EXT-X-INDEPENDENT-SEGMENTS\n";
    }
    let mut last = None;
    for e in &all[skipped..] {
        write_entry(&mut out, e, last != Some(e.row.id), &uri(e.row));
        last = Some(e.row.id);
    }
    if form == Form::Vod {
        out += "#EXT-X-ENDLIST\n";
    }
    out
}

fn write_entry(out: &mut String, e: &Entry<'_>, new_file: bool, uri: &str) {
    if e.breaks {
        *out += "#EXT-X-DISCONTINUITY\n";
    }
    if new_file {
        let _ = writeln!(out, "#EXT-X-MAP:URI=\"{uri}\",BYTERANGE=\"{}@0\"", e.row.header_bytes);
    }
    if new_file || e.breaks {
        let _ = writeln!(out, "#EXT-X-PROGRAM-DATE-TIME:{}", e.start);
    }
    let _ =
        writeln!(out, "#EXTINF:{:.5},\n#EXT-X-BYTERANGE:{}@{}\n{uri}", seconds(e.ticks), e.bytes, e.offset);
}

fn seconds(ticks: u64) -> f64 {
    ticks as f64 / 90_000.0
}

/// `whole_gops`: fragments that continue a GOP are joined to it, so that a player can seek to every
/// entry. Not where more may follow, because a published entry must not change.
fn entries(rows: &[SegmentRow], span: WallSpan, whole_gops: bool) -> Vec<Entry<'_>> {
    let mut found: Vec<Entry<'_>> = Vec::new();
    let mut before: Option<(RunId, u64)> = None;
    for row in rows {
        for f in row.wanted(span) {
            let continues = before == Some((row.run, f.media_start_90k));
            before = Some((row.run, f.media_start_90k + f.duration_90k as u64));
            match found.last_mut() {
                Some(e) if whole_gops && !f.key && continues && e.row.id == row.id => {
                    e.bytes += f.bytes as u64;
                    e.ticks += f.duration_90k as u64;
                }
                last => {
                    let breaks = last.is_some() && !continues;
                    found.push(Entry {
                        row,
                        offset: f.offset,
                        bytes: f.bytes as u64,
                        ticks: f.duration_90k as u64,
                        start: f.start,
                        breaks,
                        key: f.key,
                    });
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::{FragmentRef, SegmentId};
    use crate::base::{CameraId, StreamKind};

    fn wall(s: i64) -> Wall {
        Wall::from_secs(1_700_000_000 + s)
    }

    /// Fragments as (start second, seconds, key), one after the other on the media time line.
    fn row(id: i64, run: u128, seq: u32, media: u64, fragments: &[(i64, u32, bool)]) -> SegmentRow {
        let (mut offset, mut media) = (100, media);
        let fragments: Vec<FragmentRef> = fragments
            .iter()
            .map(|(at, secs, key)| {
                let f = FragmentRef {
                    offset,
                    bytes: 10,
                    start: wall(*at),
                    duration_90k: secs * 90_000,
                    media_start_90k: media,
                    frames: 1,
                    key: *key,
                };
                (offset, media) = (offset + 10, media + f.duration_90k as u64);
                f
            })
            .collect();
        SegmentRow {
            id: SegmentId(id),
            camera: CameraId::new("c").unwrap(),
            stream: StreamKind::Main,
            run: RunId(uuid::Uuid::from_u128(run)),
            seq_in_run: seq,
            span: WallSpan::new(fragments[0].start, fragments[fragments.len() - 1].span().end),
            path: "".into(),
            bytes: offset,
            header_bytes: 100,
            width: 1,
            height: 1,
            codecs: String::new(),
            fragments,
            open: false,
        }
    }

    fn rows() -> Vec<SegmentRow> {
        vec![
            row(1, 1, 0, 0, &[(0, 2, true), (2, 2, true)]),
            row(2, 1, 1, 4 * 90_000, &[(4, 2, true), (6, 3, false)]),
            row(3, 2, 0, 0, &[(20, 2, true)]),
        ]
    }

    #[test]
    fn a_range_is_a_list_of_byte_ranges_with_breaks_at_run_changes_only() {
        let text =
            playlist(&rows(), WallSpan::new(wall(3), wall(30)), Form::Vod, |r| format!("s{}.mp4", r.id));
        assert_eq!(
            text,
            "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:5\n#EXT-X-MEDIA-SEQUENCE:0\n\
             #EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-INDEPENDENT-SEGMENTS\n\
             #EXT-X-MAP:URI=\"s1.mp4\",BYTERANGE=\"100@0\"\n#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:22.000Z\n\
             #EXTINF:2.00000,\n#EXT-X-BYTERANGE:10@110\ns1.mp4\n\
             #EXT-X-MAP:URI=\"s2.mp4\",BYTERANGE=\"100@0\"\n#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:24.000Z\n\
             #EXTINF:5.00000,\n#EXT-X-BYTERANGE:20@100\ns2.mp4\n\
             #EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"s3.mp4\",BYTERANGE=\"100@0\"\n\
             #EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:40.000Z\n\
             #EXTINF:2.00000,\n#EXT-X-BYTERANGE:10@100\ns3.mp4\n#EXT-X-ENDLIST\n"
        );
    }

    #[test]
    fn a_sliding_list_counts_what_it_left_out() {
        let all = WallSpan::new(wall(0), wall(100));
        let text = playlist(&rows(), all, Form::Sliding { entries: 1 }, |_| "s".into());
        assert!(text.contains("#EXT-X-MEDIA-SEQUENCE:4\n"), "{text}");
        assert!(!text.contains("ENDLIST") && text.contains("#EXT-X-DISCONTINUITY\n"), "{text}");
        let event = playlist(&rows(), all, Form::Event, |_| "s".into());
        assert_eq!(event.matches("#EXTINF").count(), 5, "a live list never joins fragments: {event}");
    }

    #[test]
    fn a_range_that_begins_within_a_gop_begins_with_its_key() {
        let span = WallSpan::new(wall(7), wall(8));
        let text = playlist(&rows(), span, Form::Vod, |_| "s".into());
        assert!(text.contains("#EXT-X-BYTERANGE:20@100"), "{text}");
    }
}
