//! H.264 slice headers that tell the decoder to leave the loop filter out.
//!
//! `disable_deblocking_filter_idc` becomes 1, behind which no offsets stand (ITU-T H.264 §7.3.3, §7.4.3). In
//! most streams it is 0 and so are both offsets, three bits `111` that become the three bits `010`. Where the
//! length changes, only CABAC slices can be changed: their data begin at a byte.

use super::bits::{escape, unescape_some};
use super::headers::{Filter, HEAD_BYTES};

/// `disable_deblocking_filter_idc` of 1.
const OFF: [bool; 3] = [false, true, false];

/// The slice `nal` up to the byte in which its header ends, changed; and how many of its bytes that stands
/// for. `None`: it cannot be changed without moving what comes behind.
pub(super) fn head(nal: &[u8], filter: Filter) -> Option<(Vec<u8>, usize)> {
    let mut buffer = [0; HEAD_BYTES];
    let (payload, taken) = unescape_some(nal, 1, buffer.get_mut(..filter.to.div_ceil(8))?);
    if payload.len() * 8 < filter.to {
        return None;
    }
    let end = filter.from + OFF.len();
    if !filter.aligned && end != filter.to {
        return None;
    }
    let length = end.div_ceil(8);
    for (i, bit) in OFF.into_iter().enumerate() {
        put(&mut buffer, filter.from + i, bit);
    }
    if filter.aligned {
        // cabac_alignment_one_bit
        (end..length * 8).for_each(|at| put(&mut buffer, at, true));
    }
    // What comes behind is escaped as it must be behind a byte that is not 0.
    let seam = nal.get(taken) == Some(&3) && nal[..taken].ends_with(&[0, 0]);
    if buffer[length - 1] == 0 || seam {
        return None;
    }
    let mut head = Vec::with_capacity(length + 4);
    head.push(nal[0]);
    escape(&buffer[..length], &mut head);
    Some((head, taken))
}

fn put(bytes: &mut [u8], at: usize, bit: bool) {
    let mask = 0x80 >> (at % 8);
    if bit { bytes[at / 8] |= mask } else { bytes[at / 8] &= !mask }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bits of a payload, blanks between; behind the header whatever is there.
    fn bytes(bits: &str) -> Vec<u8> {
        let mut bytes = vec![];
        for (i, bit) in bits.chars().filter(|c| *c != ' ').enumerate() {
            if i % 8 == 0 {
                bytes.push(0);
            }
            put(&mut bytes, i, bit == '1');
        }
        bytes
    }

    /// `before`: payload of a slice whose filter fields are bits `from..to`; `after`: what it becomes.
    fn check(before: &str, (from, to): (usize, usize), aligned: bool, after: Option<&str>) {
        let mut nal = vec![0x41];
        escape(&bytes(before), &mut nal);
        let got = head(&nal, Filter { from, to, on: true, aligned });
        let got = got.map(|(mut head, taken)| {
            head.extend_from_slice(&nal[taken..]);
            head
        });
        let want = after.map(|after| {
            let mut nal = vec![0x41];
            escape(&bytes(after), &mut nal);
            nal
        });
        assert_eq!(got, want, "{before}");
    }

    #[test]
    fn three_bits_are_changed_where_they_stand() {
        check("10101111 10110000 11000011", (5, 8), true, Some("10101010 10110000 11000011"));
        check("10101011 11011000 11000011", (6, 9), true, Some("10101001 01111111 11000011"));
        // Without CABAC the data begin right behind.
        check("10101011 11011000 11000011", (6, 9), false, Some("10101001 01011000 11000011"));
    }

    #[test]
    fn a_shorter_header_moves_data_that_begin_at_a_byte() {
        // Offsets of 3 and -3: 1 00110 00111.
        check("10100110 00111111 11000011", (2, 13), true, Some("10010111 11000011"));
        check("10100110 00111111 11000011", (2, 13), false, None);
    }

    #[test]
    fn emulation_prevention_is_kept_and_what_it_would_shift_is_left_alone() {
        check(
            "00000000 00000000 11110000 00000001",
            (16, 19),
            false,
            Some("00000000 00000000 01010000 00000001"),
        );
        check(
            "00000000 00000000 00000111 00000000 01",
            (21, 24),
            true,
            Some("00000000 00000000 00000010 00000000 01"),
        );
        // The header ends in a byte that would become 0.
        check("10101011 10000000 11000011", (6, 9), false, None);
        assert_eq!(head(&[0x41, 0xff], Filter { from: 7, to: 10, on: true, aligned: true }), None);
    }
}
