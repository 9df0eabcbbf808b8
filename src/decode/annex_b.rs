//! Access units as byte streams: start codes in place of lengths (H.264 and H.265 annex B), with the
//! parameter sets in front, so that a unit says by itself how it is decoded.

use bytes::Bytes;

use crate::media::{VideoParams, h26x};

const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// The unit `data` (NAL units with their lengths in front) after the parameter sets of `params`.
pub(super) fn self_contained(params: &VideoParams, data: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(params.config.len() + data.len() + 32);
    let mut put = |nal: &[u8]| {
        out.extend_from_slice(&START_CODE);
        out.extend_from_slice(nal);
    };
    h26x::parameter_sets(params.codec, &params.config).into_iter().for_each(&mut put);
    h26x::nals(data).for_each(&mut put);
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Codec;

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
