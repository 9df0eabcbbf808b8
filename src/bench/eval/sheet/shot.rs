//! Takes the pictures that are wanted out of a clip: decodes it again, and cuts them out of its frames.

use std::path::Path;

use anyhow::Context;

use crate::alerts::snapshot::{Style, render};
use crate::bench::eval::degrade::Degradation;
use crate::bench::eval::job::Job;
use crate::bench::eval::pictures::Pictures;
use crate::media::{BBox, I420};

use super::want::Want;

/// A cut-out shows this many times the box's longer side, so that there is something around it.
const AROUND: f32 = 3.0;
/// Pixels that a cut-out has at least, where the frame has them.
const LEAST: f32 = 128.0;
const STYLE: Style = Style { max_side: 720, quality: 80 };

/// A picture with all that is told about it.
pub struct Shot {
    pub file: String,
    pub how: Option<Degradation>,
    /// Frame of the footage as it is, from 0.
    pub original: usize,
    pub want: Want,
    pub jpeg: Vec<u8>,
    /// Width and height of the whole frame, pixels.
    pub frame: [u32; 2],
    /// What the picture shows of it: left, top, width, height.
    pub part: [u32; 4],
}

/// The pictures of one job, in the order of `wants`. `original` is the frame of the footage that a frame of the
/// clip shows.
///
/// # Errors
/// The clip, which was played before, cannot be read or decoded any more, or a picture is no JPEG.
pub async fn take(
    job: &Job,
    path: &Path,
    wants: Vec<Want>,
    original: impl Fn(usize) -> usize,
) -> anyhow::Result<Vec<Shot>> {
    let Some(last) = wants.iter().map(|w| w.index).max() else { return Ok(Vec::new()) };
    let mut shots = Vec::new();
    let mut pictures = Pictures::open(path).await?;
    for index in 0..=last {
        let frame = pictures.next().await?.with_context(|| format!("frame {index} is gone"))?;
        for (n, want) in wants.iter().enumerate().filter(|(_, w)| w.index == index) {
            let image = &frame.image;
            let part = want.focus.map_or([0, 0, image.width, image.height], |focus| around(image, focus));
            let cut = image.part(part[0], part[1], part[2], part[3]).context("a part lies in its frame")?;
            let shot = Shot {
                file: job.file.clone(),
                how: job.how,
                original: original(index),
                want: want.clone(),
                jpeg: render(&cut, &[], STYLE)?,
                frame: [image.width, image.height],
                part,
            };
            shots.push((n, shot));
        }
    }
    shots.sort_by_key(|(n, _)| *n);
    Ok(shots.into_iter().map(|(_, shot)| shot).collect())
}

/// The square around a box, as far as the picture reaches: left and top even, width, height.
fn around(image: &I420, focus: BBox) -> [u32; 4] {
    let (w, h) = (image.width as f32, image.height as f32);
    let focus = focus.clamped();
    let side = (AROUND * (focus.width() * w).max(focus.height() * h)).max(LEAST);
    let place = |centre: f32, all: f32| {
        let len = side.min(all);
        let from = (centre * all - len / 2.0).clamp(0.0, all - len);
        (from as u32 & !1, len as u32)
    };
    let centre = focus.center();
    let ((x, width), (y, height)) = (place(centre.x, w), place(centre.y, h));
    [x, y, width.max(1), height.max(1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_out_lies_in_the_picture_with_the_box_in_it() {
        let image = I420::packed(641, 361, vec![0; 641 * 361 + 2 * 321 * 181]).unwrap();
        for (x, y, side) in
            [(0.0, 0.0, 0.02), (0.98, 0.97, 0.02), (0.4, 0.5, 0.3), (0.1, 0.0, 1.0), (-0.1, 0.9, 0.2)]
        {
            let focus = BBox::new(x, y, x + side, y + side);
            let [left, top, width, height] = around(&image, focus);
            assert!(
                image.part(left, top, width, height).is_some(),
                "{focus:?}: {left} {top} {width} {height}"
            );
            let inside = focus.clamped();
            assert!(inside.x1 * 641.0 >= left as f32 && inside.x2 * 641.0 <= (left + width) as f32 + 1.0);
            assert!(inside.y1 * 361.0 >= top as f32 && inside.y2 * 361.0 <= (top + height) as f32 + 1.0);
            assert!(width >= 128 && height >= 128, "{width}x{height}");
        }
    }
}
