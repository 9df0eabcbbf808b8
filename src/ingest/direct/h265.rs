//! H.265 in RTP (RFC 7798): single NAL units, aggregates (AP) and fragments (FU), without decoding
//! order numbers (the SDP would announce those).

use super::odd::Odd;
use super::video::Piece;

/// Gives the pieces of a packet's payload, in their order.
#[inline]
pub fn pieces<'a>(payload: &'a [u8], mut take: impl FnMut(Piece<'a>) -> Result<(), Odd>) -> Result<(), Odd> {
    let &[a, b, ref body @ ..] = payload else { return Err(Odd::Malformed("a packet without header")) };
    if a & 0x80 != 0 {
        return Err(Odd::Malformed("the forbidden bit of a NAL unit is set"));
    }
    match a >> 1 {
        0..=47 if payload.starts_with(&[0, 0]) => Err(Odd::Unsupported("start codes instead of NAL units")),
        0..=47 => take(Piece::Whole(payload)),
        // §4.4.2.
        48 => {
            let mut rest = body;
            while !rest.is_empty() {
                let (len, tail) = rest.split_first_chunk::<2>().ok_or(CUT)?;
                let nal = tail.get(..usize::from(u16::from_be_bytes(*len))).ok_or(CUT)?;
                if nal.len() < 2 {
                    return Err(CUT);
                }
                take(Piece::Whole(nal))?;
                rest = &tail[nal.len()..];
            }
            Ok(())
        }
        // §4.4.3. The NAL unit's header is the packet's, with the type of the third byte.
        49 => match body {
            [fu, body @ ..] => take(Piece::Fragment {
                header: [a & 0x81 | (fu & 0x3f) << 1, b],
                header_len: 2,
                first: fu & 0x80 != 0,
                last: fu & 0x40 != 0,
                body,
            }),
            _ => Err(Odd::Malformed("a fragment without header")),
        },
        _ => Err(Odd::Unsupported("H.265 packets with content information")),
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
        check(&[38, 1, 7], Ok(&[Piece::Whole(&[38, 1, 7])]));
        check(
            &[96, 1, 0, 2, 64, 1, 0, 3, 66, 1, 9],
            Ok(&[Piece::Whole(&[64, 1]), Piece::Whole(&[66, 1, 9])]),
        );
        let fragment =
            |first, last, body| Piece::Fragment { header: [38, 1], header_len: 2, first, last, body };
        check(&[98, 1, 0x93, 5], Ok(&[fragment(true, false, &[5])]));
        check(&[98, 1, 0x53], Ok(&[fragment(false, true, &[])]));
    }

    #[test]
    fn what_is_not_understood_is_told_from_what_is_broken() {
        check(&[100, 1, 0], Err(Odd::Unsupported("H.265 packets with content information")));
        check(&[0, 0, 0, 1, 64, 1], Err(Odd::Unsupported("start codes instead of NAL units")));
        check(&[96, 1, 0, 1, 64], Err(CUT));
        check(&[98, 1], Err(Odd::Malformed("a fragment without header")));
        check(&[38], Err(Odd::Malformed("a packet without header")));
    }
}
