//! From a decoder's I420 picture to a network's input tensor in one pass over the rows: scaling,
//! colour conversion and normalising. An RGB picture is never made.
//!
//! Per output row: each plane's source rows are summed by weight (vertical), then the columns
//! (horizontal), then the three rows become R, G and B. Shrinking averages the covered area,
//! enlarging interpolates between the two nearest samples, decided per plane and direction.

use std::array::from_fn;

use super::layout::{Layout, Tensor, Values};
use super::resample::{Axis, Band};
use crate::media::I420;

/// What a family of networks wants its input to be.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct InputForm {
    pub order: Order,
    /// Each value v, 0 to 255, enters as `(v - mean) * scale`.
    pub mean: f32,
    pub scale: f32,
    pub fit: Fit,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    Rgb,
    Bgr,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Fit {
    /// Width and height scaled apart.
    Stretch,
    /// Aspect kept; the rest holds this value (0 to 255).
    Letterbox { pad: f32 },
}

/// Where a picture lies in a network's input, pixels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Placement {
    /// Size of the input.
    pub net: (usize, usize),
    /// The picture's left and top edge in it.
    pub at: (usize, usize),
    /// The picture's size in it.
    pub drawn: (usize, usize),
}

impl Placement {
    /// Of a picture of `picture` pixels at the top left, its sides this `part` of what fits; above 0, at most 1.
    pub fn fitted(picture: (u32, u32), net: (usize, usize), fit: Fit, part: f32) -> Placement {
        let (picture, part) = ((picture.0 as usize, picture.1 as usize), f64::from(part));
        let drawn = match fit {
            Fit::Stretch => [net.0, net.1].map(|side| ((side as f64 * part).round() as usize).max(1)).into(),
            Fit::Letterbox { .. } => {
                let r = part * (net.0 as f64 / picture.0 as f64).min(net.1 as f64 / picture.1 as f64);
                let side = |picture: usize, net: usize| ((picture as f64 * r).round() as usize).clamp(1, net);
                (side(picture.0, net.0), side(picture.1, net.1))
            }
        };
        Placement { net, at: (0, 0), drawn }
    }
}

/// Turns pictures of one size into tensors of one size. Holds the tables and the buffers.
#[derive(Debug)]
pub struct Preprocessor {
    form: InputForm,
    picture: (u32, u32),
    /// Of the picture that the pictures are, or are parts of.
    whole_height: u32,
    place: Placement,
    bands: [Band; 3],
    colour: Colour,
    values: Values,
}

impl Preprocessor {
    /// For pictures like this one, at this place.
    pub fn new(picture: &I420, place: Placement, form: InputForm, layout: Layout) -> Self {
        let (w, h) = (picture.width as usize, picture.height as usize);
        debug_assert!(place.at.0 + place.drawn.0 <= place.net.0 && place.at.1 + place.drawn.1 <= place.net.1);
        let luma = || Band::new(Axis::new(w as f64, w, place.drawn.0), Axis::new(h as f64, h, place.drawn.1));
        // An odd picture's last chroma sample lies half outside it.
        let half = |len: usize, out: usize| Axis::new(len as f64 / 2.0, len.div_ceil(2), out);
        let chroma = || Band::new(half(w, place.drawn.0), half(h, place.drawn.1));
        let pad = match form.fit {
            Fit::Stretch => 0.0,
            Fit::Letterbox { pad } => (pad - form.mean) * form.scale,
        };
        let values = Values::filled(layout, place, pad);
        Preprocessor {
            form,
            picture: (picture.width, picture.height),
            whole_height: picture.whole_height(),
            place,
            bands: [luma(), chroma(), chroma()],
            colour: Colour::of_height(picture.whole_height()),
            values,
        }
    }

    /// The one kept, made anew where it was for another size or place.
    pub fn ready<'a>(
        kept: &'a mut Option<Preprocessor>,
        picture: &I420,
        place: Placement,
        form: InputForm,
        layout: Layout,
    ) -> &'a mut Preprocessor {
        match kept {
            Some(prepared) if prepared.fits(picture, place) => {}
            _ => *kept = Some(Preprocessor::new(picture, place, form, layout)),
        }
        kept.as_mut().expect("invariant: made above")
    }

    fn fits(&self, picture: &I420, place: Placement) -> bool {
        self.picture == (picture.width, picture.height)
            && self.whole_height == picture.whole_height()
            && self.place == place
    }

    /// The tensor of `picture`, which must be like the one it was made for; `mirrored`: with its left and right exchanged.
    pub fn run(&mut self, picture: &I420, mirrored: bool) -> Tensor<'_> {
        debug_assert!(self.fits(picture, self.place));
        let Placement { net, at, drawn } = self.place;
        let (form, colour, bands) = (self.form, self.colour, &mut self.bands);
        let mut convert = |row: usize, out: [&mut [f32]; 3]| {
            let [first, green, last] = out;
            let (red, blue) = match form.order {
                Order::Rgb => (first, last),
                Order::Bgr => (last, first),
            };
            let [luma, cb, cr] = bands;
            let y = luma.row(picture.plane(0), row);
            let u = cb.row(picture.plane(1), row);
            let v = cr.row(picture.plane(2), row);
            colour.convert(y, u, v, [red, green, blue], &form);
        };
        match &mut self.values {
            Values::Planes(tensor) => {
                let mut planes = tensor.chunks_exact_mut(net.0 * net.1);
                let mut planes: [&mut [f32]; 3] =
                    from_fn(|_| planes.next().expect("invariant: three planes"));
                for row in 0..drawn.1 {
                    let start = (at.1 + row) * net.0 + at.0;
                    let mut out = planes.each_mut().map(|plane| &mut plane[start..start + drawn.0]);
                    convert(row, out.each_mut().map(|row| &mut **row));
                    if mirrored {
                        out.into_iter().for_each(<[f32]>::reverse);
                    }
                }
                Tensor::Planes(tensor)
            }
            Values::Blocks(blocks) => {
                for row in 0..drawn.1 {
                    convert(row, blocks.colours());
                    blocks.put(at.1 + row, mirrored);
                }
                Tensor::Blocks(blocks.values())
            }
        }
    }
}

/// Factors of limited-range YCbCr to RGB (ITU-R BT.601-7 and BT.709-6).
#[derive(Clone, Copy, Debug)]
struct Colour {
    red_v: f32,
    green_u: f32,
    green_v: f32,
    blue_u: f32,
}

const LUMA_GAIN: f32 = 255.0 / 219.0;

impl Colour {
    /// Cameras rarely say which matrix they use; by custom HD is 709 and less is 601.
    fn of_height(height: u32) -> Self {
        if height >= 720 {
            Colour { red_v: 1.792_741, green_u: 0.213_249, green_v: 0.532_909, blue_u: 2.112_402 }
        } else {
            Colour { red_v: 1.596_027, green_u: 0.391_762, green_v: 0.812_968, blue_u: 2.017_232 }
        }
    }

    fn convert(self, y: &[f32], u: &[f32], v: &[f32], out: [&mut [f32]; 3], form: &InputForm) {
        let [red, green, blue] = out;
        let n = red.len();
        let (y, u, v) = (&y[..n], &u[..n], &v[..n]);
        let (green, blue) = (&mut green[..n], &mut blue[..n]);
        let (mean, scale) = (form.mean, form.scale);
        for i in 0..n {
            let luma = (y[i] - 16.0) * LUMA_GAIN;
            let (cb, cr) = (u[i] - 128.0, v[i] - 128.0);
            let r = luma + self.red_v * cr;
            let g = luma - self.green_u * cb - self.green_v * cr;
            let b = luma + self.blue_u * cb;
            red[i] = (r.clamp(0.0, 255.0) - mean) * scale;
            green[i] = (g.clamp(0.0, 255.0) - mean) * scale;
            blue[i] = (b.clamp(0.0, 255.0) - mean) * scale;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: InputForm =
        InputForm { order: Order::Rgb, mean: 0.0, scale: 1.0, fit: Fit::Letterbox { pad: 114.0 } };

    fn planes<'a>(p: &'a mut Preprocessor, picture: &I420, mirrored: bool) -> &'a [f32] {
        let Tensor::Planes(values) = p.run(picture, mirrored) else { panic!("they are blocks") };
        values
    }

    /// For pictures like this one, at the top left of an input of this size.
    fn fitted(picture: &I420, net: (usize, usize), form: InputForm, part: f32) -> Preprocessor {
        let place = Placement::fitted((picture.width, picture.height), net, form.fit, part);
        Preprocessor::new(picture, place, form, Layout::Planes)
    }

    fn flat(w: u32, h: u32, y: u8, u: u8, v: u8) -> I420 {
        let chroma = (w.div_ceil(2) * h.div_ceil(2)) as usize;
        let mut bytes = vec![y; (w * h) as usize];
        bytes.resize(bytes.len() + chroma, u);
        bytes.resize(bytes.len() + chroma, v);
        I420::packed(w, h, bytes).unwrap()
    }

    #[test]
    fn colours_come_out_in_both_orders_and_at_any_scale() {
        // Pure red in limited-range BT.601.
        let red = [255.0, 0.0, 0.0];
        for (w, h) in [(64, 48), (333, 171), (17, 31)] {
            for order in [Order::Rgb, Order::Bgr] {
                let form = InputForm { order, fit: Fit::Stretch, ..PLAIN };
                let picture = flat(w, h, 81, 90, 240);
                let mut p = fitted(&picture, (64, 64), form, 1.0);
                let t = planes(&mut p, &picture, false);
                for c in 0..3 {
                    let want = if order == Order::Rgb { red[c] } else { red[2 - c] };
                    for v in &t[c * 4096..(c + 1) * 4096] {
                        assert!((v - want).abs() < 3.0, "{w}x{h} {order:?} plane {c}: {v}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_rest_of_a_letterbox_is_padding_and_values_are_normalised() {
        let form = InputForm { mean: 127.0, scale: 1.0 / 128.0, ..PLAIN };
        let picture = flat(200, 100, 235, 128, 128);
        let mut p = fitted(&picture, (64, 64), form, 1.0);
        assert_eq!(p.place, Placement { net: (64, 64), at: (0, 0), drawn: (64, 32) });
        let t = planes(&mut p, &picture, false);
        assert!((t[31 * 64 + 63] - 1.0).abs() < 0.01, "white");
        assert!((t[32 * 64] - (114.0 - 127.0) / 128.0).abs() < 1e-6, "padding");
    }

    #[test]
    fn edges_stay_where_they_are() {
        // Left half black, right half white.
        for (w, h, net) in [(100u32, 40u32, (50, 20)), (100, 40, (41, 17)), (30, 12, (64, 32))] {
            let mut bytes: Vec<u8> = (0..w * h).map(|i| if i % w < w / 2 { 16 } else { 235 }).collect();
            bytes.resize((w * h * 3 / 2) as usize, 128);
            let picture = I420::packed(w, h, bytes).unwrap();
            let mut p = fitted(&picture, net, InputForm { fit: Fit::Stretch, ..PLAIN }, 1.0);
            let t = planes(&mut p, &picture, false);
            for row in t[..net.0 * net.1].chunks(net.0) {
                let mean = row.iter().sum::<f32>() / net.0 as f32;
                assert!((mean - 127.5).abs() < 2.0, "{w}x{h} to {net:?}: {mean}");
                assert!(row[net.0 / 2 - 2] < 16.0 && row[net.0 / 2 + 2] > 239.0, "{row:?}");
            }
        }
    }

    #[test]
    fn a_part_of_a_picture_has_the_colours_of_the_whole() {
        let whole = flat(1280, 720, 120, 90, 200);
        let form = InputForm { fit: Fit::Stretch, ..PLAIN };
        let mut p = fitted(&whole, (64, 64), form, 1.0);
        let part = whole.part(100, 100, 320, 180).unwrap();
        let mut q = fitted(&part, (64, 64), form, 1.0);
        for (a, b) in planes(&mut p, &whole, false).iter().zip(planes(&mut q, &part, false)) {
            assert!((a - b).abs() < 0.01, "{a} {b}");
        }
        assert!(!q.fits(&flat(320, 180, 120, 90, 200), q.place), "a small picture's are others");
    }

    #[test]
    fn what_is_mirrored_or_smaller_stays_at_the_top_left() {
        let mut bytes: Vec<u8> = (0..40u32 * 20).map(|i| if i % 40 < 10 { 235 } else { 16 }).collect();
        bytes.resize(40 * 20 * 3 / 2, 128);
        let picture = I420::packed(40, 20, bytes).unwrap();
        let mut p = fitted(&picture, (40, 40), PLAIN, 0.5);
        assert_eq!(p.place, Placement { net: (40, 40), at: (0, 0), drawn: (20, 10) });
        for (mirrored, white) in [(false, 1), (true, 18), (false, 1)] {
            let row = &planes(&mut p, &picture, mirrored)[5 * 40..6 * 40];
            assert!(row[white] > 250.0 && row[19 - white] < 5.0, "{mirrored}: {row:?}");
            assert!(row[20..].iter().all(|v| (v - 114.0).abs() < 1e-3), "{mirrored}: {row:?}");
        }
    }

    #[test]
    fn what_lies_in_the_middle_is_padded_on_all_sides() {
        let picture = flat(20, 40, 235, 128, 128);
        let place = Placement { net: (32, 64), at: (5, 9), drawn: (20, 40) };
        let mut p = Preprocessor::new(&picture, place, PLAIN, Layout::Planes);
        for (i, v) in planes(&mut p, &picture, false).iter().enumerate() {
            let (x, y) = (i % 32, i / 32 % 64);
            let want = if (5..25).contains(&x) && (9..49).contains(&y) { 255.0 } else { 114.0 };
            assert!((v - want).abs() < 0.1, "{x} {y}: {v}");
        }
    }
}
