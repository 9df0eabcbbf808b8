//! The session description of a clip (RFC 8866, with the parameters of RFC 6184, 7798 and 3640).

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::packets::{Packets, VIDEO};
use crate::bench::clip::Clip;
use crate::media::Codec;

/// Control path of a track, below the mount's own.
pub(super) fn track_path(track: usize) -> String {
    format!("trackID={track}")
}

pub(super) fn describe(clip: &Clip, packets: &Packets) -> String {
    let mut sdp = String::from(
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=Ping'an camera simulator\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n\
         a=control:*\r\na=range:npt=now-\r\n",
    );
    for (i, track) in packets.tracks.iter().enumerate() {
        let (media, coding, fmtp) = match &clip.audio {
            Some(audio) if i != VIDEO => {
                let p = &audio.params;
                ("audio", format!("mpeg4-generic/{}/{}", p.sample_rate, p.channels), aac(&p.config))
            }
            _ => match clip.params.codec {
                Codec::H265 => ("video", "H265/90000".into(), h265(&clip.params.config)),
                _ => ("video", "H264/90000".into(), h264(&clip.params.config)),
            },
        };
        let pt = track.payload_type;
        // Writing to a String cannot fail.
        let _ = write!(
            sdp,
            "m={media} 0 RTP/AVP {pt}\r\na=rtpmap:{pt} {coding}\r\na=fmtp:{pt} {fmtp}\r\na=control:{}\r\n",
            track_path(i)
        );
    }
    sdp
}

fn aac(config: &[u8]) -> String {
    let hex: String = config.iter().map(|b| format!("{b:02x}")).collect();
    format!(
        "streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config={hex}"
    )
}

fn h264(config: &[u8]) -> String {
    let sets: Vec<_> = avc_sets(config).map(|s| BASE64.encode(s)).collect();
    let level: String = config.iter().skip(1).take(3).map(|b| format!("{b:02X}")).collect();
    format!("packetization-mode=1;profile-level-id={level};sprop-parameter-sets={}", sets.join(","))
}

fn h265(config: &[u8]) -> String {
    let mut out = Vec::new();
    for (kind, name) in [(32, "sprop-vps"), (33, "sprop-sps"), (34, "sprop-pps")] {
        let sets: Vec<_> = hevc_sets(config)
            .into_iter()
            .filter(|(k, _)| *k == kind)
            .map(|(_, s)| BASE64.encode(s))
            .collect();
        if !sets.is_empty() {
            out.push(format!("{name}={}", sets.join(",")));
        }
    }
    out.join(";")
}

/// `AVCDecoderConfigurationRecord`, ISO 14496-15 §5.3.3: from byte 5 on a count of SPS (5 bits), the
/// SPS, a count of PPS, the PPS; each with its length in 2 bytes.
fn avc_sets(config: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = config.get(5..).unwrap_or_default();
    let (mut left, mut lists) = (0, 0);
    std::iter::from_fn(move || {
        while left == 0 && lists < 2 {
            let (count, tail) = rest.split_first()?;
            left = if lists == 0 { count & 0x1f } else { *count };
            lists += 1;
            rest = tail;
        }
        left = left.checked_sub(1)?;
        take_set(&mut rest)
    })
}

/// `HEVCDecoderConfigurationRecord`, ISO 14496-15 §8.3.3: from byte 22 on a count of arrays, each
/// with its NAL type (6 bits), a count in 2 bytes and the sets.
fn hevc_sets(config: &[u8]) -> Vec<(u8, &[u8])> {
    let mut sets = Vec::new();
    let Some((arrays, mut rest)) = config.get(22..).and_then(|r| r.split_first()) else { return sets };
    for _ in 0..*arrays {
        let Some((&[kind, a, b], tail)) = rest.split_first_chunk::<3>() else { return sets };
        rest = tail;
        for _ in 0..u16::from_be_bytes([a, b]) {
            let Some(set) = take_set(&mut rest) else { return sets };
            sets.push((kind & 0x3f, set));
        }
    }
    sets
}

fn take_set<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (len, tail) = rest.split_first_chunk::<2>()?;
    let (set, tail) = tail.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
    *rest = tail;
    Some(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameter_sets_are_found_in_the_record() {
        let config = [1, 0x64, 0, 0x1f, 0xff, 0xe1, 0, 2, 0x67, 7, 1, 0, 3, 0x68, 8, 9, 0xfd];
        assert_eq!(avc_sets(&config).collect::<Vec<_>>(), [&[0x67, 7][..], &[0x68, 8, 9]]);
        assert!(h264(&config).contains("profile-level-id=64001F;sprop-parameter-sets=Zwc=,aAgJ"));
        assert!(avc_sets(&config[..9]).next().is_none(), "a torn record gives no torn set");

        let mut config = vec![0; 22];
        config.extend([2, 0x80 | 32, 0, 1, 0, 1, 5, 33, 0, 1, 0, 2, 6, 7]);
        assert_eq!(hevc_sets(&config), [(32, &[5][..]), (33, &[6, 7])]);
        assert_eq!(h265(&config), "sprop-vps=BQ==;sprop-sps=Bgc=");
    }
}
