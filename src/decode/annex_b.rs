//! Access units as byte streams: start codes in place of lengths (H.264 and H.265 annex B), with the
//! parameter sets in front, so that a unit says by itself how it is decoded.

use bytes::Bytes;

use crate::media::{Codec, VideoParams, h26x};

const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// The unit `data` (NAL units with their lengths in front) after the parameter sets of `params`.
pub(super) fn self_contained(params: &VideoParams, data: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(params.config.len() + data.len() + 32);
    let mut put = |nal: &[u8]| {
        out.extend_from_slice(&START_CODE);
        out.extend_from_slice(nal);
    };
    parameter_sets(params).for_each(&mut put);
    h26x::nals(data).for_each(&mut put);
    out.into()
}

/// The parameter sets of a configuration record (ISO 14496-15 §5.3.3.1 and §8.3.3.1). Ends silently where
/// the record is torn.
fn parameter_sets(params: &VideoParams) -> impl Iterator<Item = &[u8]> {
    let h265 = params.codec == Codec::H265;
    // avcC: from byte 5 on, two lists, each after its count. hvcC: byte 22 counts the lists, each after its
    // type and a count of two bytes.
    let (head, most) = if h265 { (23, params.config.get(22).copied().unwrap_or(0)) } else { (5, 2) };
    let mut lists = most;
    let mut left = 0usize;
    let mut rest = params.config.get(head..).unwrap_or_default();
    std::iter::from_fn(move || {
        while left == 0 {
            lists = lists.checked_sub(1)?;
            if h265 {
                let (head, tail) = rest.split_first_chunk::<3>()?;
                left = usize::from(u16::from_be_bytes([head[1], head[2]]));
                rest = tail;
            } else {
                let (count, tail) = rest.split_first()?;
                left = usize::from(count & 0x1f);
                rest = tail;
            }
        }
        left -= 1;
        let (len, tail) = rest.split_first_chunk::<2>()?;
        let set = tail.get(..usize::from(u16::from_be_bytes(*len)))?;
        rest = &tail[set.len()..];
        Some(set)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(codec: Codec, config: &[u8], want: &[u8]) {
        let config = Bytes::copy_from_slice(config);
        let params = VideoParams { codec, width: 16, height: 16, config, rfc6381: String::new() };
        assert_eq!(self_contained(&params, &[0, 0, 0, 2, 0x65, 9])[..], *want);
    }

    #[test]
    fn parameter_sets_stand_in_front_of_the_units_own_nals() {
        // One SPS (67 1), two PPS (68 2 and 68 3).
        let avc = [1, 66, 0, 30, 0xff, 0xe1, 0, 2, 0x67, 1, 2, 0, 2, 0x68, 2, 0, 2, 0x68, 3];
        let want = [0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 2, 0, 0, 0, 1, 0x68, 3, 0, 0, 0, 1, 0x65, 9];
        check(Codec::H264, &avc, &want);
        let mut hevc = vec![0; 22];
        hevc.extend([2, 0xa0, 0, 1, 0, 2, 0x40, 1, 0xa1, 0, 1, 0, 2, 0x42, 2]);
        check(Codec::H265, &hevc, &[0, 0, 0, 1, 0x40, 1, 0, 0, 0, 1, 0x42, 2, 0, 0, 0, 1, 0x65, 9]);
    }

    #[test]
    fn a_torn_record_gives_what_is_whole() {
        check(Codec::H264, &[1, 66, 0, 30, 0xff, 0xe1, 0, 9, 0x67], &[0, 0, 0, 1, 0x65, 9]);
        check(Codec::H265, &[], &[0, 0, 0, 1, 0x65, 9]);
    }
}
