//! The server against clients of others: retina in this process, ffmpeg beside it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use retina::client::{Credentials, Demuxed, PlayOptions, Session, SessionOptions, SetupOptions, Transport};
use retina::codec::{CodecItem, FrameFormat};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::base::SystemClock;
use crate::base::task::Tasks;
use crate::bench::clip::Clip;
use crate::bench::encode::{EncodeSettings, encode};
use crate::media::{Codec, I420};

const PATIENCE: Duration = Duration::from_secs(20);

/// Half a second of noise at 100 pictures per second with a keyframe every 10; keyframes are many
/// packets long.
fn noise(codec: Codec) -> Arc<Clip> {
    let settings = EncodeSettings {
        codec,
        width: 256,
        height: 128,
        fps: 100,
        bitrate: 8_000_000,
        gop: 10,
        fill: false,
        ..EncodeSettings::main()
    };
    let frame = |i: usize| {
        let noise = (0..256 * 192u32)
            .map(|p| (p.wrapping_add(i as u32 * 77).wrapping_mul(2_654_435_761) >> 26) as u8);
        I420::packed(256, 128, noise.collect()).unwrap()
    };
    Arc::new(encode("noise", &settings, 50, frame).unwrap())
}

async fn serve(change: impl FnOnce(&mut SimOptions), mounts: Vec<Mount>) -> (SimServer, Tasks) {
    let tasks = Tasks::root("test");
    let mut options = SimOptions::new("127.0.0.1:0".parse().unwrap(), mounts);
    change(&mut options);
    (SimServer::start(options, Arc::new(SystemClock::new()), &tasks).await.unwrap(), tasks)
}

async fn once(codec: Codec, change: impl FnOnce(&mut SimOptions)) -> (Arc<Clip>, SimServer, Tasks) {
    let clip = noise(codec);
    let mount = Mount { once: true, ..Mount::new("cam-1/main", clip.clone()) };
    let (server, tasks) = serve(change, vec![mount]).await;
    (clip, server, tasks)
}

async fn open(url: &str, transport: &str, creds: Option<Credentials>) -> Result<Demuxed, retina::Error> {
    let options = SessionOptions::default().creds(creds);
    let mut session = Session::describe(url.parse().unwrap(), options).await?;
    for i in 0..session.streams().len() {
        let transport: Transport = transport.parse().unwrap();
        let options = SetupOptions::default().transport(transport).frame_format(FrameFormat::MP4);
        session.setup(i, options).await?;
    }
    session.play(PlayOptions::default()).await?.demuxed()
}

/// The next picture, or `None` at the end of the stream.
async fn picture(stream: &mut Demuxed) -> Option<(Vec<u8>, u16)> {
    loop {
        match tokio::time::timeout(PATIENCE, stream.next()).await.expect("the stream hangs")? {
            Ok(CodecItem::VideoFrame(f)) => return Some((f.data().to_vec(), f.loss())),
            Ok(_) => {}
            Err(_) => return None,
        }
    }
}

/// Waits until the counters say so.
async fn until(server: &SimServer, what: impl Fn(&MountStats) -> bool) {
    let wait = async {
        while !what(&server.total()) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{:?}", server.total()));
}

async fn check_exact(codec: Codec, transport: &str, send: Send) {
    let (clip, server, _tasks) = once(codec, |o| o.send = send).await;
    let mut stream = open(&server.url("cam-1/main"), transport, None).await.unwrap();
    for (i, unit) in clip.units.iter().enumerate() {
        let (data, loss) = picture(&mut stream).await.unwrap_or_else(|| panic!("ends before picture {i}"));
        assert_eq!(loss, 0, "before picture {i}");
        assert!(data == unit.data, "picture {i} is not the one that was encoded");
    }
    until(&server, |s| s.playing == 0).await;
    let stats = server.stats("cam-1/main").unwrap();
    assert_eq!((stats.frames_sent, stats.frames_dropped), (clip.units.len() as u64, 0));
    assert!(stats.packets_sent > stats.frames_sent, "keyframes are fragmented: {stats:?}");
    assert!(server.stop().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn retina_gets_every_h264_picture_over_tcp() {
    check_exact(Codec::H264, "tcp", Send::PerUnit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retina_gets_every_h265_picture_over_tcp_packet_by_packet() {
    check_exact(Codec::H265, "tcp", Send::PerPacket).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retina_gets_every_picture_over_udp() {
    // The end of a UDP stream is not announced, so this one plays on.
    let clip = noise(Codec::H264);
    let (server, _tasks) = serve(|_| {}, vec![Mount::new("a", clip.clone())]).await;
    let mut stream = open(&server.url("a"), "udp", None).await.unwrap();
    for unit in clip.units.iter().chain(&clip.units) {
        assert!(picture(&mut stream).await.unwrap().0 == unit.data);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rounds_join_without_a_gap_or_a_jump() {
    let clip = noise(Codec::H264);
    let phase = Mount { start: Start::Phase(3), ..Mount::new("a", clip.clone()) };
    let (server, _tasks) = serve(|_| {}, vec![phase]).await;
    let mut stream = open(&server.url("a"), "tcp", None).await.unwrap();
    let mut last = None;
    for _ in 0..120 {
        let Some(Ok(CodecItem::VideoFrame(f))) = stream.next().await else { continue };
        assert_eq!(f.loss(), 0);
        let now = f.timestamp().elapsed();
        assert!(last.is_none_or(|l| now - l == 900), "{last:?} to {now}");
        last = Some(now);
    }
    assert!(last.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn sound_arrives_beside_the_picture() {
    let dir = std::env::var_os("PINGAN_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    if !dir.is_dir() {
        eprintln!("skipped: ../shared is not there");
        return;
    }
    let clip = Arc::new(Clip::load(&dir.join("footage/car-detection.mp4")).unwrap());
    let (server, _tasks) = serve(|_| {}, vec![Mount::new("a", clip.clone())]).await;
    let mut stream = open(&server.url("a"), "tcp", None).await.unwrap();
    let frames = &clip.audio.as_ref().unwrap().frames;
    let (mut heard, mut seen) = (0, 0);
    while heard < 20 || seen < 5 {
        match stream.next().await.unwrap().unwrap() {
            CodecItem::AudioFrame(f) => {
                assert_eq!(f.data(), &frames[heard].1[..]);
                heard += 1;
            }
            CodecItem::VideoFrame(_) => seen += 1,
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_right_password_is_let_in() {
    for scheme in [AuthScheme::Basic, AuthScheme::Digest] {
        let auth = Auth { scheme, user: "op".into(), password: "s3cret".into() };
        let (clip, server, _tasks) = once(Codec::H264, |o| o.auth = Some(auth)).await;
        let url = server.url("cam-1/main");
        let with = |p: &str| Some(Credentials { username: "op".into(), password: p.into() });
        assert!(open(&url, "tcp", None).await.is_err());
        assert!(open(&url, "tcp", with("wrong")).await.is_err());
        assert_eq!(server.total().sessions, 0);
        let mut stream = open(&url, "tcp", with("s3cret")).await.unwrap();
        assert!(picture(&mut stream).await.unwrap().0 == clip.units[0].data);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_come_when_asked_for_and_end() {
    let clip = noise(Codec::H264);
    let (server, _tasks) = serve(|_| {}, vec![Mount::new("a", clip.clone())]).await;
    let url = server.url("a");
    let mut stream = open(&url, "tcp", None).await.unwrap();
    picture(&mut stream).await.unwrap();

    server.stall("a", true).unwrap();
    until(&server, |s| s.frames_dropped > 3).await;
    let sent = server.total().frames_sent;
    server.stall("a", false).unwrap();
    for _ in 1..sent {
        picture(&mut stream).await.unwrap();
    }
    let (data, loss) = picture(&mut stream).await.unwrap();
    assert!(loss > 0 && clip.units.iter().any(|u| u.key && u.data == data), "goes on with a keyframe");

    server.refuse("a", true).unwrap();
    server.cut("a").unwrap();
    while picture(&mut stream).await.is_some() {}
    assert!(open(&url, "tcp", None).await.is_err());
    server.refuse("a", false).unwrap();
    assert!(open(&url, "tcp", None).await.is_ok());
    assert!(server.cut("b").is_err() && open(&server.url("b"), "tcp", None).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn seeded_loss_takes_packets_out_of_udp() {
    let clip = noise(Codec::H264);
    let loss = Some(Loss { share: 0.2, seed: 7 });
    let (server, _tasks) = serve(|o| o.loss = loss, vec![Mount::new("a", clip)]).await;
    let mut stream = open(&server.url("a"), "udp", None).await.unwrap();
    let mut lost = 0;
    while lost == 0 {
        lost = picture(&mut stream).await.unwrap().1;
    }
    assert!(server.total().packets_lost > 0);
}

/// A client that plays and does not read; returns its connection.
async fn deaf_client(server: &SimServer) -> tokio::net::TcpStream {
    let mut stream = tokio::net::TcpStream::connect(server.address()).await.unwrap();
    let url = server.url("a");
    let setup = format!(
        "SETUP {url}/trackID=0 RTSP/1.0\r\nCSeq: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n\
         PLAY {url} RTSP/1.0\r\nCSeq: 2\r\n\r\n"
    );
    stream.write_all(setup.as_bytes()).await.unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_loses_whole_units_and_no_more() {
    let clip = noise(Codec::H264);
    let (server, _tasks) = serve(|o| o.client_buffer = 1000, vec![Mount::new("a", clip)]).await;
    let mut stream = deaf_client(&server).await;
    until(&server, |s| s.frames_dropped > 20).await;
    server.cut("a").unwrap();
    // What did arrive is whole up to the cut: responses, then framed packets.
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    let media = bytes.windows(4).enumerate().filter(|(_, w)| w == b"\r\n\r\n").nth(1).unwrap().0 + 4;
    let (mut at, mut packets) = (media, 0);
    while let Some([b'$', 0 | 1, a, b]) = bytes.get(at..at + 4) {
        at += 4 + usize::from(u16::from_be_bytes([*a, *b]));
        packets += 1;
    }
    assert!(at >= bytes.len() && packets > 10, "torn at {at} of {}", bytes.len());
}

fn ffmpeg(args: &[&str]) -> Option<String> {
    match Command::new("ffmpeg").args(["-nostdin", "-v", "error"]).args(args).output() {
        Ok(out) if out.status.success() => Some(String::from_utf8_lossy(&out.stderr).into_owned()),
        Ok(out) => panic!("ffmpeg {args:?}: {}", String::from_utf8_lossy(&out.stderr)),
        Err(_) => {
            eprintln!("skipped: ffmpeg is not there");
            None
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ffmpeg_plays_over_tcp_and_udp_with_a_password() {
    for (codec, transport) in [(Codec::H264, "tcp"), (Codec::H265, "tcp"), (Codec::H264, "udp")] {
        let auth = Auth { scheme: AuthScheme::Digest, user: "op".into(), password: "pw".into() };
        let mount = Mount::new("a", noise(codec));
        let (server, _tasks) = serve(|o| o.auth = Some(auth), vec![mount]).await;
        let url = server.url("a").replace("rtsp://", "rtsp://op:pw@");
        let play =
            move || ffmpeg(&["-rtsp_transport", transport, "-i", &url, "-frames:v", "30", "-f", "null", "-"]);
        let Some(errors) = tokio::task::spawn_blocking(play).await.unwrap() else { return };
        assert_eq!(errors, "", "{codec:?} over {transport}");
    }
}
