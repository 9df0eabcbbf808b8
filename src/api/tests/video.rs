//! Segments, playlists and exports over real files.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::kit::{START, Site, camera};
use crate::api::Role;
use crate::archive::testing::{decodes, footage, made_up, store};
use crate::archive::{FragmentRef, NewSegment, RunId};
use crate::base::StreamKind;

const FROM_TO: &str = "from=2026-11-23T08:00:00Z&to=2026-11-23T08:00:10Z";

/// A file of `len` counted bytes of which the index knows `known`. Returns its address too.
fn put(site: &Site, len: usize, known: u64, open: bool) -> (String, Vec<u8>) {
    let path = site.path("recorded.mp4");
    let bytes: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
    std::fs::write(&path, &bytes).unwrap();
    let archive = &site.state.archive;
    let id = archive
        .begin(NewSegment {
            camera: camera("gate"),
            stream: StreamKind::Main,
            run: RunId(uuid::Uuid::now_v7()),
            seq_in_run: 0,
            start: START,
            path,
            header_bytes: 100,
            width: 1920,
            height: 1080,
            codecs: "avc1.64001F".into(),
        })
        .unwrap();
    archive.fragment(
        id,
        FragmentRef {
            offset: 100,
            bytes: known as u32 - 100,
            start: START,
            duration_90k: 900_000,
            media_start_90k: 0,
            frames: 250,
            key: true,
        },
    );
    if !open {
        archive.close(id).unwrap();
    }
    (format!("/api/v1/segments/{id}.mp4"), bytes)
}

#[tokio::test]
async fn a_segment_is_sent_whole_or_in_ranges() {
    let site = Site::new();
    let (address, bytes) = put(&site, 700_000, 700_000, false);
    let whole = site.get(&address).await;
    assert_eq!((whole.status.as_u16(), whole.header("content-length")), (200, "700000"));
    assert_eq!((whole.header("content-type"), whole.header("accept-ranges")), ("video/mp4", "bytes"));
    assert!(whole.body == bytes, "the bytes differ");

    let ask = async |range: &str| {
        site.ask_with(Some(Role::Viewer), &format!("GET {address}"), "", &[("range", range)]).await
    };
    for (range, expect) in
        [("bytes=5-9", 5..10), ("bytes=1000-600000", 1000..600_001), ("bytes=-3", 699_997..700_000)]
    {
        let part = ask(range).await;
        assert_eq!(part.status, 206);
        let shown = format!("bytes {}-{}/700000", expect.start, expect.end - 1);
        assert_eq!(part.header("content-range"), shown);
        assert!(part.body == bytes[expect], "{range}: the bytes differ");
    }
    let refused = ask("bytes=700000-").await;
    refused.problem(416);
    assert_eq!(refused.header("content-range"), "bytes */700000");
    let tag = [("if-none-match", whole.header("etag"))];
    let again = site.ask_with(Some(Role::Viewer), &format!("GET {address}"), "", &tag).await;
    assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));
}

#[tokio::test]
async fn a_browser_never_shows_an_old_segment_for_a_new_one_of_its_number() {
    // As before and after an index is rebuilt: the same number and length, another run.
    let (before, after) = (Site::new(), Site::new());
    let (address, _) = put(&before, 500, 500, false);
    assert_eq!(put(&after, 500, 500, false).0, address);
    let kept = before.get(&address).await;
    assert_eq!(kept.header("cache-control"), "private, no-cache");
    let tag = [("if-none-match", kept.header("etag"))];
    let new = after.ask_with(Some(Role::Viewer), &format!("GET {address}"), "", &tag).await;
    assert_eq!(new.status, 200);
}

#[tokio::test]
async fn of_a_growing_segment_only_whole_fragments_are_seen() {
    let site = Site::new();
    let (address, _) = put(&site, 5000, 3000, true);
    let whole = site.get(&address).await;
    assert_eq!((whole.body.len(), whole.header("cache-control")), (3000, "private, no-cache"));
    let range = [("range", "bytes=2990-4000")];
    let part = site.ask_with(Some(Role::Viewer), &format!("GET {address}"), "", &range).await;
    assert_eq!(part.header("content-range"), "bytes 2990-2999/3000");
    let range = [("range", "bytes=3000-3001")];
    site.ask_with(Some(Role::Viewer), &format!("GET {address}"), "", &range).await.problem(416);
}

#[tokio::test]
async fn what_retention_took_is_told_as_gone() {
    let site = Site::new();
    let (address, _) = put(&site, 500, 500, false);
    std::fs::remove_file(site.path("recorded.mp4")).unwrap();
    assert!(site.get(&address).await.problem(404).contains("retention"));
    assert!(site.get("/api/v1/segments/4711.mp4").await.problem(404).contains("retention"));
}

#[tokio::test]
async fn playlists_point_to_segments_that_are_there() {
    let site = Site::new();
    let playback = format!("/api/v1/cameras/gate/playback.m3u8?{FROM_TO}");
    let detail = site.get(&playback).await.problem(404);
    assert!(detail.contains("/api/v1/recordings"), "{detail}");
    site.get("/api/v1/cameras/gate/live.m3u8").await.problem(404);
    put(&site, 500, 500, true);
    site.clock.advance(Duration::from_secs(10));
    let master = site.get("/api/v1/cameras/gate/live.m3u8").await.text().to_owned();
    assert!(master.contains("BANDWIDTH=320,CODECS=\"avc1.64001F\",RESOLUTION=1920x1080\n"), "{master}");
    let media = format!("/api/v1/cameras/gate/{}", master.lines().last().unwrap());
    for (path, live) in [(&playback, false), (&media, true)] {
        let list = site.get(path).await;
        assert_eq!(list.header("content-type"), "application/vnd.apple.mpegurl", "{}", list.text());
        assert_eq!(list.text().contains("#EXT-X-ENDLIST"), !live);
        let uri = list.text().lines().find(|l| l.starts_with("/api")).unwrap();
        assert_eq!(site.get(uri).await.status, 200);
    }
    // An hour later there is nothing live, but still the recording.
    site.clock.advance(Duration::from_secs(3600));
    assert!(site.get("/api/v1/cameras/gate/live.m3u8").await.problem(404).contains("online"));
    assert_eq!(site.get(&playback).await.status, 200);
}

#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl io::Write for Said {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_live_viewing_is_audited_once_however_often_the_player_asks() {
    let site = Site::new();
    put(&site, 500, 500, true);
    site.clock.advance(Duration::from_secs(10));
    let said = Said::default();
    let writer = said.clone();
    let log = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _here = tracing::subscriber::set_default(log);
    let master = site.get("/api/v1/cameras/gate/live.m3u8").await.text().to_owned();
    let media = format!("/api/v1/cameras/gate/{}", master.lines().last().unwrap());
    for _ in 0..3 {
        assert_eq!(site.get(&media).await.status, 200);
    }
    let said = String::from_utf8(said.0.lock().unwrap().clone()).unwrap();
    let lines = said.lines().filter(|l| l.contains("audit") && l.contains("action=\"live\"")).count();
    assert_eq!(lines, 1, "{said}");
}

/// The begin of what `archive::testing` stores.
const FOOTAGE: &str = "from=2027-01-15T08:00:00Z&to=2027-01-15T08:00:06Z";

#[tokio::test]
async fn an_export_is_named_after_camera_and_times() {
    let site = Site::new();
    let path = format!("/api/v1/cameras/gate/export.mp4?{FOOTAGE}");
    site.get(&path).await.problem(404);
    store(&site.state.archive, &made_up("gate", 10), 4, vec![]);
    let file = site.get(&path).await;
    assert_eq!(file.status, 200);
    assert_eq!(
        file.header("content-disposition"),
        "attachment; filename=\"gate_20270115T080000Z_20270115T080006Z.mp4\""
    );
    assert_eq!(file.header("content-type"), "video/mp4");
    assert_eq!(file.header("content-length"), file.body.len().to_string());
    assert_eq!(&file.body[4..8], b"ftyp");
}

#[tokio::test]
async fn exports_and_playlists_of_real_footage_decode() {
    let Some(units) = footage("people-detection-768x432.mp4", 10) else { return };
    let site = Site::new();
    store(&site.state.archive, &units, 2, vec![]);
    let camera = &units[0].camera;
    let file = site.get(&format!("/api/v1/cameras/{camera}/export.mp4?{FOOTAGE}")).await;
    assert_eq!(file.status, 200, "{}", String::from_utf8_lossy(&file.body));
    let export = site.dir.path().join("export.mp4");
    std::fs::write(&export, &file.body).unwrap();
    decodes(&export);

    // As a player does: the header and the byte ranges of each file, in the list's order.
    let list = site.get(&format!("/api/v1/cameras/{camera}/playback.m3u8?{FOOTAGE}")).await;
    let (mut range, mut played, mut fragments) = (String::new(), Vec::new(), 0);
    let bytes_of = |text: &str| {
        let (len, at) = text.split_once('@').unwrap();
        let (len, at): (u64, u64) = (len.parse().unwrap(), at.parse().unwrap());
        format!("bytes={at}-{}", at + len - 1)
    };
    for line in list.text().lines() {
        let (uri, asked) = if let Some(map) = line.strip_prefix("#EXT-X-MAP:URI=\"") {
            let (uri, rest) = map.split_once('"').unwrap();
            (uri, bytes_of(rest.trim_start_matches(",BYTERANGE=\"").trim_end_matches('"')))
        } else if let Some(text) = line.strip_prefix("#EXT-X-BYTERANGE:") {
            range = bytes_of(text);
            continue;
        } else if line.starts_with('/') {
            fragments += 1;
            (line, range.clone())
        } else {
            continue;
        };
        let request = format!("GET {uri}");
        let part = site.ask_with(Some(Role::Viewer), &request, "", &[("range", &asked)]).await;
        assert_eq!(part.status, 206, "{line}");
        played.extend_from_slice(&part.body);
    }
    assert!(fragments >= 3, "{}", list.text());
    let stream = site.dir.path().join("played.mp4");
    std::fs::write(&stream, &played).unwrap();
    decodes(&stream);
}

#[tokio::test]
async fn coverage_counts_expected_and_recorded_seconds() {
    let site = Site::new();
    site.state.archive.expect(&camera("gate"), StreamKind::Main, START).unwrap();
    put(&site, 500, 500, false);
    site.clock.advance(Duration::from_secs(120));
    let ledger = site
        .get("/api/v1/recordings?camera=gate&from=2026-11-23T08:00:00Z&to=2026-11-23T16:01:00%2B08:00")
        .await
        .json();
    assert_eq!(
        (ledger["expected_seconds"].as_f64(), ledger["recorded_seconds"].as_f64()),
        (Some(60.0), Some(10.0))
    );
    assert_eq!(ledger["recorded"][0]["to"], "2026-11-23T08:00:10.000Z");
    let camera = site.get("/api/v1/cameras/gate").await.json();
    assert_eq!(camera["recordings"][0]["from"], "2026-11-23T08:00:00.000Z");
}

#[tokio::test]
async fn a_range_comes_over_a_real_socket() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let site = Site::new();
    let (file, bytes) = put(&site, 700_000, 700_000, false);
    let (address, server) = site.listen().await;
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET {file} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nRange: bytes=100-599999\r\n\
         Connection: close\r\n\r\n",
        site.secret(Role::Viewer)
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    let head = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 206 "));
    assert!(answer[head + 4..] == bytes[100..600_000]);
    site.state.stop.cancel();
    server.await.unwrap();
}
