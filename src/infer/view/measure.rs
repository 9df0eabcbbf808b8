//! What is measured of one picture. Reads about a hundred rows of it, whatever its size.

use crate::media::I420;

/// Blocks across and down. They need not be square.
pub(super) const COLUMNS: usize = 48;
pub(super) const ROWS: usize = 30;
pub(super) const BLOCKS: usize = COLUMNS * ROWS;
/// Tiles across and down, each of 6 by 5 blocks.
pub(super) const TILES_ACROSS: usize = 8;
pub(super) const TILES: usize = TILES_ACROSS * 6;
const TILE_COLUMNS: usize = COLUMNS / TILES_ACROSS;
const TILE_ROWS: usize = ROWS * TILES_ACROSS / TILES;
/// Blocks of a tile.
pub(super) const TILE: usize = TILE_COLUMNS * TILE_ROWS;
/// Rows of pixels read for the means of a row of blocks, and for its edges.
const ROWS_READ: usize = 4;
const EDGE_ROWS: usize = 2;
/// Pixels between the two whose difference is an edge: sharp edges are two pixels wide after coding.
const APART: usize = 2;
/// Chroma that is off grey by less than this, on average, is that of infrared pictures.
const GREY: f32 = 1.5;

/// Block means of a picture's luma, 0 to 255.
pub(super) type Means = Box<[f32; BLOCKS]>;

/// Whether the picture is large enough to be measured.
pub(super) fn is_measurable(picture: &I420) -> bool {
    picture.width as usize >= 2 * COLUMNS && picture.height as usize >= 2 * ROWS
}

/// Block means, tile by tile, so that a tile's blocks lie together. `sums` is a buffer that is used anew
/// each time.
pub(super) fn means(picture: &I420, sums: &mut Vec<u16>, into: &mut [f32; BLOCKS]) {
    let (luma, stride) = picture.luma();
    let (width, height) = (picture.width as usize, picture.height as usize);
    for row in 0..ROWS {
        let (top, bottom) = (row * height / ROWS, (row + 1) * height / ROWS);
        let step = (bottom - top).div_ceil(ROWS_READ);
        sums.clear();
        sums.resize(width, 0);
        for y in (top..bottom).step_by(step) {
            sums.iter_mut().zip(&luma[y * stride..y * stride + width]).for_each(|(s, v)| *s += u16::from(*v));
        }
        let read = (bottom - top).div_ceil(step);
        for column in 0..COLUMNS {
            let block = &sums[column * width / COLUMNS..(column + 1) * width / COLUMNS];
            let sum: u32 = block.iter().map(|s| u32::from(*s)).sum();
            into[place(column, row)] = sum as f32 / (block.len() * read) as f32;
        }
    }
}

/// Where a block's mean stands in [`Means`].
fn place(column: usize, row: usize) -> usize {
    let tile = row / TILE_ROWS * TILES_ACROSS + column / TILE_COLUMNS;
    tile * TILE + row % TILE_ROWS * TILE_COLUMNS + column % TILE_COLUMNS
}

/// Energy of the edges in each tile: by how much neighbouring pixels differ by more than `steep`,
/// mean over the pixels read, in grey levels.
pub(super) fn edges(picture: &I420, steep: u8) -> [f32; TILES] {
    let (luma, stride) = picture.luma();
    let (width, height) = (picture.width as usize, picture.height as usize);
    let mut energy = [0u32; TILES];
    let mut pixels = [0u32; TILES];
    for row in 0..ROWS {
        let (top, bottom) = (row * height / ROWS, (row + 1) * height / ROWS);
        for y in (top..bottom).step_by((bottom - top).div_ceil(EDGE_ROWS)) {
            let below = (y + APART).min(height - 1);
            let (line, under) = (&luma[y * stride..][..width], &luma[below * stride..][..width]);
            for across in 0..TILES_ACROSS {
                let left = across * width / TILES_ACROSS;
                let right = ((across + 1) * width / TILES_ACROSS).min(width - APART);
                let here = &line[left..right];
                let sideways = steepness(here, &line[left + APART..right + APART], steep);
                let down = steepness(here, &under[left..right], steep);
                let tile = row / TILE_ROWS * TILES_ACROSS + across;
                energy[tile] += sideways + down;
                pixels[tile] += here.len() as u32;
            }
        }
    }
    std::array::from_fn(|i| energy[i] as f32 / pixels[i].max(1) as f32)
}

/// Sum of what the differences exceed `steep` by.
fn steepness(a: &[u8], b: &[u8], steep: u8) -> u32 {
    let mut sum = 0;
    // In runs whose sums fit 16 bits, so that the compiler can do many pixels at once.
    for (a, b) in a.chunks(128).zip(b.chunks(128)) {
        let run: u16 = a.iter().zip(b).map(|(p, q)| u16::from(p.abs_diff(*q).saturating_sub(steep))).sum();
        sum += u32::from(run);
    }
    sum
}

/// Whether the picture has no colour: an infrared lamp is on.
pub(super) fn is_grey(picture: &I420) -> bool {
    let (w, h) = (picture.width.div_ceil(2) as usize, picture.height.div_ceil(2) as usize);
    let step = h.div_ceil(ROWS_READ * 4);
    let off = |plane: usize| {
        let (bytes, stride) = picture.plane(plane);
        let rows = (step / 2..h).step_by(step);
        let read = rows.len() * w;
        let sum: u32 = rows
            .map(|y| bytes[y * stride..][..w].iter().map(|v| u32::from(v.abs_diff(128))).sum::<u32>())
            .sum();
        sum as f32 / read.max(1) as f32
    };
    off(1).max(off(2)) < GREY
}
