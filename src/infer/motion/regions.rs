//! From foreground blocks to boxes.

use super::background::Mark;
use super::blocks::Grid;
use crate::media::BBox;

/// Blocks this far apart belong together: clothes of the background's colour tear holes into
/// people, across more than along.
const BRIDGE_ACROSS: usize = 2;
const BRIDGE_DOWN: usize = 3;
/// A region has at least so many blocks that are foreground beyond doubt.
const LEAST_STRONG: usize = 3;

/// Blocks that belong together, as a box over the picture.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Region {
    pub bbox: BBox,
    /// Part of the box that is foreground, 0 to 1.
    pub filled: f32,
}

/// Regions of at least `least` blocks.
pub(super) fn regions(grid: Grid, marks: &[Mark], least: usize) -> Vec<Region> {
    let mut seen = vec![false; marks.len()];
    let mut found = Vec::new();
    let mut open = Vec::new();
    for start in 0..marks.len() {
        if seen[start] || marks[start] != Mark::Strong || is_lone(grid, marks, start) {
            continue;
        }
        seen[start] = true;
        open.push(start);
        let mut extent = Extent::default();
        while let Some(at) = open.pop() {
            extent.add(grid, marks, at);
            // A weak block is the rim of something; nothing is joined across it.
            let (across, down) =
                if marks[at] == Mark::Strong { (BRIDGE_ACROSS, BRIDGE_DOWN) } else { continue };
            for next in around(grid, at, across, down) {
                let near = around(grid, at, 1, 1).any(|n| n == next);
                let joins = marks[next] == Mark::Strong || (marks[next] == Mark::Weak && near);
                if joins && !seen[next] {
                    seen[next] = true;
                    open.push(next);
                }
            }
        }
        if extent.blocks >= least && extent.strong >= LEAST_STRONG {
            found.push(extent.region(grid));
        }
    }
    found
}

/// No foreground touches it: noise.
fn is_lone(grid: Grid, marks: &[Mark], at: usize) -> bool {
    around(grid, at, 1, 1).all(|n| n == at || marks[n] == Mark::Quiet)
}

/// Blocks at most so far from `at`, itself included.
fn around(grid: Grid, at: usize, across: usize, down: usize) -> impl Iterator<Item = usize> {
    let (x, y) = (at % grid.columns, at / grid.columns);
    let columns = x.saturating_sub(across)..(x + across + 1).min(grid.columns);
    let rows = y.saturating_sub(down)..(y + down + 1).min(grid.rows);
    rows.flat_map(move |r| columns.clone().map(move |c| r * grid.columns + c))
}

#[derive(Default)]
struct Extent {
    /// Columns and rows, ends excluded; of strong blocks.
    columns: Option<(usize, usize)>,
    rows: Option<(usize, usize)>,
    blocks: usize,
    strong: usize,
}

impl Extent {
    fn add(&mut self, grid: Grid, marks: &[Mark], at: usize) {
        let widen = |range: Option<(usize, usize)>, v: usize| {
            Some(range.map_or((v, v + 1), |(from, to)| (from.min(v), to.max(v + 1))))
        };
        self.columns = widen(self.columns, at % grid.columns);
        self.rows = widen(self.rows, at / grid.columns);
        self.blocks += 1;
        self.strong += usize::from(marks[at] == Mark::Strong);
    }

    fn region(&self, grid: Grid) -> Region {
        let ((x1, x2), (y1, y2)) = (self.columns.unwrap_or_default(), self.rows.unwrap_or_default());
        let part = |blocks: usize, pixels: usize| ((blocks * grid.side) as f32 / pixels as f32).min(1.0);
        Region {
            bbox: BBox::new(
                part(x1, grid.picture.0),
                part(y1, grid.picture.1),
                part(x2, grid.picture.0),
                part(y2, grid.picture.1),
            ),
            filled: self.blocks as f32 / ((x2 - x1) * (y2 - y1)).max(1) as f32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `#` strong, `+` weak, `.` quiet; boxes as `columns x rows` in blocks.
    fn check(picture: &[&str], least: usize, want: &[(usize, usize, usize, usize)]) {
        let (columns, rows) = (picture[0].len(), picture.len());
        let grid = Grid { picture: (columns * 4, rows * 4), side: 4, columns, rows };
        let mark = |c| match c {
            '#' => Mark::Strong,
            '+' => Mark::Weak,
            _ => Mark::Quiet,
        };
        let marks: Vec<Mark> = picture.iter().flat_map(|r| r.chars().map(mark)).collect();
        let got: Vec<_> = regions(grid, &marks, least)
            .iter()
            .map(|r| {
                let x = |v: f32| (v * columns as f32).round() as usize;
                let y = |v: f32| (v * rows as f32).round() as usize;
                (x(r.bbox.x1), y(r.bbox.y1), x(r.bbox.x2), y(r.bbox.y2))
            })
            .collect();
        assert_eq!(got, want);
    }

    #[test]
    fn small_holes_are_bridged_and_wide_ones_are_not() {
        check(&["##.##....##", "##.##....##"], 4, &[(0, 0, 5, 2), (9, 0, 11, 2)]);
    }

    #[test]
    fn a_weak_rim_widens_a_region_but_makes_none() {
        check(&[".+##+.....", ".+##+..+++", "..##...+++"], 4, &[(1, 0, 5, 3)]);
    }

    #[test]
    fn noise_and_small_things_are_left_out() {
        check(&["#....##..#", ".....#...."], 4, &[]);
    }
}
