//! What an access unit's slice headers say without decoding: kind of picture, its QP, its bytes.

use super::bits::unescape;
use super::{h264, h265};
use crate::media::VideoParams;
use crate::media::h26x::{nal_type, nals, parameter_sets};
use crate::media::params::Codec;

/// How much of a slice is unescaped. A header with several reference lists and weights can be
/// longer; its QP is then not read.
const HEAD_BYTES: usize = 96;
/// Parameter sets are read up to here; what we need of them stands in front of VUI and extensions.
const SET_BYTES: usize = 2048;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    I,
    P,
    B,
}

/// One slice's header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Slice {
    pub kind: Kind,
    pub qp: i32,
}

/// One coded picture as its NAL units show it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Picture {
    /// `I` where every slice whose header could be read is intra-coded, `B` where one is.
    pub kind: Option<Kind>,
    /// Bytes of slice data: filler, SEI and parameter sets say nothing about the picture.
    pub bytes: u32,
    /// Mean QP of the slices that could be read, weighted by their bytes. An encoder moves the QP
    /// within the picture too; that is not seen here.
    pub qp: Option<f32>,
}

/// Reads slice headers of one stream with one set of parameters.
#[derive(Clone, Debug)]
pub struct Headers {
    codec: Codec,
    h264: Vec<h264::Pps>,
    h265: Vec<h265::Pps>,
}

impl Headers {
    /// What of the parameter sets cannot be read leaves slices without QP, never an error.
    pub fn new(params: &VideoParams) -> Headers {
        let codec = params.codec;
        let sets = parameter_sets(codec, &params.config);
        let (sps, pps, header) = if codec == Codec::H265 { (33, 34, 2) } else { (7, 8, 1) };
        let of = |wanted: u8| {
            sets.iter().filter(move |nal| nal_type(codec, nal) == Some(wanted)).map(move |nal| {
                let mut buffer = vec![0; nal.len().min(SET_BYTES)];
                unescape(nal, header, &mut buffer).to_vec()
            })
        };
        let (mut of264, mut of265) = (Vec::new(), Vec::new());
        if codec == Codec::H265 {
            let known: Vec<_> = of(sps).filter_map(|set| h265::sps(&set)).collect();
            of265 = of(pps).filter_map(|set| h265::pps(&set, &known)).collect();
        } else {
            let known: Vec<_> = of(sps).filter_map(|set| h264::sps(&set)).collect();
            of264 = of(pps).filter_map(|set| h264::pps(&set, &known)).collect();
        }
        Headers { codec, h264: of264, h265: of265 }
    }

    /// `data`: an access unit, NAL units with their lengths in front. Any bytes will do.
    pub fn read(&self, data: &[u8]) -> Picture {
        let mut bytes = 0u32;
        let mut read = 0u32;
        let mut weighted = 0f32;
        let mut kind = None;
        for nal in nals(data) {
            let Some(nal_kind) = nal_type(self.codec, nal) else { continue };
            // H.264: slices, and their partitions; H.265: slice segments of pictures (tables 7-1).
            let is_slice = match self.codec {
                Codec::H265 => nal_kind <= 9 || (16..=21).contains(&nal_kind),
                _ => (1..=5).contains(&nal_kind),
            };
            if !is_slice {
                continue;
            }
            let size = nal.len().min(u32::MAX as usize) as u32;
            bytes = bytes.saturating_add(size);
            if let Some(slice) = self.slice(nal_kind, nal) {
                read = read.saturating_add(size);
                weighted += size as f32 * slice.qp as f32;
                kind = match (kind, slice.kind) {
                    (Some(Kind::B), _) | (_, Kind::B) => Some(Kind::B),
                    (Some(Kind::P), _) | (_, Kind::P) => Some(Kind::P),
                    _ => Some(Kind::I),
                };
            }
        }
        let qp = (read > 0).then(|| weighted / read as f32);
        Picture { kind, bytes, qp }
    }

    fn slice(&self, nal_kind: u8, nal: &[u8]) -> Option<Slice> {
        let mut buffer = [0; HEAD_BYTES];
        match self.codec {
            Codec::H265 => h265::slice(nal_kind, unescape(nal, 2, &mut buffer), &self.h265),
            // Partitions B and C have no header of their own.
            _ if nal_kind == 1 || nal_kind == 2 || nal_kind == 5 => {
                h264::slice(*nal.first()?, unescape(nal, 1, &mut buffer), &self.h264)
            }
            _ => None,
        }
    }
}

/// The way of any bytes through everything here that reads them, for fuzzing: the codec's byte (odd
/// is H.265), the length of a decoder configuration record in two bytes, the record, a unit.
pub fn probe(data: &[u8]) -> Option<Picture> {
    let (&codec, rest) = data.split_first()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (config, unit) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
    let codec = if codec % 2 == 1 { Codec::H265 } else { Codec::H264 };
    let config = bytes::Bytes::copy_from_slice(config);
    let params = VideoParams { codec, width: 640, height: 360, config, rfc6381: String::new() };
    Some(Headers::new(&params).read(unit))
}
