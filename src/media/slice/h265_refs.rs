//! Short-term reference picture sets of H.265 (ITU-T H.265 §7.3.7, §7.4.8): how many references a
//! slice uses decides how long its header's next fields are.

use super::bits::Bits;

/// Pictures that are kept for reference, by their distance in output order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct RefSet {
    /// Those before (nearest first), then those after (nearest first): the order in which a later
    /// set refers to them. With each, whether the picture itself uses it.
    pictures: Vec<(i32, bool)>,
}

/// A decoded picture buffer holds at most 16 pictures (§A.4.2).
const MOST: u32 = 16;

impl RefSet {
    pub fn used(&self) -> u32 {
        self.pictures.iter().filter(|p| p.1).count() as u32
    }
}

/// The set of this `index`; `earlier` are those before it, `in_slice`: it stands in a slice header,
/// after all of the SPS.
pub(super) fn ref_set(b: &mut Bits, index: usize, earlier: &[RefSet], in_slice: bool) -> Option<RefSet> {
    if index > 0 && b.flag()? {
        return predicted(b, earlier, in_slice);
    }
    let counts = [b.count(MOST)?, b.count(MOST)?];
    let mut pictures = Vec::with_capacity((counts[0] + counts[1]) as usize);
    for (count, sign) in counts.into_iter().zip([-1, 1]) {
        let mut distance = 0;
        for _ in 0..count {
            distance += b.count(1 << 15)? as i32 + 1;
            pictures.push((sign * distance, b.flag()?));
        }
    }
    Some(RefSet { pictures })
}

/// `inter_ref_pic_set_prediction_flag`: an earlier set, moved, with some pictures left out
/// ((7-61), (7-62)).
fn predicted(b: &mut Bits, earlier: &[RefSet], in_slice: bool) -> Option<RefSet> {
    let back = if in_slice { b.ue()? as usize + 1 } else { 1 };
    let from = &earlier[earlier.len().checked_sub(back)?];
    let negative = b.flag()?;
    let moved = b.count(1 << 15)? as i32 + 1;
    let moved = if negative { -moved } else { moved };
    let mut pictures = Vec::with_capacity(from.pictures.len() + 1);
    for distance in from.pictures.iter().map(|p| p.0).chain([0]) {
        let used = b.flag()?;
        let kept = used || b.flag()?;
        if kept && distance + moved != 0 {
            pictures.push((distance + moved, used));
        }
    }
    // What is before stands before what is after, each nearest first.
    pictures.sort_unstable_by_key(|&(distance, _)| (distance > 0, distance.abs()));
    (pictures.len() as u32 <= 2 * MOST).then_some(RefSet { pictures })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_predicted_set_is_the_earlier_one_moved() {
        // One earlier set: -1 and -2, both used. Moved by -1, all kept and used: -1 (the picture
        // that had the earlier set), -2, -3.
        let earlier = [RefSet { pictures: vec![(-1, true), (-2, true)] }];
        // flag 1; delta_rps_sign 1; abs_delta_rps_minus1 ue(0) = 1; used x3 = 111
        let data = [0b1111_1100];
        let set = ref_set(&mut Bits::new(&data), 1, &earlier, false).unwrap();
        assert_eq!(set.pictures, [(-1, true), (-2, true), (-3, true)]);
        assert_eq!(set.used(), 3);
    }

    #[test]
    fn a_written_out_set_counts_distances_from_picture_to_picture() {
        // flag 0 is absent for index 0; ue(2) = 011, ue(1) = 010;
        // before: ue(0) = 1, used 1; ue(1) = 010, used 0; after: ue(0) = 1, used 1.
        let data = [0b0110_1011, 0b0100_1100];
        let set = ref_set(&mut Bits::new(&data), 0, &[], false).unwrap();
        assert_eq!(set.pictures, [(-1, true), (-3, false), (1, true)]);
    }

    #[test]
    fn a_set_before_the_first_is_refused() {
        assert_eq!(ref_set(&mut Bits::new(&[0b1011_1111; 4]), 1, &[RefSet::default()], true), None);
    }
}
