//! Codec parameters from decoder configuration records (ISO 14496-15, ISO 14496-3).

use bytes::Bytes;

use crate::media::{AudioParams, Codec, VideoParams};

/// Sampling rates by `samplingFrequencyIndex` (ISO 14496-3 table 1.18).
const AAC_RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

/// Why a record is no use. For people; the caller names camera or file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadConfig {
    #[error("its {0} decoder configuration is cut short")]
    Short(&'static str),
    #[error("its access units have NAL lengths of {0} bytes; only 4 are supported")]
    LengthSize(u8),
    #[error("its picture size {0}x{1} is out of range")]
    Size(u32, u32),
    #[error("its audio is not AAC")]
    NotAac,
}

/// `config`: avcC or hvcC without box header. Size in pixels after cropping.
pub fn video(codec: Codec, width: u32, height: u32, config: Bytes) -> Result<VideoParams, BadConfig> {
    let (length_at, minimum) = if codec == Codec::H265 { (21, 23) } else { (4, 7) };
    if config.len() < minimum {
        return Err(BadConfig::Short(codec.as_str()));
    }
    let length_size = (config[length_at] & 3) + 1;
    if length_size != 4 {
        return Err(BadConfig::LengthSize(length_size));
    }
    let size = |v: u32| u16::try_from(v).ok().filter(|&v| v > 0).ok_or(BadConfig::Size(width, height));
    let rfc6381 = if codec == Codec::H265 { hvc1(&config) } else { avc1(&config) };
    Ok(VideoParams { codec, width: size(width)?, height: size(height)?, config, rfc6381 })
}

/// RFC 6381 §3.3: profile, constraints and level as in the SPS.
fn avc1(avcc: &[u8]) -> String {
    format!("avc1.{:02X}{:02X}{:02X}", avcc[1], avcc[2], avcc[3])
}

/// ISO 14496-15 Annex E.3.
fn hvc1(hvcc: &[u8]) -> String {
    let space = ["", "A", "B", "C"][usize::from(hvcc[1] >> 6)];
    let tier = if hvcc[1] & 0x20 != 0 { 'H' } else { 'L' };
    let compatible = u32::from_be_bytes([hvcc[2], hvcc[3], hvcc[4], hvcc[5]]).reverse_bits();
    let mut text = format!("hvc1.{space}{}.{compatible:X}.{tier}{}", hvcc[1] & 0x1f, hvcc[12]);
    let constraints = &hvcc[6..12];
    let used = constraints.iter().rposition(|&b| b != 0).map_or(0, |i| i + 1);
    for b in &constraints[..used] {
        text.push_str(&format!(".{b:X}"));
    }
    text
}

/// `config`: `AudioSpecificConfig`.
pub fn audio(config: Bytes) -> Result<AudioParams, BadConfig> {
    let [a, b, ..] = config[..] else { return Err(BadConfig::Short("AAC")) };
    let object = a >> 3;
    let index = usize::from((a & 7) << 1 | b >> 7);
    // Index 15 writes the rate out in 24 bits, which shifts the channels.
    let (rate, channels) = match config[..] {
        [_, b, c, d, e, ..] if index == 15 => {
            let raw = u32::from_be_bytes([b, c, d, e]);
            ((raw >> 7) & 0xff_ffff, (raw >> 3) as u8 & 0xf)
        }
        _ => (AAC_RATES.get(index).copied().unwrap_or(0), (b >> 3) & 0xf),
    };
    if object == 0 || object == 31 || rate == 0 {
        return Err(BadConfig::NotAac);
    }
    // Channel configuration 7 is 7.1; 0 puts the layout into the stream: taken for stereo.
    let channels = match channels {
        0 => 2,
        7 => 8,
        n => u16::from(n),
    };
    Ok(AudioParams { sample_rate: rate, channels, config, rfc6381: format!("mp4a.40.{object}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codecs_strings_are_as_browsers_expect() {
        let avcc = Bytes::from_static(&[1, 0x64, 0, 0x1f, 0xff, 0xe1, 0]);
        assert_eq!(video(Codec::H264, 1280, 720, avcc).unwrap().rfc6381, "avc1.64001F");
        let mut hvcc = vec![1, 1, 0x60, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 93];
        hvcc.resize(23, 0xff);
        assert_eq!(video(Codec::H265, 1920, 1080, hvcc.into()).unwrap().rfc6381, "hvc1.1.6.L93.90");
    }

    #[test]
    fn records_that_would_mislead_are_refused() {
        let two_byte_lengths = Bytes::from_static(&[1, 0x64, 0, 0x1f, 0xfd, 0xe1, 0]);
        assert_eq!(video(Codec::H264, 64, 64, two_byte_lengths), Err(BadConfig::LengthSize(2)));
        assert_eq!(video(Codec::H264, 64, 64, Bytes::new()), Err(BadConfig::Short("h264")));
        let avcc = Bytes::from_static(&[1, 0x64, 0, 0x1f, 0xff, 0xe1, 0]);
        assert_eq!(video(Codec::H264, 70_000, 64, avcc), Err(BadConfig::Size(70_000, 64)));
    }

    #[test]
    fn aac_low_complexity_at_48_khz_stereo() {
        let a = audio(Bytes::from_static(&[0x11, 0x90])).unwrap();
        assert_eq!((a.sample_rate, a.channels, a.rfc6381.as_str()), (48_000, 2, "mp4a.40.2"));
        let written_out = audio(Bytes::from_static(&[0x17, 0x80, 0x5d, 0xc0, 0x10])).unwrap();
        assert_eq!((written_out.sample_rate, written_out.channels), (48_000, 2));
    }
}
