//! Where a model is to look closer: parts of a picture in their own pixels.
//!
//! A picture that is shrunk to a network's input loses what is small, faces above all. What is
//! worth a closer look lies where something moves or where people are; those places are joined into
//! windows that a network sees unshrunk.

use super::detection::Detection;
use super::manifest::InputSize;
use super::nms::suppress;
use crate::media::{BBox, Point};

/// Width and height of windows are multiples of this, as the coarsest stride of the networks asks.
const GRID: u32 = 32;
/// A place of interest is widened on each side by this part of its size and so many pixels: what
/// stands at its edge is seen with what is around it.
const MARGIN: f32 = 0.15;
const MARGIN_LEAST: f32 = 16.0;
/// What is seen less than this much larger than in the whole picture is not worth a second run.
const WORTH: f32 = 1.3;
/// Two windows become one where that costs at most so much more area.
const JOINT: f32 = 1.15;
/// A box this near to an edge of its window, pixels, may be a part of something larger.
pub(super) const CUT: f32 = 2.0;

/// A part of a picture, pixels. `x` and `y` are even.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    pub x: u32,
    pub y: u32,
    pub width: u32,
    pub height: u32,
}

impl Window {
    /// Pixels.
    pub fn area(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    fn holds(&self, place: &BBox, picture: (u32, u32)) -> bool {
        let span =
            |from: u32, len: u32, all: u32| (from as f32 / all as f32, (from + len) as f32 / all as f32);
        let ((left, right), (top, bottom)) =
            (span(self.x, self.width, picture.0), span(self.y, self.height, picture.1));
        left <= place.x1 && right >= place.x2 && top <= place.y1 && bottom >= place.y2
    }

    fn around(self, o: Window) -> Window {
        let (x, y) = (self.x.min(o.x), self.y.min(o.y));
        let right = (self.x + self.width).max(o.x + o.width);
        let bottom = (self.y + self.height).max(o.y + o.height);
        Window { x, y, width: right - x, height: bottom - y }
    }

    /// Whether nothing of a normalised box of the picture is cut off by an edge of the window that is not the
    /// picture's too.
    pub fn shows(&self, bbox: &BBox, picture: (u32, u32)) -> bool {
        let (w, h) = (picture.0 as f32, picture.1 as f32);
        let clear = |from: u32, len: u32, all: u32, low: f32, high: f32| {
            (from == 0 || low - from as f32 >= CUT)
                && (from + len == all || (from + len) as f32 - high >= CUT)
        };
        clear(self.x, self.width, picture.0, bbox.x1 * w, bbox.x2 * w)
            && clear(self.y, self.height, picture.1, bbox.y1 * h, bbox.y2 * h)
    }

    /// A detection within the window as one within the picture; `None`: the window's edge cuts it,
    /// unless that is the picture's edge too.
    pub fn placed(&self, d: Detection, picture: (u32, u32)) -> Option<Detection> {
        let (w, h) = (self.width as f32, self.height as f32);
        let x = |v: f32| (self.x as f32 + v * w) / picture.0 as f32;
        let y = |v: f32| (self.y as f32 + v * h) / picture.1 as f32;
        let b = d.bbox;
        let bbox = BBox::new(x(b.x1), y(b.y1), x(b.x2), y(b.y2));
        let landmarks = d.landmarks.map(|marks| marks.map(|p| Point::new(x(p.x), y(p.y))));
        self.shows(&bbox, picture).then_some(Detection { bbox, landmarks, ..d })
    }
}

/// Windows, and how closely they are looked at.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Closely {
    pub windows: Vec<Window>,
    /// Pixels of the network's input for each of the picture's, along a side; at most 1.
    pub scale: f32,
}

impl Closely {
    /// Windows over the places of `interest` (normalised, most important first) in a picture that a
    /// network with this input sees shrunk; no windows where it does not. Together they have at most
    /// `most` pixels of input: where all in the picture's own pixels would be more, they are looked at
    /// less closely, if the network takes any size, and then the least important are left out.
    pub fn over(picture: (u32, u32), input: InputSize, interest: &[BBox], most: u64) -> Closely {
        let net = input.of(picture);
        let shrunk = (picture.0 as f32 / net.0 as f32).max(picture.1 as f32 / net.1 as f32);
        if shrunk < WORTH {
            return Closely::default();
        }
        let mut windows: Vec<Window> = Vec::new();
        for place in interest.iter().map(BBox::clamped) {
            if windows.iter().any(|w| w.holds(&place, picture)) {
                continue;
            }
            match input {
                InputSize::Fitted { .. } => join(&mut windows, over(&place, picture)),
                InputSize::Fixed { width, height } => {
                    windows.extend(tiles(over(&place, picture), (width as u32, height as u32), picture));
                }
            }
        }
        let all: u64 = windows.iter().map(Window::area).sum();
        let scale = match input {
            InputSize::Fitted { .. } => (most as f32 / all.max(1) as f32).sqrt().clamp(WORTH / shrunk, 1.0),
            InputSize::Fixed { .. } => 1.0,
        };
        let mut left = most as f32;
        windows.retain(|w| {
            // What is left after scaling down to fit must not miss by rounding.
            let takes = w.area() as f32 * scale * scale * 0.999;
            let fits = takes <= left;
            left -= if fits { takes } else { 0.0 };
            fits
        });
        Closely { windows, scale }
    }
}

/// A window over a place, of its own size and a margin.
fn over(place: &BBox, picture: (u32, u32)) -> Window {
    let span = |from: f32, to: f32, all: u32| {
        let (from, to) = (from * all as f32, to * all as f32);
        let margin = ((to - from) * MARGIN).max(MARGIN_LEAST);
        let (from, to) = ((from - margin).max(0.0) as u32, ((to + margin).ceil() as u32).min(all));
        fit(from, (to - from).next_multiple_of(GRID), all)
    };
    let ((x, width), (y, height)) =
        (span(place.x1, place.x2, picture.0), span(place.y1, place.y2, picture.1));
    Window { x, y, width, height }
}

/// As many windows of the network's size as cover `all`, next to each other.
fn tiles(all: Window, net: (u32, u32), picture: (u32, u32)) -> Vec<Window> {
    let steps = |from: u32, len: u32, net: u32, picture: u32| -> Vec<(u32, u32)> {
        let many = len.div_ceil(net);
        // What they cover too much lies on both sides.
        let begin = (2 * from + len).saturating_sub(many * net) / 2;
        (0..many).map(|i| fit(begin + i * net, net, picture)).collect()
    };
    let across = steps(all.x, all.width, net.0, picture.0);
    let down = steps(all.y, all.height, net.1, picture.1);
    let window = |(x, width): (u32, u32), (y, height): (u32, u32)| Window { x, y, width, height };
    down.iter().flat_map(|y| across.iter().map(move |x| window(*x, *y))).collect()
}

/// A span of `len` from `at` on, moved so that it lies within `all`; begins at an even place.
pub(super) fn fit(at: u32, len: u32, all: u32) -> (u32, u32) {
    let len = len.min(all);
    (at.min(all - len) & !1, len)
}

/// Add a window, or widen one that is there; the more important one's place in the order stays.
fn join(windows: &mut Vec<Window>, mut window: Window) {
    let mut rank = windows.len();
    let cheap = |a: &Window, b: Window| a.around(b).area() as f32 <= JOINT * (a.area() + b.area()) as f32;
    while let Some(i) = windows.iter().position(|w| cheap(w, window)) {
        window = windows.remove(i).around(window);
        rank = rank.min(i);
    }
    windows.insert(rank.min(windows.len()), window);
}

/// Add to what was seen in the whole picture what was seen closer, all of one class: where both saw the
/// same, the stronger stays.
pub fn merge(whole: &mut Vec<Detection>, closer: Vec<Detection>, nms: f32) {
    let Some(class) = closer.first().map(|d| d.class) else { return };
    let (same, others): (Vec<_>, Vec<_>) = std::mem::take(whole).into_iter().partition(|d| d.class == class);
    *whole = others;
    whole.extend(suppress(same.into_iter().chain(closer).collect(), nms));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::Class;

    const FREE: InputSize = InputSize::Fitted { long_side: 640, multiple_of: 32 };
    const SMALL: InputSize = InputSize::Fixed { width: 320, height: 192 };
    const HD: (u32, u32) = (1920, 1080);

    fn at(x: f32, y: f32, side: f32) -> BBox {
        BBox::new(x, y, x + side, y + side)
    }

    fn covers(w: &Window, place: &BBox) -> bool {
        let (x, y) = ((place.x1 * 1920.0) as u32, (place.y1 * 1080.0) as u32);
        let (right, bottom) = ((place.x2 * 1920.0) as u32, (place.y2 * 1080.0) as u32);
        w.x <= x && w.y <= y && w.x + w.width >= right && w.y + w.height >= bottom
    }

    fn windows(picture: (u32, u32), input: InputSize, places: &[BBox]) -> Vec<Window> {
        Closely::over(picture, input, places, u64::MAX).windows
    }

    #[test]
    fn a_picture_that_is_hardly_shrunk_has_no_windows() {
        let everywhere = [at(0.0, 0.0, 1.0)];
        assert!(windows((768, 432), FREE, &everywhere).is_empty());
        assert!(windows((352, 200), SMALL, &everywhere).is_empty());
        assert!(!windows((640, 360), SMALL, &everywhere).is_empty());
    }

    #[test]
    fn each_place_lies_in_a_window_within_the_picture() {
        let places: Vec<BBox> = [(0.0, 0.0), (0.93, 0.9), (0.5, 0.2), (0.52, 0.25), (0.1, 0.7)]
            .map(|(x, y)| at(x, y, 0.07))
            .into();
        for input in [FREE, SMALL] {
            let windows = windows(HD, input, &places);
            assert!(windows.iter().all(|w| w.x % 2 == 0 && w.y % 2 == 0));
            assert!(windows.iter().all(|w| w.x + w.width <= HD.0 && w.y + w.height <= HD.1), "{windows:?}");
            let sizes = |w: &Window| input != SMALL || (w.width, w.height) == (320, 192);
            assert!(windows.iter().all(sizes), "{windows:?}");
            for place in &places {
                assert!(windows.iter().any(|w| covers(w, place)), "{input:?} {place:?} {windows:?}");
            }
            // Two of them are neighbours.
            assert_eq!(windows.len(), 4, "{input:?} {windows:?}");
        }
    }

    #[test]
    fn with_little_room_it_is_looked_at_less_closely_and_then_at_the_first_places_only() {
        let places = [at(0.1, 0.1, 0.05), at(0.6, 0.6, 0.2), at(0.8, 0.1, 0.05)];
        let closely = |input, most| Closely::over(HD, input, &places, most);
        let all = closely(FREE, u64::MAX);
        assert_eq!((all.windows.len(), all.scale), (3, 1.0));
        let area: u64 = all.windows.iter().map(Window::area).sum();
        let less = closely(FREE, area / 2);
        assert!(less.windows == all.windows && (less.scale - 0.5f32.sqrt()).abs() < 1e-3, "{less:?}");
        // Three times smaller is the whole picture: 1.3 times as large as there is the least.
        let least = closely(FREE, area / 10);
        assert_eq!(least, Closely { windows: vec![all.windows[0], all.windows[2]], scale: 1.3 / 3.0 });
        let tiles = closely(SMALL, 2 * 320 * 192 + 1);
        assert_eq!((tiles.windows.len(), tiles.scale), (2, 1.0));
        assert!(closely(SMALL, 320 * 100).windows.is_empty());
    }

    #[test]
    fn what_a_window_cuts_is_left_to_others_and_the_rest_moves_to_its_place() {
        let window = Window { x: 960, y: 0, width: 320, height: 192 };
        let face = |x1, y1, x2, y2| Detection {
            class: Class::Face,
            bbox: BBox::new(x1, y1, x2, y2),
            score: 0.9,
            landmarks: Some([Point::new(0.5, 0.5); 5]),
        };
        let placed = window.placed(face(0.25, 0.0, 0.5, 0.5), HD).unwrap();
        assert_eq!(placed.bbox, BBox::new(1040.0 / 1920.0, 0.0, 1120.0 / 1920.0, 96.0 / 1080.0));
        assert_eq!(placed.landmarks.unwrap()[4], Point::new(1120.0 / 1920.0, 96.0 / 1080.0));
        assert_eq!(window.placed(face(0.0, 0.2, 0.2, 0.5), HD), None, "at the left edge");
        assert_eq!(window.placed(face(0.4, 0.7, 0.5, 1.0), HD), None, "at the lower edge");
    }

    #[test]
    fn what_both_saw_is_told_once() {
        let of = |class, x, score| Detection { class, bbox: at(x, 0.5, 0.1), score, landmarks: None };
        let face = |x, score| of(Class::Face, x, score);
        let mut seen =
            vec![of(Class::Person, 0.1, 0.5), face(0.1, 0.7), of(Class::Person, 0.12, 0.4), face(0.5, 0.8)];
        merge(&mut seen, vec![face(0.11, 0.9), face(0.8, 0.6)], 0.3);
        let scores: Vec<f32> = seen.iter().map(|d| d.score).collect();
        assert_eq!(scores, [0.5, 0.4, 0.9, 0.8, 0.6]);
    }
}
