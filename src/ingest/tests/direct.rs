//! The dialogue of our own client, with cameras by script.

use sha2::{Digest, Sha256};

use crate::camera::Transport;
use crate::ingest::direct::DirectSource;
use crate::ingest::rtsp::Login;
use crate::ingest::{Error, Source};

use super::scripted::{Script, framed};
use super::wanted;

const SDP: &str = "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=x\r\nt=0 0\r\n\
    m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:video\r\n\
    a=fmtp:96 packetization-mode=1;sprop-parameter-sets=Z0LACtkehAAAAwAEAAADAMg8SJkg,aMuDyyA=\r\n";

fn login() -> Option<Login> {
    Some(Login { user: "gatekeeper".into(), password: "right horse".into() })
}

/// A picture of one packet.
fn picture(sequence: u8) -> Vec<u8> {
    framed(0, &[0x80, 0x80 | 96, 0, sequence, 0, 0, 0, sequence, 0, 0, 0, 1, 0x65, 0x88])
}

async fn open(script: &Script) -> (Result<DirectSource, Error>, Vec<String>) {
    let camera = script.clone().serve().await;
    let opened = DirectSource::open(&camera.url, login(), wanted(Transport::Tcp, false, 1 << 20)).await;
    let heard = camera.heard.lock().unwrap().clone();
    (opened, heard)
}

fn hex(text: &str) -> String {
    Sha256::digest(text).iter().map(|b| format!("{b:02x}")).collect()
}

#[tokio::test]
async fn digest_by_sha_256_is_answered_as_rfc_7616_has_it() {
    let challenge = "401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"r\"\r\n\
        WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256";
    let script =
        Script { sdp: SDP.into(), instead: vec![("DESCRIBE", challenge.into())], ..Script::default() };
    let (opened, heard) = open(&script).await;
    assert!(opened.is_ok());
    let uri = heard[0].split(' ').nth(1).unwrap();
    let expected = hex(&format!("{}:n:{}", hex("gatekeeper:r:right horse"), hex(&format!("DESCRIBE:{uri}"))));
    assert!(heard[1].contains(&format!("response=\"{expected}\"")), "{}", heard[1]);
    assert!(!heard.iter().any(|h| h.contains("right horse")));
}

async fn check_refusal(method: &'static str, status: &str, expected: &str) {
    let script = Script { sdp: SDP.into(), instead: vec![(method, status.into())], ..Script::default() };
    let error = open(&script).await.0.err().unwrap();
    assert!(error.to_string().ends_with(expected), "{error}");
}

#[tokio::test]
async fn refusals_are_told_apart() {
    check_refusal("DESCRIBE", "404 Not Found", "check the path in the URL").await;
    check_refusal("DESCRIBE", "403 Forbidden", "check `user` and `password`").await;
    check_refusal("SETUP", "461 Unsupported Transport", "answered 461 to our request; see its manual or log")
        .await;
    check_refusal("PLAY", "503 Busy", "answered 503 to our request; see its manual or log").await;
    check_refusal("SETUP", "hello", "its answer is no RTSP message").await;
    let silent = Script { hang_up_at: Some("PLAY"), sdp: SDP.into(), ..Script::default() };
    assert!(matches!(open(&silent).await.0, Err(Error::Closed { .. })));
}

#[tokio::test]
async fn a_session_is_kept_alive_with_what_the_camera_knows() {
    let script =
        Script { sdp: SDP.into(), hang_up_at: Some("GET_PARAMETER"), pieces: vec![1], ..Script::default() };
    let camera = script.serve().await;
    let mut source =
        DirectSource::open(&camera.url, None, wanted(Transport::Tcp, false, 1 << 20)).await.unwrap();
    assert!(matches!(source.next().await, Err(Error::Closed { .. })));
    let heard = camera.heard.lock().unwrap().clone();
    let methods: Vec<&str> = heard.iter().map(|h| h.split(' ').next().unwrap()).collect();
    assert_eq!(methods, ["DESCRIBE", "SETUP", "PLAY", "OPTIONS", "GET_PARAMETER"]);
    assert!(heard[4].contains("Session: 7\r\n"), "{}", heard[4]);
}

/// Plays `media` and gives how many pictures come before which error.
async fn play(media: Vec<u8>) -> (usize, Error) {
    let script = Script { sdp: SDP.into(), media, pieces: vec![1 << 20], ..Script::default() };
    let camera = script.serve().await;
    let mut source =
        DirectSource::open(&camera.url, None, wanted(Transport::Tcp, false, 1 << 10)).await.unwrap();
    let mut pictures = 0;
    loop {
        match source.next().await {
            Ok(unit) => pictures += usize::from(unit.is_some()),
            Err(e) => return (pictures, e),
        }
    }
}

#[tokio::test]
async fn what_comes_with_the_answer_to_play_is_not_lost() {
    let (pictures, error) = play([picture(1), picture(2), picture(3)].concat()).await;
    assert!(pictures == 3 && matches!(error, Error::Closed { .. }), "{pictures} {error}");
}

#[tokio::test]
async fn a_torn_packet_costs_a_picture_and_many_the_connection() {
    let torn = |n: u8| framed(0, &[0x80, 0x80 | 96, 0, n, 0, 0, 0, n, 0, 0, 0, 1, 0x7c]);
    let (pictures, error) = play([picture(1), torn(2), picture(3)].concat()).await;
    assert!(pictures == 2 && matches!(error, Error::Closed { .. }), "{pictures} {error}");
    let many: Vec<u8> = (2..150).flat_map(torn).collect();
    let (pictures, error) = play([picture(1), many].concat()).await;
    assert!(pictures == 1 && error.other_client_may_do(), "{pictures} {error}");
    let (pictures, error) = play(torn(1)).await;
    assert!(pictures == 0 && error.other_client_may_do(), "{pictures} {error}");
}

#[tokio::test]
async fn nonsense_and_endless_units_end_the_connection() {
    let (pictures, error) = play([picture(1), b"what is this".to_vec()].concat()).await;
    assert!(pictures == 1 && matches!(error, Error::Broken { .. }), "{pictures} {error}");
    let part = |n| {
        let head = [0x80, 96, 0, n, 0, 0, 0, 9, 0, 0, 0, 1, 0x41];
        framed(0, &[&head[..], &[1; 600]].concat())
    };
    let (pictures, error) = play([picture(0), part(1), part(2), part(3)].concat()).await;
    assert!(pictures == 1 && matches!(error, Error::TooLarge { .. }), "{pictures} {error}");
    let mut other = picture(2);
    other[15] = 7;
    let (pictures, error) = play([picture(1), other].concat()).await;
    assert!(pictures == 1 && matches!(error, Error::Broken { .. }), "{pictures} {error}");
}
