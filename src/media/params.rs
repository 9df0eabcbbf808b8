//! Codec parameters: what a decoder or a file must know before the first access unit.

use bytes::Bytes;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Codec {
    H264,
    H265,
    Aac,
}

impl Codec {
    pub fn as_str(self) -> &'static str {
        match self {
            Codec::H264 => "h264",
            Codec::H265 => "h265",
            Codec::Aac => "aac",
        }
    }
}

/// Parameters of one elementary stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Params {
    Video(VideoParams),
    Audio(AudioParams),
}

/// Parameters of a video stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VideoParams {
    pub codec: Codec,
    /// Picture size in pixels, after cropping.
    pub width: u16,
    pub height: u16,
    /// `AVCDecoderConfigurationRecord` or `HEVCDecoderConfigurationRecord` (ISO 14496-15), without
    /// box header. Carries the parameter sets; NAL lengths are 4 bytes.
    pub config: Bytes,
    /// RFC 6381 codecs string, such as `avc1.64001F`, for playlists.
    pub rfc6381: String,
}

/// Parameters of an AAC stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AudioParams {
    pub sample_rate: u32,
    pub channels: u16,
    /// `AudioSpecificConfig` (ISO 14496-3 §1.6.2.1).
    pub config: Bytes,
    /// RFC 6381 codecs string, such as `mp4a.40.2`.
    pub rfc6381: String,
}

impl Params {
    pub fn codec(&self) -> Codec {
        match self {
            Params::Video(v) => v.codec,
            Params::Audio(_) => Codec::Aac,
        }
    }

    pub fn video(&self) -> Option<&VideoParams> {
        match self {
            Params::Video(v) => Some(v),
            Params::Audio(_) => None,
        }
    }
}
