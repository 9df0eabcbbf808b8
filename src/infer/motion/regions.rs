//! From foreground blocks to boxes.

use super::background::Mark;
use super::blocks::Grid;
use crate::media::BBox;

/// Blocks this far apart belong together: clothes of the background's colour tear holes into
/// people, across more than along.
const BRIDGE_ACROSS: usize = 2;
const BRIDGE_DOWN: usize = 3;
/// A region has at least so many blocks of the kind that makes it.
const LEAST_CORE: usize = 3;

/// A core smaller than this part (one over it) of its region is a small one.
const SMALL_CORE: usize = 3;

/// Blocks that belong together, as a box over the picture.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Region {
    pub bbox: BBox,
    /// Part of the box that is foreground, 0 to 1.
    pub filled: f32,
}

/// Regions of at least `least` blocks. Shade joins a region but does not carry it further to the
/// next; shade alone makes a region only where there is no more than shade.
pub(super) fn regions(grid: Grid, marks: &[Mark], least: usize) -> Vec<Region> {
    let mut seen = vec![false; marks.len()];
    let mut found = Vec::new();
    for kind in [Mark::Strong, Mark::Shade] {
        for start in 0..marks.len() {
            if seen[start] || marks[start] != kind || is_lone(grid, marks, start) {
                continue;
            }
            let extent = grow(grid, marks, start, &mut seen);
            if extent.blocks() >= least && extent.core.len() >= LEAST_CORE {
                found.push(extent.region(grid));
            }
        }
    }
    found
}

/// All blocks that belong together with `start`.
fn grow(grid: Grid, marks: &[Mark], start: usize, seen: &mut [bool]) -> Extent {
    let kind = marks[start];
    let mut extent = Extent::default();
    let mut open = vec![start];
    seen[start] = true;
    while let Some(at) = open.pop() {
        if marks[at] == kind {
            extent.core.push(at);
        } else if marks[at] == Mark::Shade {
            extent.rest.push(at);
        }
        // Holes are bridged between blocks beyond doubt only; a rim joins nothing to nothing.
        let (across, down) = match marks[at] {
            Mark::Strong => (BRIDGE_ACROSS, BRIDGE_DOWN),
            Mark::Shade => (1, 1),
            Mark::Quiet | Mark::Weak => continue,
        };
        for next in around(grid, at, across, down) {
            let near = || around(grid, at, 1, 1).any(|n| n == next);
            let joins = match marks[next] {
                Mark::Strong => marks[at] == Mark::Strong,
                Mark::Shade | Mark::Weak => near(),
                Mark::Quiet => false,
            };
            if joins && !seen[next] {
                seen[next] = true;
                open.push(next);
            }
        }
    }
    extent
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

/// Blocks that were joined, core (of the kind that makes the region) and the rest.
#[derive(Default)]
struct Extent {
    core: Vec<usize>,
    rest: Vec<usize>,
}

impl Extent {
    fn blocks(&self) -> usize {
        self.core.len() + self.rest.len()
    }

    /// The box is around the core and, in its upper half, around what was joined to it: shadows
    /// and reflections lie at the feet, a shirt of the wall's colour does not. A core that is only
    /// a small part does not show where the feet are; then everything counts.
    fn region(&self, grid: Grid) -> Region {
        let mut span = Span::around(grid, self.core.iter());
        if self.core.len() * SMALL_CORE < self.blocks() {
            span = span.with(Span::around(grid, self.rest.iter()));
        } else {
            let middle = (span.top + span.bottom) / 2;
            span = span.with(Span::around(grid, self.rest.iter().filter(|at| *at / grid.columns < middle)));
        }
        let part = |blocks: usize, pixels: usize| ((blocks * grid.side) as f32 / pixels as f32).min(1.0);
        let (w, h) = grid.picture;
        Region {
            bbox: BBox::new(part(span.left, w), part(span.top, h), part(span.right, w), part(span.bottom, h)),
            filled: self.blocks() as f32
                / ((span.right - span.left) * (span.bottom - span.top)).max(1) as f32,
        }
    }
}

/// Columns and rows, ends excluded.
#[derive(Clone, Copy)]
struct Span {
    left: usize,
    right: usize,
    top: usize,
    bottom: usize,
}

impl Span {
    fn around<'a>(grid: Grid, blocks: impl Iterator<Item = &'a usize>) -> Span {
        let nothing = Span { left: usize::MAX, right: 0, top: usize::MAX, bottom: 0 };
        blocks.fold(nothing, |s, at| {
            let (x, y) = (at % grid.columns, at / grid.columns);
            s.with(Span { left: x, right: x + 1, top: y, bottom: y + 1 })
        })
    }

    fn with(self, o: Span) -> Span {
        Span {
            left: self.left.min(o.left),
            right: self.right.max(o.right),
            top: self.top.min(o.top),
            bottom: self.bottom.max(o.bottom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `#` strong, `~` shade, `+` weak, `.` quiet; boxes as `columns x rows` in blocks.
    fn check(picture: &[&str], least: usize, want: &[(usize, usize, usize, usize)]) {
        let (columns, rows) = (picture[0].len(), picture.len());
        let grid = Grid { picture: (columns * 4, rows * 4), side: 4, columns, rows };
        let mark = |c| match c {
            '#' => Mark::Strong,
            '+' => Mark::Weak,
            '~' => Mark::Shade,
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
    fn a_weak_rim_makes_no_region() {
        check(&[".+##+.....", ".+##+..+++", "..##...+++"], 4, &[(2, 0, 4, 3)]);
    }

    #[test]
    fn shade_at_the_feet_widens_nothing_and_joins_nothing_but_may_be_a_thing() {
        check(
            &["##...##....", "##...##..~~", "##~~~##..~~", "~~.......~~"],
            4,
            &[(0, 0, 2, 3), (5, 0, 7, 3), (9, 1, 11, 4)],
        );
    }

    #[test]
    fn noise_and_small_things_are_left_out() {
        check(&["#....##..#", ".....#...."], 4, &[]);
    }
}
