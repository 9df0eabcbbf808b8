//! H.264 in RTP (RFC 6184): single NAL units, STAP-A and FU-A, which is packetisation mode 0 and 1.

use super::odd::Odd;
use super::video::Piece;

/// Gives the pieces of a packet's payload, in their order.
#[inline]
pub fn pieces<'a>(payload: &'a [u8], mut take: impl FnMut(Piece<'a>) -> Result<(), Odd>) -> Result<(), Odd> {
    let Some(&first) = payload.first() else { return Err(Odd::Malformed("an empty packet")) };
    if first & 0x80 != 0 {
        return Err(Odd::Malformed("the forbidden bit of a NAL unit is set"));
    }
    match first & 0x1f {
        1..=23 => take(Piece::Whole(payload)),
        // §5.8. The NAL unit's header: reference bits of the first byte, type of the second.
        28 => match payload {
            [_, fu, body @ ..] => take(Piece::Fragment {
                header: [first & 0x60 | fu & 0x1f, 0],
                header_len: 1,
                first: fu & 0x80 != 0,
                last: fu & 0x40 != 0,
                body,
            }),
            _ => Err(Odd::Malformed("a fragment without header")),
        },
        // §5.7.1.
        24 => {
            let mut rest = &payload[1..];
            while !rest.is_empty() {
                let (len, tail) = rest.split_first_chunk::<2>().ok_or(CUT)?;
                let nal = tail.get(..usize::from(u16::from_be_bytes(*len))).ok_or(CUT)?;
                if nal.is_empty() {
                    return Err(CUT);
                }
                take(Piece::Whole(nal))?;
                rest = &tail[nal.len()..];
            }
            Ok(())
        }
        25..=27 | 29 => Err(Odd::Unsupported("packets of H.264's interleaved mode")),
        0 => Err(Odd::Unsupported("start codes instead of NAL units")),
        _ => Err(Odd::Malformed("a reserved type of NAL unit")),
    }
}

const CUT: Odd = Odd::Malformed("an aggregate that does not add up");

#[cfg(test)]
mod tests {
    use super::*;

    fn check(payload: &[u8], expected: Result<&[Piece<'_>], Odd>) {
        let mut seen = Vec::new();
        let result = pieces(payload, |p| {
            seen.push(p);
            Ok(())
        });
        assert_eq!(result.map(|()| &seen[..]), expected);
    }

    #[test]
    fn the_three_ways_of_the_rfc() {
        check(&[0x65, 1, 2], Ok(&[Piece::Whole(&[0x65, 1, 2])]));
        check(&[0x78, 0, 1, 0x67, 0, 2, 0x68, 9], Ok(&[Piece::Whole(&[0x67]), Piece::Whole(&[0x68, 9])]));
        let fragment =
            |first, last, body| Piece::Fragment { header: [0x65, 0], header_len: 1, first, last, body };
        check(&[0x7c, 0x85, 1], Ok(&[fragment(true, false, &[1])]));
        check(&[0x7c, 0x45], Ok(&[fragment(false, true, &[])]));
    }

    #[test]
    fn what_is_not_understood_is_told_from_what_is_broken() {
        check(&[0x79, 0, 0], Err(Odd::Unsupported("packets of H.264's interleaved mode")));
        check(&[0, 0, 0, 1, 0x67], Err(Odd::Unsupported("start codes instead of NAL units")));
        check(&[0x78, 0, 3, 0x67], Err(CUT));
        check(&[0x78, 0, 0], Err(CUT));
        check(&[0x7c], Err(Odd::Malformed("a fragment without header")));
        check(&[], Err(Odd::Malformed("an empty packet")));
    }
}
