//! What ingest reads from parameter sets and slice headers: how pictures are reordered.
//!
//! H.264: ITU-T H.264 §7.3.2.1 (SPS), §7.3.3 (slice header), §8.2.1 (picture order count).
//! H.265: ITU-T H.265 §7.3.2.2 (SPS), §7.3.2.3 (PPS), §7.3.6.1 (slice header), §8.3.1.

use std::borrow::Cow;

use h264_reader::nal::sps::{FrameMbsFlags, PicOrderCntType, SeqParameterSet};
use h264_reader::rbsp::{BitRead, BitReader, BitReaderError, decode_nal};

use crate::media::Codec;
use crate::media::h26x::nals;

/// How much of a slice is looked at; its header's first fields fit in easily.
const SLICE_BYTES: usize = 64;

/// Reordering as a stream's parameter sets declare it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reordering {
    /// Pictures that may precede another in decoding and follow it in output; `None` where the
    /// headers leave it open.
    pub depth: Option<u8>,
    order: OrderSyntax,
}

/// What it takes to read a picture's order count.
#[derive(Debug, Clone, PartialEq, Eq)]
enum OrderSyntax {
    /// Output order is decoding order (H.264 type 2; type 1, which nobody uses, is taken for it).
    Decoding,
    H264 {
        frame_num_bits: u32,
        lsb_bits: u32,
        colour_planes: bool,
        fields: bool,
    },
    H265 {
        lsb_bits: u32,
        colour_planes: bool,
        extra_slice_bits: u32,
        output_flag: bool,
    },
}

/// Order of one picture for output, within its coded video sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureOrder {
    /// A new coded video sequence begins: everything before is output first.
    pub resets: bool,
    pub count: i64,
}

/// Reads order counts in decoding order.
#[derive(Debug)]
pub struct OrderReader {
    codec: Codec,
    syntax: OrderSyntax,
    prev_msb: i64,
    prev_lsb: i64,
    decoded: i64,
}

/// `config` is the decoder configuration record. `None`: it cannot be read, nothing is known.
pub fn reordering(codec: Codec, config: &[u8]) -> Option<Reordering> {
    match codec {
        Codec::H264 => h264(&rbsp(parameter_set(codec, config, 7)?, 1)?).ok(),
        Codec::H265 => {
            let sps = rbsp(parameter_set(codec, config, 33)?, 2)?;
            let pps = rbsp(parameter_set(codec, config, 34)?, 2)?;
            h265(&sps, &pps).ok()
        }
        Codec::Aac => None,
    }
}

/// The first NAL unit of `wanted` type in an avcC or hvcC (ISO 14496-15 §5.3.3.1, §8.3.3.1).
fn parameter_set(codec: Codec, config: &[u8], wanted: u8) -> Option<&[u8]> {
    let (mut rest, h265) = match codec {
        Codec::H264 => (config.get(5..)?, false),
        _ => (config.get(22..)?, true),
    };
    let arrays = if h265 { rest[0] } else { 1 };
    rest = &rest[1..];
    for _ in 0..arrays {
        let count = if h265 {
            let count = u16::from_be_bytes([*rest.get(1)?, *rest.get(2)?]);
            rest = &rest[3..];
            count
        } else {
            u16::from(config[5] & 0x1f)
        };
        for _ in 0..count {
            let (len, tail) = rest.split_first_chunk::<2>()?;
            let nal = tail.get(..u16::from_be_bytes(*len) as usize)?;
            rest = &tail[nal.len()..];
            let first = *nal.first()?;
            if wanted == if h265 { (first >> 1) & 0x3f } else { first & 0x1f } {
                return Some(nal);
            }
        }
    }
    None
}

/// The payload after a header of `header` bytes, emulation prevention bytes taken out.
fn rbsp(nal: &[u8], header: usize) -> Option<Cow<'_, [u8]>> {
    decode_nal(nal.get(header - 1..)?).ok()
}

fn h264(sps: &[u8]) -> Result<Reordering, String> {
    let sps = SeqParameterSet::from_bits(BitReader::new(sps)).map_err(|e| format!("{e:?}"))?;
    let declared = sps.vui_parameters.as_ref().and_then(|v| v.bitstream_restrictions.as_ref());
    let baseline = sps.profile().profile_idc() == 66;
    let order = match sps.pic_order_cnt {
        PicOrderCntType::TypeZero { log2_max_pic_order_cnt_lsb_minus4 } => OrderSyntax::H264 {
            frame_num_bits: u32::from(sps.log2_max_frame_num_minus4) + 4,
            lsb_bits: u32::from(log2_max_pic_order_cnt_lsb_minus4) + 4,
            colour_planes: sps.chroma_info.separate_colour_plane_flag,
            fields: sps.frame_mbs_flags != FrameMbsFlags::Frames,
        },
        _ => OrderSyntax::Decoding,
    };
    let depth = if baseline || order == OrderSyntax::Decoding {
        Some(0)
    } else {
        declared.map(|r| r.max_num_reorder_frames.min(16) as u8)
    };
    Ok(Reordering { depth, order })
}

fn h265(sps: &[u8], pps: &[u8]) -> Result<Reordering, BitReaderError> {
    let mut r = BitReader::new(sps);
    r.skip(4, "sps_video_parameter_set_id")?;
    let sub_layers: u8 = r.read(3, "sps_max_sub_layers_minus1")?;
    r.skip(1, "sps_temporal_id_nesting_flag")?;
    skip_profile_tier_level(&mut r, sub_layers)?;
    r.read_ue("sps_seq_parameter_set_id")?;
    let planes = r.read_ue("chroma_format_idc")? == 3 && r.read_bool("separate_colour_plane_flag")?;
    r.read_ue("pic_width_in_luma_samples")?;
    r.read_ue("pic_height_in_luma_samples")?;
    if r.read_bool("conformance_window_flag")? {
        for _ in 0..4 {
            r.read_ue("conf_win_offset")?;
        }
    }
    r.read_ue("bit_depth_luma_minus8")?;
    r.read_ue("bit_depth_chroma_minus8")?;
    let lsb_bits = r.read_ue("log2_max_pic_order_cnt_lsb_minus4")?.min(12) + 4;
    let each_layer = r.read_bool("sps_sub_layer_ordering_info_present_flag")?;
    let mut depth = 0;
    for _ in 0..=(if each_layer { sub_layers } else { 0 }) {
        r.read_ue("sps_max_dec_pic_buffering_minus1")?;
        // The last one is that of the highest sub-layer, which is what we decode.
        depth = r.read_ue("sps_max_num_reorder_pics")?;
        r.read_ue("sps_max_latency_increase_plus1")?;
    }
    let mut p = BitReader::new(pps);
    p.read_ue("pps_pic_parameter_set_id")?;
    p.read_ue("pps_seq_parameter_set_id")?;
    p.skip(1, "dependent_slice_segments_enabled_flag")?;
    let output_flag = p.read_bool("output_flag_present_flag")?;
    let extra_slice_bits = p.read(3, "num_extra_slice_header_bits")?;
    let order = OrderSyntax::H265 { lsb_bits, colour_planes: planes, extra_slice_bits, output_flag };
    Ok(Reordering { depth: Some(depth.min(16) as u8), order })
}

/// §7.3.3: 88 bits of general profile and level, then what each sub-layer has.
pub(super) fn skip_profile_tier_level(r: &mut impl BitRead, sub_layers: u8) -> Result<(), BitReaderError> {
    r.skip(96, "general_profile_tier_level")?;
    let mut bits = 0;
    let mut present = Vec::with_capacity(8);
    for _ in 0..sub_layers {
        present.push((r.read_bool("sub_layer_profile")?, r.read_bool("sub_layer_level")?));
    }
    if sub_layers > 0 {
        bits += 2 * (8 - u32::from(sub_layers));
    }
    bits += present.iter().map(|&(p, l)| 88 * u32::from(p) + 8 * u32::from(l)).sum::<u32>();
    r.skip(bits, "sub_layers")
}

impl OrderReader {
    pub fn new(codec: Codec, reordering: Option<Reordering>) -> Self {
        let syntax = reordering.map_or(OrderSyntax::Decoding, |r| r.order);
        OrderReader { codec, syntax, prev_msb: 0, prev_lsb: 0, decoded: 0 }
    }

    /// The order of the next access unit. What cannot be read is put behind what came before.
    pub fn next(&mut self, unit: &[u8]) -> PictureOrder {
        self.decoded += 1;
        let slice = nals(unit).find_map(|nal| self.slice(nal));
        let Some((lsb, lsb_bits, resets, reference)) = slice else {
            return PictureOrder { resets: self.decoded == 1, count: self.prev_msb + self.decoded };
        };
        if resets {
            (self.prev_msb, self.prev_lsb) = (0, 0);
        }
        // H.264 (8-3), H.265 (8-1): the high part changes when the low part wraps.
        let size = 1i64 << lsb_bits;
        let msb = if lsb < self.prev_lsb && self.prev_lsb - lsb >= size / 2 {
            self.prev_msb + size
        } else if lsb > self.prev_lsb && lsb - self.prev_lsb > size / 2 {
            self.prev_msb - size
        } else {
            self.prev_msb
        };
        if reference {
            (self.prev_msb, self.prev_lsb) = (msb, lsb);
        }
        PictureOrder { resets, count: msb + lsb }
    }

    /// `(lsb, bits of lsb, begins a sequence, is reference)` of a slice NAL unit.
    fn slice(&self, nal: &[u8]) -> Option<(i64, u32, bool, bool)> {
        let header = if self.codec == Codec::H265 { 2 } else { 1 };
        let kind = match self.codec {
            Codec::H265 => (nal.first()? >> 1) & 0x3f,
            _ => nal.first()? & 0x1f,
        };
        let head = &nal[..nal.len().min(SLICE_BYTES)];
        let payload = rbsp(head, header)?;
        let mut r = BitReader::new(&payload[..]);
        match self.syntax {
            OrderSyntax::Decoding => None,
            OrderSyntax::H264 { frame_num_bits, lsb_bits, colour_planes, fields } => {
                if !matches!(kind, 1 | 2 | 5) {
                    return None;
                }
                let idr = kind == 5;
                let reference = nal[0] & 0x60 != 0;
                let lsb = h264_lsb(&mut r, idr, frame_num_bits, lsb_bits, colour_planes, fields).ok()?;
                Some((lsb, lsb_bits, idr, reference))
            }
            OrderSyntax::H265 { lsb_bits, colour_planes, extra_slice_bits, output_flag } => {
                if kind > 21 || (10..16).contains(&kind) {
                    return None;
                }
                let idr = matches!(kind, 19 | 20);
                let skip = extra_slice_bits;
                let lsb = h265_lsb(&mut r, kind, lsb_bits, skip, output_flag, colour_planes).ok()?;
                // Types 6 to 9 are RADL and RASL; even types below 16 are not referenced within
                // their sub-layer (table 7-1). Layers above 0 are never a base (§8.3.1).
                let base =
                    (nal.get(1)? & 7) == 1 && !(6..=9).contains(&kind) && (kind >= 16 || kind % 2 == 1);
                Some((lsb, lsb_bits, idr || (16..=18).contains(&kind), base))
            }
        }
    }
}

fn h264_lsb(
    r: &mut impl BitRead,
    idr: bool,
    frame_num_bits: u32,
    lsb_bits: u32,
    colour_planes: bool,
    fields: bool,
) -> Result<i64, BitReaderError> {
    r.read_ue("first_mb_in_slice")?;
    r.read_ue("slice_type")?;
    r.read_ue("pic_parameter_set_id")?;
    if colour_planes {
        r.skip(2, "colour_plane_id")?;
    }
    r.skip(frame_num_bits, "frame_num")?;
    if fields && r.read_bool("field_pic_flag")? {
        r.skip(1, "bottom_field_flag")?;
    }
    if idr {
        r.read_ue("idr_pic_id")?;
    }
    r.read::<u32>(lsb_bits, "pic_order_cnt_lsb").map(i64::from)
}

fn h265_lsb(
    r: &mut impl BitRead,
    kind: u8,
    lsb_bits: u32,
    extra_slice_bits: u32,
    output_flag: bool,
    colour_planes: bool,
) -> Result<i64, BitReaderError> {
    r.skip(1, "first_slice_segment_in_pic_flag")?;
    if (16..=23).contains(&kind) {
        r.skip(1, "no_output_of_prior_pics_flag")?;
    }
    r.read_ue("slice_pic_parameter_set_id")?;
    r.skip(extra_slice_bits, "slice_reserved_flag")?;
    r.read_ue("slice_type")?;
    if output_flag {
        r.skip(1, "pic_output_flag")?;
    }
    if colour_planes {
        r.skip(2, "colour_plane_id")?;
    }
    if matches!(kind, 19 | 20) {
        return Ok(0);
    }
    r.read::<u32>(lsb_bits, "slice_pic_order_cnt_lsb").map(i64::from)
}
