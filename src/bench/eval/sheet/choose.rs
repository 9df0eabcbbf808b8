//! Keeps the page small: which pictures it holds where there are too many.

use super::shot::Shot;

/// A page holds no more pictures.
const MOST: usize = 240;
/// Nor more bytes of pictures; in a page they take a third more.
const MOST_BYTES: usize = 12 << 20;

/// The pictures that fit, in their order, and how many do not. Each condition gets an even share and what the
/// ones before it left over; in a condition first of each clip and kind the first, then the second, ...
pub fn fitting(shots: Vec<Shot>) -> (Vec<Shot>, usize) {
    fitting_into(shots, MOST, MOST_BYTES)
}

fn fitting_into(shots: Vec<Shot>, most: usize, most_bytes: usize) -> (Vec<Shot>, usize) {
    let mut conditions = Vec::new();
    for shot in &shots {
        if !conditions.contains(&shot.how) {
            conditions.push(shot.how);
        }
    }
    let (mut left, mut bytes_left) = (most, most_bytes);
    let mut kept = vec![false; shots.len()];
    for (n, how) in conditions.iter().enumerate() {
        let others = conditions.len() - n;
        let (share, byte_share) = (left.div_ceil(others), bytes_left / others);
        let (mut taken, mut bytes) = (0, 0);
        for i in in_turn(&shots, how) {
            let size = shots[i].jpeg.len();
            if taken < share && bytes + size <= byte_share {
                kept[i] = true;
                taken += 1;
                bytes += size;
            }
        }
        left -= taken;
        bytes_left -= bytes;
    }
    let all = shots.len();
    let shots: Vec<Shot> = shots.into_iter().zip(kept).filter_map(|(s, keep)| keep.then_some(s)).collect();
    let left_out = all - shots.len();
    (shots, left_out)
}

/// A condition's pictures, by their place among those of their clip and kind.
fn in_turn(shots: &[Shot], how: &Option<super::super::degrade::Degradation>) -> Vec<usize> {
    let same = |a: &Shot, b: &Shot| a.how == b.how && a.file == b.file && a.want.kind == b.want.kind;
    let mut turns: Vec<(usize, usize)> = (0..shots.len())
        .filter(|i| shots[*i].how == *how)
        .map(|i| (shots[..i].iter().filter(|s| same(s, &shots[i])).count(), i))
        .collect();
    turns.sort_unstable();
    turns.into_iter().map(|(_, i)| i).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::eval::degrade::Degradation;
    use crate::bench::eval::sheet::figure::testing::shot;
    use crate::bench::eval::sheet::want::Kind;

    fn some(file: &str, how: Option<Degradation>, n: usize) -> Vec<Shot> {
        (0..n).map(|_| Shot { how, ..shot(file, Kind::MissedFace) }).collect()
    }

    #[test]
    fn conditions_and_clips_share_the_page_and_what_is_left_out_is_counted() {
        let night = Some(Degradation::Night);
        let shots = [some("a", None, 8), some("b", None, 2), some("c", night, 9)];
        let (kept, left_out) = fitting_into(shots.into_iter().flatten().collect(), 10, 1 << 20);
        let count = |file: &str| kept.iter().filter(|s| s.file == file).count();
        assert_eq!((count("a"), count("b"), count("c"), left_out), (3, 2, 5, 9));
    }

    #[test]
    fn a_page_that_is_not_full_holds_all_and_bytes_count_too() {
        let (kept, left_out) = fitting(some("a", None, 3));
        assert_eq!((kept.len(), left_out), (3, 0));
        let size = kept[0].jpeg.len();
        assert_eq!(fitting_into(some("a", None, 5), 99, size * 2).1, 3);
    }
}
