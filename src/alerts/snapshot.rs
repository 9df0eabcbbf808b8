//! The picture that goes with an alert: the frame as a JPEG with its boxes drawn in.

use image::imageops::thumbnail;
use image::{Rgb, RgbImage};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use crate::infer::Class;
use crate::media::I420;

use super::alert::Box as AlertBox;
use super::error::Error;

/// How snapshots look.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Style {
    /// Longest side in pixels; larger frames are shrunk.
    pub max_side: u16,
    /// JPEG quality, 1 to 100.
    pub quality: u8,
}

impl Default for Style {
    fn default() -> Self {
        Style { max_side: 1280, quality: 85 }
    }
}

/// The JPEG of a frame with boxes. Takes some 10 ms: call it off the analysis path.
pub fn render(image: &I420, boxes: &[AlertBox], style: Style) -> Result<Vec<u8>, Error> {
    let mut picture = rgb(image);
    let long = picture.width().max(picture.height());
    if long > u32::from(style.max_side) {
        let shrunk =
            |side: u32| (u64::from(side) * u64::from(style.max_side) / u64::from(long)).max(1) as u32;
        picture = thumbnail(&picture, shrunk(picture.width()), shrunk(picture.height()));
    }
    for b in boxes {
        draw(&mut picture, b);
    }
    let mut jpeg = Vec::new();
    let mut encoder = Encoder::new(&mut jpeg, style.quality);
    // As the frame was.
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    let side = |side: u32| u16::try_from(side).expect("shrunk to `max_side`");
    encoder.encode(&picture, side(picture.width()), side(picture.height()), ColorType::Rgb)?;
    Ok(jpeg)
}

/// Limited range to RGB: BT.709 from 720 lines on, BT.601 below, as cameras do without saying so.
fn rgb(image: &I420) -> RgbImage {
    let [(y, ys), (u, us), (v, vs)] = [0, 1, 2].map(|i| image.plane(i));
    // Red from V, green from U and from V, blue from U, in 1/256.
    let [rv, gu, gv, bu] = if image.height >= 720 { [459, 55, 136, 541] } else { [409, 100, 208, 516] };
    RgbImage::from_fn(image.width, image.height, |px, py| {
        let (px, py) = (px as usize, py as usize);
        let chroma = |plane: &[u8], stride: usize| i32::from(plane[py / 2 * stride + px / 2]) - 128;
        let (c, d, e) = (298 * (i32::from(y[py * ys + px]) - 16), chroma(u, us), chroma(v, vs));
        let byte = |v: i32| ((v + 128) >> 8).clamp(0, 255) as u8;
        Rgb([byte(c + rv * e), byte(c - gu * d - gv * e), byte(c + bu * d)])
    })
}

fn color(class: Class) -> Rgb<u8> {
    match class {
        Class::Person => Rgb([255, 64, 64]),
        Class::Vehicle => Rgb([64, 160, 255]),
        Class::Face => Rgb([255, 208, 0]),
        Class::Motion => Rgb([64, 224, 96]),
    }
}

fn draw(picture: &mut RgbImage, b: &AlertBox) {
    let (w, h) = (picture.width(), picture.height());
    let thick = (w.max(h) / 400).max(2);
    let bbox = b.bbox.clamped();
    let edge = |v: f32, side: u32| ((v * side as f32) as u32).min(side - 1);
    let (x1, x2) = (edge(bbox.x1, w), edge(bbox.x2, w));
    let (y1, y2) = (edge(bbox.y1, h), edge(bbox.y2, h));
    for y in y1..=y2 {
        for x in x1..=x2 {
            let border = x - x1 < thick || x2 - x < thick || y - y1 < thick || y2 - y < thick;
            if border {
                picture.put_pixel(x, y, color(b.class));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::BBox;

    fn grey(width: u32, height: u32) -> I420 {
        let (w, h) = (width as usize, height as usize);
        let mut bytes = vec![126; w * h];
        bytes.resize(w * h + 2 * w.div_ceil(2) * h.div_ceil(2), 128);
        I420::packed(width, height, bytes).unwrap()
    }

    #[test]
    fn snapshot_is_a_jpeg_of_the_right_size_with_the_box_in_it() {
        let bbox = BBox::new(0.25, 0.25, 0.75, 1.2);
        let person = AlertBox { class: Class::Person, bbox, score: 0.9 };
        let jpeg = render(&grey(1921, 1081), &[person], Style::default()).unwrap();
        let seen = image::load_from_memory_with_format(&jpeg, image::ImageFormat::Jpeg).unwrap().to_rgb8();
        assert_eq!((seen.width(), seen.height()), (1280, 720));
        let [r, g, b] = seen.get_pixel(321, 500).0;
        assert!(r > 180 && g < 130 && b < 130, "the border is red: {:?}", (r, g, b));
        let inside = seen.get_pixel(640, 500).0;
        assert!(inside.iter().all(|v| v.abs_diff(128) < 6), "the rest is as it was: {inside:?}");
    }

    #[test]
    fn small_frame_is_not_enlarged() {
        let jpeg = render(&grey(33, 17), &[], Style::default()).unwrap();
        let seen = image::load_from_memory(&jpeg).unwrap();
        assert_eq!((seen.width(), seen.height()), (33, 17));
    }
}
