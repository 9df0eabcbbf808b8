//! NAL units of H.264 (ITU-T H.264 §7.3.1) and H.265 (ITU-T H.265 §7.3.1), as far as every stage
//! needs them.

use super::params::Codec;

/// Iterates over NAL units that each have their length in 4 bytes in front (ISO 14496-15).
/// Ends silently at the first length that does not fit.
pub fn nals(mut data: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (len, rest) = data.split_first_chunk::<4>()?;
        let nal = rest.get(..u32::from_be_bytes(*len) as usize)?;
        data = &rest[nal.len()..];
        Some(nal)
    })
}

/// Whether all of `data` is whole NAL units with lengths in front, and at least one.
pub fn is_well_formed(data: &[u8]) -> bool {
    let used: usize = nals(data).map(|n| n.len() + 4).sum();
    used == data.len() && used > 4
}

/// Whether decoding can start at this access unit: an IDR picture; in H.265 also CRA and BLA
/// (NAL types 16 to 21 are the IRAP pictures, table 7-1).
pub fn is_random_access(codec: Codec, data: &[u8]) -> bool {
    nals(data).any(|nal| match (codec, nal.first()) {
        (Codec::H264, Some(b)) => b & 0x1f == 5,
        (Codec::H265, Some(b)) => (16..=21).contains(&((b >> 1) & 0x3f)),
        _ => false,
    })
}

/// The type of a NAL unit (H.264 table 7-1, H.265 table 7-1); `None` if it is empty.
pub fn nal_type(codec: Codec, nal: &[u8]) -> Option<u8> {
    let &first = nal.first()?;
    Some(if codec == Codec::H265 { (first >> 1) & 0x3f } else { first & 0x1f })
}

/// The parameter sets in an avcC or hvcC (ISO 14496-15 §5.3.3.1, §8.3.3.1), each a NAL unit, in
/// their order. Ends silently where the record is cut short.
pub fn parameter_sets(codec: Codec, config: &[u8]) -> Vec<&[u8]> {
    let mut sets = Vec::new();
    // Every failure is the end of the record; what was found until there counts.
    let _ = collect_sets(codec, config, &mut sets);
    sets
}

fn collect_sets<'a>(codec: Codec, config: &'a [u8], sets: &mut Vec<&'a [u8]>) -> Option<()> {
    let h265 = codec == Codec::H265;
    let mut rest = config.get(if h265 { 22 } else { 5 }..)?;
    // An avcC has SPSs and then PPSs, each with its count; an hvcC says how many arrays it has.
    let mut take = |n: usize| -> Option<&'a [u8]> {
        let (taken, tail) = rest.split_at_checked(n)?;
        rest = tail;
        Some(taken)
    };
    let arrays = if h265 { take(1)?[0] } else { 2 };
    for array in 0..arrays {
        let count = match (h265, array) {
            (true, _) => {
                let head = take(3)?;
                u16::from_be_bytes([head[1], head[2]])
            }
            (false, 0) => u16::from(take(1)?[0] & 0x1f),
            (false, _) => u16::from(take(1)?[0]),
        };
        for _ in 0..count {
            let length = take(2)?;
            sets.push(take(u16::from_be_bytes([length[0], length[1]]).into())?);
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameter_sets_are_found_as_far_as_the_record_goes() {
        let avcc = [1, 0x64, 0, 0x1f, 0xff, 0xe1, 0, 2, 0x67, 9, 2, 0, 1, 0x68, 0, 1, 0x28];
        assert_eq!(parameter_sets(Codec::H264, &avcc), [&[0x67, 9][..], &[0x68], &[0x28]]);
        assert_eq!(parameter_sets(Codec::H264, &avcc[..15]), [&[0x67, 9][..], &[0x68]]);
        let mut hvcc = vec![0; 22];
        hvcc.extend([2, 0x20, 0, 1, 0, 1, 0x40, 0x21, 0, 1, 0, 2, 0x42, 1]);
        assert_eq!(parameter_sets(Codec::H265, &hvcc), [&[0x40][..], &[0x42, 1]]);
        assert_eq!(nal_type(Codec::H265, &[0x42, 1]), Some(33));
        assert!(parameter_sets(Codec::H265, &hvcc[..22]).is_empty());
    }

    #[test]
    fn cra_counts_as_random_access_and_torn_units_are_seen() {
        let unit = |first: u8| vec![0, 0, 0, 2, first, 0];
        assert!(is_random_access(Codec::H264, &unit(0x65)));
        assert!(!is_random_access(Codec::H264, &unit(0x41)));
        assert!(is_random_access(Codec::H265, &unit(21 << 1)));
        assert!(!is_random_access(Codec::H265, &unit(1 << 1)));
        assert!(is_well_formed(&unit(0x65)));
        assert!(!is_well_formed(&unit(0x65)[..5]));
        assert!(!is_well_formed(&[]));
    }
}
