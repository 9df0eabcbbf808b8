//! Who belongs to whom: the assignment of least total cost (Hungarian method in the form with
//! potentials and shortest augmenting paths, Jonker and Volgenant 1987), O(n² m).
//!
//! Greedy matching by overlap is cheaper and wrong exactly where it matters: when two people pass
//! each other, the best single pair can force the worst second one, and their numbers change hands.

use crate::media::BBox;

/// A cost from which on a pair is never made.
pub const FORBIDDEN: f32 = 1e6;

/// Cost of a pair of boxes that must overlap by `least` (IoU) or more: the less, the more they do.
pub fn overlap(a: &BBox, b: &BBox, least: f32) -> f32 {
    let iou = a.iou(b);
    if iou >= least { 1.0 - iou } else { FORBIDDEN }
}

/// Pairs `(row, column)` of least total cost among those below [`FORBIDDEN`]. As many pairs as
/// possible are made. `cost(row, column)` must be finite.
pub fn assign(rows: usize, columns: usize, cost: impl Fn(usize, usize) -> f32) -> Vec<(usize, usize)> {
    if rows == 0 || columns == 0 {
        return Vec::new();
    }
    // The method wants no more rows than columns.
    let pairs = if rows <= columns {
        least(rows, columns, &cost)
    } else {
        least(columns, rows, &|r, c| cost(c, r)).into_iter().map(|(r, c)| (c, r)).collect()
    };
    let mut pairs: Vec<_> = pairs.into_iter().filter(|&(r, c)| cost(r, c) < FORBIDDEN).collect();
    pairs.sort_unstable();
    pairs
}

/// Indices from 1; row and column 0 are the root of the search. Invariant: `u[r] + v[c] <= cost`,
/// with equality on matched pairs.
fn least(rows: usize, columns: usize, cost: &dyn Fn(usize, usize) -> f32) -> Vec<(usize, usize)> {
    let mut u = vec![0.0f64; rows + 1];
    let mut v = vec![0.0f64; columns + 1];
    let mut row_of = vec![0usize; columns + 1];
    for row in 1..=rows {
        row_of[0] = row;
        let mut reach = vec![f64::INFINITY; columns + 1];
        let mut came_from = vec![0usize; columns + 1];
        let mut used = vec![false; columns + 1];
        let mut here = 0;
        while row_of[here] != 0 {
            used[here] = true;
            let r = row_of[here];
            let (mut step, mut next) = (f64::INFINITY, 0);
            for c in 1..=columns {
                if used[c] {
                    continue;
                }
                let slack = f64::from(cost(r - 1, c - 1)) - u[r] - v[c];
                if slack < reach[c] {
                    reach[c] = slack;
                    came_from[c] = here;
                }
                if reach[c] < step {
                    (step, next) = (reach[c], c);
                }
            }
            for c in 0..=columns {
                if used[c] {
                    u[row_of[c]] += step;
                    v[c] -= step;
                } else {
                    reach[c] -= step;
                }
            }
            here = next;
        }
        while here != 0 {
            let before = came_from[here];
            row_of[here] = row_of[before];
            here = before;
        }
    }
    (1..=columns).filter(|&c| row_of[c] != 0).map(|c| (row_of[c] - 1, c - 1)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn best_pair_alone_is_not_taken_at_the_cost_of_the_whole() {
        let costs = [[0.1, 0.2], [0.15, 0.9]];
        assert_eq!(assign(2, 2, |r, c| costs[r][c]), [(0, 1), (1, 0)]);
    }

    #[test]
    fn forbidden_pairs_are_left_alone() {
        let costs = [[0.3, FORBIDDEN, FORBIDDEN], [0.1, FORBIDDEN, FORBIDDEN]];
        assert_eq!(assign(2, 3, |r, c| costs[r][c]), [(1, 0)]);
        assert_eq!(assign(0, 3, |_, _| 0.0), []);
    }

    /// Least total over all permutations, by trying them all.
    fn brute(costs: &[Vec<f32>], row: usize, taken: &mut Vec<bool>) -> f32 {
        if row == costs.len() {
            return 0.0;
        }
        let mut best = f32::INFINITY;
        for c in 0..taken.len() {
            if !taken[c] {
                taken[c] = true;
                best = best.min(costs[row][c] + brute(costs, row + 1, taken));
                taken[c] = false;
            }
        }
        best
    }

    proptest! {
        #[test]
        fn total_is_the_least_possible(
            (rows, columns) in (1usize..5, 0usize..3).prop_map(|(r, more)| (r, r + more)),
            values in proptest::collection::vec(0.0f32..1.0, 40),
        ) {
            let costs: Vec<Vec<f32>> = (0..rows).map(|r| values[r * columns..][..columns].to_vec()).collect();
            let pairs = assign(rows, columns, |r, c| costs[r][c]);
            prop_assert_eq!(pairs.len(), rows);
            let total: f32 = pairs.iter().map(|&(r, c)| costs[r][c]).sum();
            let best = brute(&costs, 0, &mut vec![false; columns]);
            prop_assert!((total - best).abs() < 1e-4, "{} against {}", total, best);
            let turned = assign(columns, rows, |c, r| costs[r][c]);
            let turned: f32 = turned.iter().map(|&(c, r)| costs[r][c]).sum();
            prop_assert!((turned - best).abs() < 1e-4);
        }
    }
}
