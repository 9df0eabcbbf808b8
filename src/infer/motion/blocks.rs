//! Block means of the luma plane.

use crate::media::I420;

/// Blocks along the longer side of the picture.
const ALONG: usize = 96;
/// Rows of a block that are read; more add cost but no knowledge.
const ROWS_READ: usize = 8;

/// How a picture is divided. All blocks are `side` pixels wide and high but those at the right and
/// lower edge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Grid {
    pub picture: (usize, usize),
    pub side: usize,
    pub columns: usize,
    pub rows: usize,
}

impl Grid {
    pub fn of(picture: &I420) -> Grid {
        let (w, h) = (picture.width as usize, picture.height as usize);
        let side = w.max(h).div_ceil(ALONG).max(2);
        Grid { picture: (w, h), side, columns: w.div_ceil(side), rows: h.div_ceil(side) }
    }

    pub fn len(&self) -> usize {
        self.columns * self.rows
    }
}

/// Mean luma of each block, row by row. `sums` is a buffer that is used anew each time.
pub(super) fn means(grid: Grid, picture: &I420, sums: &mut Vec<u16>, means: &mut Vec<f32>) {
    let (luma, stride) = picture.luma();
    let (width, height) = grid.picture;
    means.clear();
    for row in 0..grid.rows {
        let (top, bottom) = (row * grid.side, ((row + 1) * grid.side).min(height));
        let step = grid.side.div_ceil(ROWS_READ);
        sums.clear();
        sums.resize(width, 0);
        let mut read = 0u32;
        for y in (top..bottom).step_by(step) {
            // At most ROWS_READ rows of 255 fit 16 bits with room.
            for (sum, pixel) in sums.iter_mut().zip(&luma[y * stride..y * stride + width]) {
                *sum += u16::from(*pixel);
            }
            read += 1;
        }
        means.extend(sums.chunks(grid.side).map(|block| {
            let sum: u32 = block.iter().map(|s| u32::from(*s)).sum();
            sum as f32 / (block.len() as u32 * read) as f32
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_cover_the_picture_to_its_edges() {
        for (w, h) in [(768u32, 432u32), (101, 35), (1920, 1080)] {
            let mut bytes: Vec<u8> = (0..w * h).map(|i| if i % w >= w / 2 { 200 } else { 40 }).collect();
            bytes.resize((w * h + 2 * w.div_ceil(2) * h.div_ceil(2)) as usize, 128);
            let picture = I420::packed(w, h, bytes).unwrap();
            let grid = Grid::of(&picture);
            let (mut sums, mut m) = (Vec::new(), Vec::new());
            means(grid, &picture, &mut sums, &mut m);
            assert_eq!(m.len(), grid.len());
            for row in m.chunks(grid.columns) {
                assert_eq!((row[0], row[grid.columns - 1]), (40.0, 200.0));
            }
        }
    }
}
