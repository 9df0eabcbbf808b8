//! H.265: from a slice segment header to its QP (ITU-T H.265 §7.3.2.2, §7.3.2.3, §7.3.6.1).

use super::bits::{Bits, width};
use super::h265_refs::{RefSet, ref_set};
use super::headers::{Kind, Slice};

#[derive(Clone, Debug)]
pub(super) struct Sps {
    id: u32,
    colour_planes: bool,
    /// ChromaArrayType is 0.
    monochrome: bool,
    address_bits: u32,
    order_bits: u32,
    sao: bool,
    sets: Vec<RefSet>,
    /// Long-term references may be named in slices; of those that the SPS lists, whether each is
    /// used by the picture that names it.
    long_term: Option<Vec<bool>>,
    temporal_mvp: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Pps {
    id: u32,
    sps: Sps,
    dependent: bool,
    output_flag: bool,
    extra_bits: u32,
    cabac_init: bool,
    refs: [u32; 2],
    init_qp: i32,
    weighted: bool,
    weighted_bi: bool,
    lists_modified: bool,
}

/// `rbsp`: the payload of a NAL unit of type 33.
pub(super) fn sps(rbsp: &[u8]) -> Option<Sps> {
    let mut b = Bits::new(rbsp);
    b.skip(4)?;
    let sub_layers = b.u(3)?;
    b.skip(1)?;
    skip_profile_tier_level(&mut b, sub_layers)?;
    let id = b.count(15)?;
    let chroma = b.count(3)?;
    let colour_planes = chroma == 3 && b.flag()?;
    let (columns, rows) = (b.ue()?, b.ue()?);
    if b.flag()? {
        for _ in 0..4 {
            b.ue()?;
        }
    }
    b.ue()?;
    b.ue()?;
    let order_bits = b.count(12)? + 4;
    for _ in 0..=(if b.flag()? { sub_layers } else { 0 }) {
        for _ in 0..3 {
            b.ue()?;
        }
    }
    let ctb = b.count(3)? + 3 + b.count(3)?;
    let blocks = |samples: u32| samples.div_ceil(1 << ctb);
    let address_bits = width(blocks(columns).checked_mul(blocks(rows))?);
    for _ in 0..4 {
        b.ue()?;
    }
    if b.flag()? && b.flag()? {
        skip_scaling_lists(&mut b)?;
    }
    b.skip(1)?;
    let sao = b.flag()?;
    if b.flag()? {
        b.skip(8)?;
        b.ue()?;
        b.ue()?;
        b.skip(1)?;
    }
    let mut sets = Vec::new();
    for i in 0..b.count(64)? as usize {
        let set = ref_set(&mut b, i, &sets, false)?;
        sets.push(set);
    }
    let long_term = if b.flag()? { Some(long_term_sets(&mut b, order_bits)?) } else { None };
    let temporal_mvp = b.flag()?;
    let monochrome = chroma == 0 || colour_planes;
    Some(Sps { id, colour_planes, monochrome, address_bits, order_bits, sao, sets, long_term, temporal_mvp })
}

fn long_term_sets(b: &mut Bits, order_bits: u32) -> Option<Vec<bool>> {
    let count = b.count(32)?;
    (0..count)
        .map(|_| {
            b.skip(order_bits)?;
            b.flag()
        })
        .collect()
}

/// §7.3.3: 96 bits of general profile and level, then what each sub-layer has.
fn skip_profile_tier_level(b: &mut Bits, sub_layers: u32) -> Option<()> {
    b.skip(96)?;
    let mut bits = if sub_layers > 0 { 2 * (8 - sub_layers) } else { 0 };
    for _ in 0..sub_layers {
        bits += 88 * b.u(1)? + 8 * b.u(1)?;
    }
    b.skip(bits)
}

/// §7.3.4.
fn skip_scaling_lists(b: &mut Bits) -> Option<()> {
    for size in 0..4 {
        for _ in 0..(if size == 3 { 2 } else { 6 }) {
            if !b.flag()? {
                b.ue()?;
                continue;
            }
            if size > 1 {
                b.se()?;
            }
            for _ in 0..(64.min(16 << (2 * size))) {
                b.se()?;
            }
        }
    }
    Some(())
}

/// `rbsp`: the payload of a NAL unit of type 34.
pub(super) fn pps(rbsp: &[u8], known: &[Sps]) -> Option<Pps> {
    let mut b = Bits::new(rbsp);
    let id = b.count(63)?;
    let sps_id = b.ue()?;
    let sps = known.iter().find(|s| s.id == sps_id)?.clone();
    let dependent = b.flag()?;
    let output_flag = b.flag()?;
    let extra_bits = b.u(3)?;
    b.skip(1)?;
    let cabac_init = b.flag()?;
    let refs = [b.count(14)? + 1, b.count(14)? + 1];
    let init_qp = 26 + b.se()?;
    b.skip(2)?;
    if b.flag()? {
        b.ue()?;
    }
    b.se()?;
    b.se()?;
    b.skip(1)?;
    let weighted = b.flag()?;
    let weighted_bi = b.flag()?;
    b.skip(1)?;
    let tiles = b.flag()?;
    b.skip(1)?;
    if tiles {
        let (columns, rows) = (b.count(19)?, b.count(21)?);
        if !b.flag()? {
            for _ in 0..columns + rows {
                b.ue()?;
            }
        }
        b.skip(1)?;
    }
    b.skip(1)?;
    if b.flag()? {
        b.skip(1)?;
        if !b.flag()? {
            b.se()?;
            b.se()?;
        }
    }
    if b.flag()? {
        skip_scaling_lists(&mut b)?;
    }
    let lists_modified = b.flag()?;
    Some(Pps {
        id,
        sps,
        dependent,
        output_flag,
        extra_bits,
        cabac_init,
        refs,
        init_qp,
        weighted,
        weighted_bi,
        lists_modified,
    })
}

/// `kind`: the NAL unit's type, 0 to 9 or 16 to 21. `rbsp`: what of its payload is at hand. `None`
/// also for a dependent slice segment, which has no QP of its own.
pub(super) fn slice(nal_kind: u8, rbsp: &[u8], sets: &[Pps]) -> Option<Slice> {
    let mut b = Bits::new(rbsp);
    let first = b.flag()?;
    if (16..=23).contains(&nal_kind) {
        b.skip(1)?;
    }
    let id = b.ue()?;
    let pps = sets.iter().find(|p| p.id == id)?;
    let sps = &pps.sps;
    if !first {
        if pps.dependent && b.flag()? {
            return None;
        }
        b.skip(sps.address_bits)?;
    }
    b.skip(pps.extra_bits)?;
    let kind = match b.count(2)? {
        0 => Kind::B,
        1 => Kind::P,
        _ => Kind::I,
    };
    b.skip(u32::from(pps.output_flag) + 2 * u32::from(sps.colour_planes))?;
    let (mut used, mut mvp) = (0, false);
    if !matches!(nal_kind, 19 | 20) {
        used = named_references(&mut b, sps)?;
        mvp = sps.temporal_mvp && b.flag()?;
    }
    if sps.sao {
        b.skip(if sps.monochrome { 1 } else { 2 })?;
    }
    if kind != Kind::I {
        references(&mut b, pps, kind, used, mvp)?;
    }
    let qp = pps.init_qp + b.se()?;
    // Down to -QpBdOffset: 48 for 16 bits per sample.
    (-48..=51).contains(&qp).then_some(Slice { kind, qp, filter: None })
}

/// Reads which pictures are references; how many of them this picture uses (NumPicTotalCurr).
fn named_references(b: &mut Bits, sps: &Sps) -> Option<u32> {
    b.skip(sps.order_bits)?;
    let mut used = if b.flag()? {
        let index = b.u(width(sps.sets.len() as u32))?;
        sps.sets.get(index as usize)?.used()
    } else {
        ref_set(b, sps.sets.len(), &sps.sets, true)?.used()
    };
    let Some(listed) = &sps.long_term else { return Some(used) };
    let from_sps = if listed.is_empty() { 0 } else { b.count(32)? };
    let total = from_sps + b.count(32)?;
    for i in 0..total {
        let is_used = if i < from_sps {
            *listed.get(b.u(width(listed.len() as u32))? as usize)?
        } else {
            b.skip(sps.order_bits)?;
            b.flag()?
        };
        used += u32::from(is_used);
        if b.flag()? {
            b.ue()?;
        }
    }
    Some(used)
}

/// From `num_ref_idx_active_override_flag` to `five_minus_max_num_merge_cand`.
fn references(b: &mut Bits, pps: &Pps, kind: Kind, used: u32, mvp: bool) -> Option<()> {
    let lists = if kind == Kind::B { 2 } else { 1 };
    let mut refs = pps.refs;
    if b.flag()? {
        for count in &mut refs[..lists] {
            *count = b.count(14)? + 1;
        }
    }
    if pps.lists_modified && used > 1 {
        for &count in &refs[..lists] {
            if b.flag()? {
                b.skip(count * width(used))?;
            }
        }
    }
    if kind == Kind::B {
        b.skip(1)?;
    }
    if pps.cabac_init {
        b.skip(1)?;
    }
    if mvp {
        let from_first = kind == Kind::P || b.flag()?;
        if refs[usize::from(!from_first)] > 1 {
            b.ue()?;
        }
    }
    if (kind == Kind::P && pps.weighted) || (kind == Kind::B && pps.weighted_bi) {
        skip_weights(b, &refs[..lists], pps.sps.monochrome)?;
    }
    b.count(4)?;
    Some(())
}

/// §7.3.6.3: per list all flags for luma, all for chroma, then the weights.
fn skip_weights(b: &mut Bits, lists: &[u32], monochrome: bool) -> Option<()> {
    b.ue()?;
    if !monochrome {
        b.se()?;
    }
    for &count in lists {
        let luma = b.u(count)?;
        let chroma = if monochrome { 0 } else { b.u(count)? };
        for _ in 0..2 * luma.count_ones() + 4 * chroma.count_ones() {
            b.se()?;
        }
    }
    Some(())
}
