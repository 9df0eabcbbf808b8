//! H.264: from a slice header to its QP (ITU-T H.264 §7.3.2.1.1, §7.3.2.2, §7.3.3).

use super::bits::Bits;
use super::headers::{Filter, Kind, Slice};

/// What of an SPS and the PPS over it a slice header's syntax hangs on.
#[derive(Clone, Debug)]
pub(super) struct Pps {
    id: u32,
    sps: Sps,
    cabac: bool,
    /// `bottom_field_pic_order_in_frame_present_flag`
    bottom_order: bool,
    refs: [u32; 2],
    weighted: bool,
    weighted_bi: u32,
    init_qp: i32,
    /// `deblocking_filter_control_present_flag`
    filter: bool,
    redundant: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Sps {
    id: u32,
    colour_planes: bool,
    monochrome: bool,
    frame_num_bits: u32,
    order: Order,
    frames_only: bool,
}

/// `pic_order_cnt_type`
#[derive(Clone, Copy, Debug)]
enum Order {
    Lsb(u32),
    Deltas { always_zero: bool },
    Decoding,
}

/// Profiles whose SPS tells its chroma format (§7.3.2.1.1).
const WITH_CHROMA: [u32; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];

/// `rbsp`: the payload of a NAL unit of type 7.
pub(super) fn sps(rbsp: &[u8]) -> Option<Sps> {
    let mut b = Bits::new(rbsp);
    let profile = b.u(8)?;
    b.skip(16)?;
    let id = b.count(31)?;
    let (mut chroma, mut colour_planes) = (1, false);
    if WITH_CHROMA.contains(&profile) {
        chroma = b.count(3)?;
        colour_planes = chroma == 3 && b.flag()?;
        b.ue()?;
        b.ue()?;
        b.skip(1)?;
        if b.flag()? {
            for list in 0..(if chroma == 3 { 12 } else { 8 }) {
                if b.flag()? {
                    skip_scaling_list(&mut b, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
    }
    let frame_num_bits = b.count(12)? + 4;
    let order = match b.ue()? {
        0 => Order::Lsb(b.count(12)? + 4),
        1 => {
            let always_zero = b.flag()?;
            b.se()?;
            b.se()?;
            for _ in 0..b.count(255)? {
                b.se()?;
            }
            Order::Deltas { always_zero }
        }
        _ => Order::Decoding,
    };
    b.ue()?;
    b.skip(1)?;
    b.ue()?;
    b.ue()?;
    let frames_only = b.flag()?;
    // ChromaArrayType is 0 with separate planes too: each is coded like a monochrome picture.
    let monochrome = chroma == 0 || colour_planes;
    Some(Sps { id, colour_planes, monochrome, frame_num_bits, order, frames_only })
}

/// §7.3.2.1.1.1: a list ends early where its next scale would be 0.
fn skip_scaling_list(b: &mut Bits, size: u32) -> Option<()> {
    let (mut last, mut next) = (8i32, 8i32);
    for _ in 0..size {
        if next != 0 {
            next = (last + b.se()?).rem_euclid(256);
        }
        last = if next == 0 { last } else { next };
    }
    Some(())
}

/// `rbsp`: the payload of a NAL unit of type 8. Slice groups, which no camera makes, are not read.
pub(super) fn pps(rbsp: &[u8], known: &[Sps]) -> Option<Pps> {
    let mut b = Bits::new(rbsp);
    let id = b.count(255)?;
    let sps_id = b.ue()?;
    let sps = known.iter().find(|s| s.id == sps_id)?.clone();
    let cabac = b.flag()?;
    let bottom_order = b.flag()?;
    if b.ue()? > 0 {
        return None;
    }
    let refs = [b.count(31)? + 1, b.count(31)? + 1];
    let weighted = b.flag()?;
    let weighted_bi = b.u(2)?;
    let init_qp = 26 + b.se()?;
    b.se()?;
    b.se()?;
    let filter = b.flag()?;
    b.skip(1)?;
    let redundant = b.flag()?;
    Some(Pps { id, sps, cabac, bottom_order, refs, weighted, weighted_bi, init_qp, filter, redundant })
}

/// `nal_header`: the NAL unit's first byte, of type 1 or 5. `rbsp`: what of its payload is at hand.
pub(super) fn slice(nal_header: u8, rbsp: &[u8], sets: &[Pps]) -> Option<Slice> {
    let idr = nal_header & 0x1f == 5;
    let reference = nal_header & 0x60 != 0;
    let mut b = Bits::new(rbsp);
    b.ue()?;
    // Types 5 to 9 say that all slices of the picture have the type less 5. SP and SI are P and I.
    let slice_type = b.count(9)? % 5;
    let kind = match slice_type {
        0 | 3 => Kind::P,
        1 => Kind::B,
        _ => Kind::I,
    };
    let id = b.ue()?;
    let pps = sets.iter().find(|p| p.id == id)?;
    let sps = &pps.sps;
    if sps.colour_planes {
        b.skip(2)?;
    }
    b.skip(sps.frame_num_bits)?;
    let field = !sps.frames_only && b.flag()?;
    if field {
        b.skip(1)?;
    }
    if idr {
        b.ue()?;
    }
    let bottom = pps.bottom_order && !field;
    match sps.order {
        Order::Lsb(bits) => {
            b.skip(bits)?;
            if bottom {
                b.se()?;
            }
        }
        Order::Deltas { always_zero: false } => {
            b.se()?;
            if bottom {
                b.se()?;
            }
        }
        _ => {}
    }
    if pps.redundant {
        b.ue()?;
    }
    if kind == Kind::B {
        b.skip(1)?;
    }
    if kind != Kind::I {
        references(&mut b, pps, kind)?;
    }
    if reference {
        skip_marking(&mut b, idr)?;
    }
    if pps.cabac && kind != Kind::I {
        b.ue()?;
    }
    let qp = pps.init_qp + b.se()?;
    // Below 0 with more than 8 bits per sample (§7.4.3: down to -QpBdOffset, 36 for 14 bits).
    // SP and SI slices have fields of their own in between; nobody sends them.
    let filter = if pps.filter && slice_type < 3 { filter(&mut b, pps.cabac) } else { None };
    (-36..=51).contains(&qp).then_some(Slice { kind, qp, filter })
}

fn filter(b: &mut Bits, aligned: bool) -> Option<Filter> {
    let from = b.position();
    let on = b.count(2)? != 1;
    if on {
        b.se()?;
        b.se()?;
    }
    Some(Filter { from, to: b.position(), on, aligned })
}

/// The number of references, their order and their weights.
fn references(b: &mut Bits, pps: &Pps, kind: Kind) -> Option<()> {
    let lists = if kind == Kind::B { 2 } else { 1 };
    let mut refs = pps.refs;
    if b.flag()? {
        for count in &mut refs[..lists] {
            *count = b.count(31)? + 1;
        }
    }
    for _ in 0..lists {
        if !b.flag()? {
            continue;
        }
        // §7.3.3.1: at most one more entry than there are references, the last one being 3.
        let mut entries = 0;
        while b.count(3)? != 3 {
            b.ue()?;
            entries += 1;
            if entries > 33 {
                return None;
            }
        }
    }
    if (kind == Kind::P && pps.weighted) || (kind == Kind::B && pps.weighted_bi == 1) {
        // §7.3.3.2
        b.ue()?;
        if !pps.sps.monochrome {
            b.ue()?;
        }
        for &count in &refs[..lists] {
            for _ in 0..count {
                skip_weights(b, 2)?;
                if !pps.sps.monochrome {
                    skip_weights(b, 4)?;
                }
            }
        }
    }
    Some(())
}

fn skip_weights(b: &mut Bits, values: u32) -> Option<()> {
    if b.flag()? {
        for _ in 0..values {
            b.se()?;
        }
    }
    Some(())
}

/// §7.3.3.3, `dec_ref_pic_marking`.
fn skip_marking(b: &mut Bits, idr: bool) -> Option<()> {
    if idr {
        return b.skip(2);
    }
    if !b.flag()? {
        return Some(());
    }
    // A marking of every reference field, and a few for all.
    for _ in 0..70 {
        match b.count(6)? {
            0 => return Some(()),
            3 => {
                b.ue()?;
                b.ue()?;
            }
            5 => {}
            _ => {
                b.ue()?;
            }
        }
    }
    None
}
