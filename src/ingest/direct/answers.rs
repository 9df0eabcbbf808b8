//! What headers of answers say: session, transport, where the packets begin.

use std::net::IpAddr;
use std::time::Duration;

/// How long a session lives whose camera does not say (RFC 2326 §12.37).
pub const SESSION_TIMEOUT: Duration = Duration::from_secs(60);

/// `Session`: its name, and how long it lives without a request, which mostly stands in the first
/// answer only.
pub fn session(value: &str) -> (&str, Option<Duration>) {
    let mut parts = value.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let timeout = parts.find_map(|p| p.strip_prefix("timeout=")).and_then(|t| t.trim().parse().ok());
    (name, timeout.filter(|&t| t > 0).map(Duration::from_secs))
}

/// `Transport` of an interleaved stream: the channel of its RTP packets.
pub fn rtp_channel(transport: &str) -> Option<u8> {
    let channels = parameter(transport, "interleaved=")?;
    channels.split('-').next()?.trim().parse().ok()
}

/// `Transport` of a stream over UDP: the port that its RTP packets come from, and the host, where that
/// is not the one that was asked.
pub fn rtp_origin(transport: &str) -> Option<(Option<IpAddr>, u16)> {
    let port = parameter(transport, "server_port=")?.split('-').next()?.trim().parse().ok()?;
    Some((parameter(transport, "source=").and_then(|s| s.trim().parse().ok()), port))
}

fn parameter<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    value.split(';').find_map(|p| p.trim().strip_prefix(name))
}

/// `RTP-Info` (RFC 2326 §12.33): the RTP time of the presentation's begin, of the stream at `control`.
/// `streams`: how many were set up; with one, its only entry is meant whatever it is called.
pub fn rtp_time(info: &str, control: &str, streams: usize) -> Option<u32> {
    let entries: Vec<&str> = info.split(',').collect();
    let ours = |entry: &&&str| {
        let url = parameter(entry, "url=").unwrap_or_default().trim_matches('"');
        !url.is_empty() && (control.ends_with(url) || url.ends_with(last_part(control)))
    };
    let entry = match &entries[..] {
        [only] if streams == 1 => only,
        entries => entries.iter().find(ours)?,
    };
    parameter(entry, "rtptime=")?.trim().parse().ok()
}

/// `trackID=1` of `rtsp://camera/main/trackID=1`.
fn last_part(url: &str) -> &str {
    url.trim_end_matches('/').rsplit('/').next().unwrap_or(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_may_say_how_long_it_lives() {
        assert_eq!(session("12345678"), ("12345678", None));
        assert_eq!(session("ab ;timeout=30"), ("ab", Some(Duration::from_secs(30))));
        assert_eq!(session("ab;timeout=0").1, None);
    }

    #[test]
    fn the_camera_has_the_last_word_about_channels() {
        assert_eq!(rtp_channel("RTP/AVP/TCP;unicast;interleaved=4-5;ssrc=0000AB12"), Some(4));
        assert_eq!(rtp_channel("RTP/AVP;unicast;client_port=4-5"), None);
        assert_eq!(rtp_origin("RTP/AVP;unicast;client_port=4-5"), None);
        let moved = rtp_origin("RTP/AVP;unicast;client_port=4-5;server_port=8-9;source=10.0.0.7");
        assert_eq!(moved, Some((Some([10, 0, 0, 7].into()), 8)));
    }

    #[test]
    fn each_stream_finds_its_own_begin() {
        let info = "url=rtsp://a/m/trackID=0;seq=1;rtptime=7, url=trackID=1;rtptime=4294967295";
        assert_eq!(rtp_time(info, "rtsp://b/m/trackID=0", 2), Some(7));
        assert_eq!(rtp_time(info, "rtsp://a/m/trackID=1", 2), Some(u32::MAX));
        assert_eq!(rtp_time("url=what;seq=3;rtptime=9", "rtsp://a/m", 1), Some(9));
        assert_eq!(rtp_time("url=what;seq=3;rtptime=9", "rtsp://a/m", 2), None);
        assert_eq!(rtp_time("url=rtsp://a/m;seq=3", "rtsp://a/m", 1), None);
    }
}
