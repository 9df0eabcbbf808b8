//! Parameter sets, and the [`Params`] they make.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use h264_reader::nal::sps::{ChromaFormat, SeqParameterSet};
use h264_reader::rbsp::{BitRead, BitReader, decode_nal};

use crate::ingest::params;
use crate::media::{Codec, Params};

use super::hevc::SpsFields;
use super::odd::Odd;

/// Picture parameter sets that are kept; H.264 has 256 of them, cameras use one or two.
const MAX_PPS: usize = 32;

/// Which parameter set a NAL unit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Vps,
    Sps,
    Pps,
}

fn kind(codec: Codec, nal: &[u8]) -> Option<Kind> {
    match (codec, nal.first()?) {
        (Codec::H265, b) => match b >> 1 & 0x3f {
            32 => Some(Kind::Vps),
            33 => Some(Kind::Sps),
            34 => Some(Kind::Pps),
            _ => None,
        },
        (_, b) => match b & 0x1f {
            7 => Some(Kind::Sps),
            8 => Some(Kind::Pps),
            _ => None,
        },
    }
}

/// Whether a NAL unit is a parameter set.
pub fn is_set(codec: Codec, nal: &[u8]) -> bool {
    kind(codec, nal).is_some()
}

/// The parameter sets in force: one VPS and SPS, and PPS by their number.
#[derive(Debug)]
pub struct Sets {
    codec: Codec,
    vps: Vec<u8>,
    sps: Vec<u8>,
    pps: Vec<Vec<u8>>,
    changed: bool,
}

impl Sets {
    pub fn new(codec: Codec) -> Self {
        Sets { codec, vps: Vec::new(), sps: Vec::new(), pps: Vec::new(), changed: false }
    }

    /// Takes a set in; what is no parameter set is left where it is.
    pub fn put(&mut self, nal: &[u8]) {
        let nal = without_trailing_zeros(nal);
        let slot = match kind(self.codec, nal) {
            None => return,
            Some(Kind::Vps) => &mut self.vps,
            Some(Kind::Sps) => &mut self.sps,
            Some(Kind::Pps) if self.pps.iter().any(|p| p == nal) => return,
            Some(Kind::Pps) => {
                let codec = self.codec;
                let same = |p: &Vec<u8>| pps_number(codec, p) == pps_number(codec, nal);
                match self.pps.iter().position(same) {
                    Some(i) => &mut self.pps[i],
                    None if self.pps.len() == MAX_PPS => return,
                    None => {
                        self.pps.push(Vec::new());
                        self.pps.last_mut().expect("invariant: one was pushed")
                    }
                }
            }
        };
        if slot != nal {
            nal.clone_into(slot);
            self.changed = true;
        }
    }

    /// New parameters, where sets have changed and all are there.
    pub fn changed(&mut self) -> Result<Option<Arc<Params>>, Odd> {
        let vps_missing = self.codec == Codec::H265 && self.vps.is_empty();
        if !self.changed || vps_missing || self.sps.is_empty() || self.pps.is_empty() {
            return Ok(None);
        }
        self.changed = false;
        let (width, height, record) = match self.codec {
            Codec::H265 => self.hvcc(),
            _ => self.avcc(),
        }
        .ok_or(Odd::Unsupported("parameter sets that cannot be read"))?;
        let made = params::video(self.codec, width, height, Bytes::from(record))
            .map_err(|_| Odd::Unsupported("parameter sets with an impossible picture"))?;
        Ok(Some(Arc::new(Params::Video(made))))
    }

    fn pps(&self) -> Vec<&[u8]> {
        self.pps.iter().map(Vec::as_slice).collect()
    }

    /// ISO 14496-15 §5.3.3.1.
    fn avcc(&self) -> Option<(u32, u32, Vec<u8>)> {
        let &[_, profile, compatible, level, ..] = &self.sps[..] else { return None };
        let payload = rbsp(&self.sps, 1)?;
        let sps = SeqParameterSet::from_bits(BitReader::new(&payload[..])).ok()?;
        let (width, height) = sps.pixel_dimensions().ok()?;
        let mut out = vec![1, profile, compatible, level, 0xff, 0xe1];
        put_set(&mut out, &self.sps);
        out.push(self.pps.len() as u8);
        self.pps.iter().for_each(|pps| put_set(&mut out, pps));
        if matches!(profile, 100 | 110 | 122 | 144) {
            let chroma = match sps.chroma_info.chroma_format {
                ChromaFormat::Monochrome => 0,
                ChromaFormat::YUV422 => 2,
                ChromaFormat::YUV444 => 3,
                ChromaFormat::YUV420 | ChromaFormat::Invalid(_) => 1,
            };
            let luma_depth = sps.chroma_info.bit_depth_luma_minus8;
            let chroma_depth = sps.chroma_info.bit_depth_chroma_minus8;
            out.extend_from_slice(&[0xfc | chroma, 0xf8 | luma_depth, 0xf8 | chroma_depth, 0]);
        }
        Some((width, height, out))
    }

    fn hvcc(&self) -> Option<(u32, u32, Vec<u8>)> {
        let sps = SpsFields::read(&self.sps)?;
        let record = sps.record(&[(32, &[&self.vps[..]]), (33, &[&self.sps[..]]), (34, &self.pps())]);
        Some((sps.width, sps.height, record))
    }
}

fn put_set(out: &mut Vec<u8>, set: &[u8]) {
    out.extend_from_slice(&(set.len() as u16).to_be_bytes());
    out.extend_from_slice(set);
}

/// `trailing_zero_8bits` belong to byte streams (H.264 §B.1, H.265 §B.2), not to the NAL unit.
fn without_trailing_zeros(nal: &[u8]) -> &[u8] {
    let end = nal.iter().rposition(|&b| b != 0).map_or(0, |i| i + 1);
    &nal[..end]
}

fn rbsp(nal: &[u8], header: usize) -> Option<Cow<'_, [u8]>> {
    decode_nal(nal.get(header - 1..).filter(|n| n.len() > 1)?).ok()
}

/// `pic_parameter_set_id`; `None` where it cannot be read.
fn pps_number(codec: Codec, nal: &[u8]) -> Option<u32> {
    let payload = rbsp(nal, if codec == Codec::H265 { 2 } else { 1 })?;
    BitReader::new(&payload[..]).read_ue("pic_parameter_set_id").ok()
}
