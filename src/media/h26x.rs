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

#[cfg(test)]
mod tests {
    use super::*;

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
