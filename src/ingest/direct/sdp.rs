//! What a camera offers: the session description (RFC 8866) as far as we take it up.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use sdp_types::Session;
use url::Url;

use crate::ingest::params;
use crate::media::{Codec, Params, Pts};

use super::sets::Sets;

/// One stream as offered.
#[derive(Debug)]
pub struct Offered<T> {
    /// Where SETUP goes.
    pub control: String,
    /// RTP clock, ticks per second.
    pub rate: NonZeroU32,
    pub media: T,
}

#[derive(Debug)]
pub struct Offer {
    /// Where PLAY and TEARDOWN go.
    pub aggregate: String,
    /// With the parameter sets that the description carries.
    pub video: Offered<(Codec, Sets)>,
    /// AAC, where it is wanted and there.
    pub audio: Option<Offered<Arc<Params>>>,
}

/// Why an offer is not taken up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Declined {
    #[error("it offers no H.264 or H.265 video")]
    NoVideo,
    #[error("{0}")]
    Odd(String),
}

/// `base`: the answer's `Content-Base` or `Content-Location` (RFC 2326 §C.1.1).
pub fn read(body: &[u8], requested: &Url, base: Option<&str>, want_audio: bool) -> Result<Offer, Declined> {
    let odd = |what: &str| Declined::Odd(what.to_owned());
    let sdp = Session::parse(body).map_err(|e| Declined::Odd(format!("its session description: {e}")))?;
    let base = base.map_or_else(|| requested.to_string(), str::to_owned);
    let control = sdp.attributes.iter().find(|a| a.attribute == "control").and_then(|a| a.value.as_deref());
    let aggregate = control.map_or_else(|| requested.to_string(), |c| join(&base, c));
    let media: Vec<Media> = sdp.medias.iter().filter_map(|m| Media::read(m, &base)).collect();
    let of = |kind: &str, codings: &[&str]| {
        media.iter().find(|m| m.kind == kind && codings.contains(&m.coding.as_str()))
    };
    let video = of("video", &["h264", "h265"]).ok_or(Declined::NoVideo)?;
    if i64::from(video.rate.get()) != Pts::HZ {
        return Err(odd("its video clock does not run at 90 kHz"));
    }
    let audio = match of("audio", &["mpeg4-generic"]).filter(|_| want_audio) {
        Some(audio) => Some(audio.offered(audio.aac().ok_or_else(|| odd("AAC in an unusual mode"))?)),
        None => None,
    };
    Ok(Offer { aggregate, video: video.offered(video.sets()?), audio })
}

/// Control URLs are appended, not resolved as RFC 3986 has it: so do the clients that cameras are
/// tested with (ffmpeg, live555).
fn join(base: &str, control: &str) -> String {
    if control == "*" {
        return base.to_owned();
    }
    if control.split_once("://").is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("rtsp")) {
        return control.to_owned();
    }
    let slash = if base.ends_with('/') || control.starts_with('/') { "" } else { "/" };
    format!("{base}{slash}{control}")
}

struct Media<'a> {
    kind: &'a str,
    control: String,
    /// In lower case.
    coding: String,
    rate: NonZeroU32,
    /// By lower-case name.
    format: BTreeMap<String, &'a str>,
}

impl<'a> Media<'a> {
    /// `None`: its payload has no name.
    fn read(media: &'a sdp_types::Media, base: &str) -> Option<Media<'a>> {
        let payload_type = media.fmt.split_ascii_whitespace().next()?;
        // `a=rtpmap:96 H264/90000`: the value of the payload type we take.
        let of_payload = |name: &str| {
            let values = media.attributes.iter().filter(|a| a.attribute == name);
            values
                .filter_map(|a| a.value.as_deref()?.trim().split_once(' '))
                .find(|(pt, _)| *pt == payload_type)
        };
        let (coding, rate) = of_payload("rtpmap")?.1.split_once('/')?;
        let rate = rate.split('/').next()?.trim().parse().ok()?;
        let format = of_payload("fmtp").map_or("", |(_, f)| f);
        let format = format.split(';').filter_map(|p| p.split_once('='));
        let control = media.attributes.iter().find(|a| a.attribute == "control");
        Some(Media {
            kind: &media.media,
            control: control
                .and_then(|a| a.value.as_deref())
                .map_or_else(|| base.to_owned(), |c| join(base, c)),
            coding: coding.trim().to_ascii_lowercase(),
            rate,
            format: format.map(|(k, v)| (k.trim().to_ascii_lowercase(), v.trim())).collect(),
        })
    }

    fn offered<T>(&self, media: T) -> Offered<T> {
        Offered { control: self.control.clone(), rate: self.rate, media }
    }

    fn says(&self, name: &str, value: &str) -> bool {
        self.format.get(name).is_some_and(|v| v.eq_ignore_ascii_case(value))
    }

    fn sets(&self) -> Result<(Codec, Sets), Declined> {
        let odd = |what: &str| Err(Declined::Odd(what.to_owned()));
        let (codec, names): (_, &[&str]) = if self.coding == "h265" {
            // RFC 7798 §7.1: other values put decoding order numbers into the packets.
            if self.format.get("sprop-max-don-diff").is_some_and(|v| *v != "0") {
                return odd("H.265 in interleaved order");
            }
            if self.format.contains_key("tx-mode") && !self.says("tx-mode", "SRST") {
                return odd("H.265 over several streams");
            }
            (Codec::H265, &["sprop-vps", "sprop-sps", "sprop-pps"])
        } else {
            if self.says("packetization-mode", "2") {
                return odd("H.264 in interleaved mode");
            }
            (Codec::H264, &["sprop-parameter-sets"])
        };
        let mut sets = Sets::new(codec);
        for text in names.iter().filter_map(|name| self.format.get(*name)).flat_map(|v| v.split(',')) {
            // What cannot be read comes with the stream.
            if let Ok(set) = BASE64.decode(text.trim()) {
                sets.put(set.strip_prefix(&[0, 0, 0, 1]).unwrap_or(&set));
            }
        }
        Ok((codec, sets))
    }

    /// RFC 3640 §4.1; `None`: not AAC-hbr, or without a configuration.
    fn aac(&self) -> Option<Arc<Params>> {
        let usual =
            [("mode", "AAC-hbr"), ("sizelength", "13"), ("indexlength", "3"), ("indexdeltalength", "3")];
        if !usual.iter().all(|(name, value)| self.says(name, value)) {
            return None;
        }
        let hex = self.format.get("config")?.trim_matches('"').as_bytes();
        let (pairs, []) = hex.as_chunks::<2>() else { return None };
        let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let config: Option<Vec<u8>> = pairs.iter().map(byte).collect();
        params::audio(Bytes::from(config?)).ok().map(|a| Arc::new(Params::Audio(a)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: &str = "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=cam\r\nt=0 0\r\na=control:*\r\n";
    const H264: &str = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:trackID=0\r\n\
        a=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z0LACtkehAAAAwAEAAADAMg8SJkg,aMuDyyA=\r\n";
    const AAC: &str = "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPEG4-GENERIC/48000/2\r\na=control:rtsp://other/1\r\n\
        a=fmtp:97 mode=AAC-hbr;sizeLength=13;indexLength=3;indexDeltaLength=3;config=1190\r\n";

    fn offer(media: &str) -> Result<Offer, Declined> {
        let url = "rtsp://cam/main?x=1".parse().unwrap();
        read(format!("{SESSION}{media}").as_bytes(), &url, Some("rtsp://cam/main/"), true)
    }

    #[test]
    fn picture_and_sound_are_found_with_their_parameters() {
        let offer = offer(&format!("{AAC}{H264}")).unwrap();
        assert_eq!(
            (offer.aggregate.as_str(), offer.video.control.as_str()),
            ("rtsp://cam/main/", "rtsp://cam/main/trackID=0")
        );
        let (codec, mut sets) = offer.video.media;
        let params = sets.changed().unwrap().unwrap();
        assert_eq!((codec, params.video().unwrap().width), (Codec::H264, 16));
        let audio = offer.audio.unwrap();
        assert_eq!(
            (audio.control.as_str(), audio.rate.get(), audio.media.codec()),
            ("rtsp://other/1", 48_000, Codec::Aac)
        );
    }

    #[test]
    fn what_is_beyond_us_is_declined() {
        let check = |media: String, expected: &str| {
            assert_eq!(offer(&media).unwrap_err().to_string(), expected);
        };
        check(AAC.into(), "it offers no H.264 or H.265 video");
        check(H264.replace("mode=1", "mode=2"), "H.264 in interleaved mode");
        check(H264.replace("90000", "90001"), "its video clock does not run at 90 kHz");
        check(format!("{H264}{AAC}").replace("hbr", "lbr"), "AAC in an unusual mode");
        let h265 = |format: &str| {
            format!("m=video 0 RTP/AVP 96\r\na=rtpmap:96 H265/90000\r\na=fmtp:96 {format}\r\n")
        };
        check(h265("sprop-max-don-diff=2"), "H.265 in interleaved order");
        check(h265("tx-mode=MRST"), "H.265 over several streams");
        assert!(offer(&h265("sprop-max-don-diff=0")).unwrap().video.media.1.changed().unwrap().is_none());
        check(H264.replace("H264", "JPEG"), "it offers no H.264 or H.265 video");
    }
}
