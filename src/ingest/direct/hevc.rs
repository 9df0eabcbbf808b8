//! What a decoder configuration record of H.265 says about a stream (ISO 14496-15 §8.3.3.1), from
//! its sequence parameter set (ITU-T H.265 §7.3.2.2).

use h264_reader::rbsp::{BitRead, BitReader, BitReaderError, decode_nal};

use crate::ingest::headers::skip_profile_tier_level;

/// Fields of a sequence parameter set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpsFields {
    /// Picture size after cropping, pixels.
    pub width: u32,
    pub height: u32,
    /// `general_profile_space` to `general_level_idc`.
    profile_tier_level: [u8; 12],
    sub_layers: u8,
    nesting: bool,
    chroma: u8,
    luma_depth: u8,
    chroma_depth: u8,
}

impl SpsFields {
    /// `nal`: with its header. `None`: it cannot be read.
    pub fn read(nal: &[u8]) -> Option<SpsFields> {
        let payload = decode_nal(nal.get(1..).filter(|n| n.len() > 1)?).ok()?;
        let general = payload.get(1..13)?.try_into().ok()?;
        fields(BitReader::new(&payload[..]), general).ok()
    }

    /// The record, with 4-byte lengths; `arrays` are parameter sets by type.
    pub fn record(&self, arrays: &[(u8, &[&[u8]])]) -> Vec<u8> {
        let mut out = vec![1];
        out.extend_from_slice(&self.profile_tier_level);
        // Spatial segmentation and parallelism: not said. The ones are reserved bits.
        out.extend_from_slice(&[0xf0, 0, 0xfc]);
        out.extend_from_slice(&[0xfc | self.chroma, 0xf8 | self.luma_depth, 0xf8 | self.chroma_depth]);
        // Frame rate: not said. Temporal layers, nesting, lengths of 4 bytes.
        out.extend_from_slice(&[0, 0, (self.sub_layers + 1) << 3 | u8::from(self.nesting) << 2 | 3]);
        out.push(arrays.len() as u8);
        for (kind, sets) in arrays {
            // All sets of the type are here: the stream carries none.
            out.push(0x80 | kind);
            out.extend_from_slice(&(sets.len() as u16).to_be_bytes());
            for set in *sets {
                out.extend_from_slice(&(set.len() as u16).to_be_bytes());
                out.extend_from_slice(set);
            }
        }
        out
    }
}

fn fields(mut r: impl BitRead, profile_tier_level: [u8; 12]) -> Result<SpsFields, BitReaderError> {
    r.skip(4, "sps_video_parameter_set_id")?;
    let sub_layers: u8 = r.read(3, "sps_max_sub_layers_minus1")?;
    let nesting = r.read_bool("sps_temporal_id_nesting_flag")?;
    skip_profile_tier_level(&mut r, sub_layers)?;
    r.read_ue("sps_seq_parameter_set_id")?;
    let chroma = r.read_ue("chroma_format_idc")?;
    if chroma == 3 {
        r.skip(1, "separate_colour_plane_flag")?;
    }
    let mut size = [r.read_ue("pic_width_in_luma_samples")?, r.read_ue("pic_height_in_luma_samples")?];
    if r.read_bool("conformance_window_flag")? {
        // Table 6-1: the offsets count chroma samples.
        let units = [if matches!(chroma, 1 | 2) { 2 } else { 1 }, if chroma == 1 { 2 } else { 1 }];
        for (axis, unit) in [0, 1].into_iter().zip(units) {
            let before = r.read_ue("conf_win_offset")?;
            let cut = before.saturating_add(r.read_ue("conf_win_offset")?).saturating_mul(unit);
            size[axis] = size[axis].saturating_sub(cut);
        }
    }
    let luma_depth = r.read_ue("bit_depth_luma_minus8")?;
    let chroma_depth = r.read_ue("bit_depth_chroma_minus8")?;
    Ok(SpsFields {
        width: size[0],
        height: size[1],
        profile_tier_level,
        sub_layers,
        nesting,
        chroma: (chroma & 3) as u8,
        luma_depth: (luma_depth & 7) as u8,
        chroma_depth: (chroma_depth & 7) as u8,
    })
}
