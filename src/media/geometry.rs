//! Geometry in normalised picture coordinates: x and y from 0 to 1, origin at the top left.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Point {
    pub x: f32,
    pub y: f32,
}

impl Point {
    pub const fn new(x: f32, y: f32) -> Self {
        Point { x, y }
    }
}

/// An axis-parallel box, `x1 <= x2`, `y1 <= y2`.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct BBox {
    pub x1: f32,
    pub y1: f32,
    pub x2: f32,
    pub y2: f32,
}

impl BBox {
    pub const fn new(x1: f32, y1: f32, x2: f32, y2: f32) -> Self {
        BBox { x1, y1, x2, y2 }
    }

    pub fn width(&self) -> f32 {
        self.x2 - self.x1
    }

    pub fn height(&self) -> f32 {
        self.y2 - self.y1
    }

    pub fn area(&self) -> f32 {
        self.width().max(0.0) * self.height().max(0.0)
    }

    pub fn center(&self) -> Point {
        Point::new((self.x1 + self.x2) / 2.0, (self.y1 + self.y2) / 2.0)
    }

    /// Bottom centre: where a standing figure meets the ground.
    pub fn foot(&self) -> Point {
        Point::new((self.x1 + self.x2) / 2.0, self.y2)
    }

    pub fn intersection(&self, o: &BBox) -> f32 {
        let w = self.x2.min(o.x2) - self.x1.max(o.x1);
        let h = self.y2.min(o.y2) - self.y1.max(o.y1);
        w.max(0.0) * h.max(0.0)
    }

    /// Intersection over union, 0 to 1.
    pub fn iou(&self, o: &BBox) -> f32 {
        let inter = self.intersection(o);
        let union = self.area() + o.area() - inter;
        if union > 0.0 { inter / union } else { 0.0 }
    }

    /// The part inside the picture.
    pub fn clamped(&self) -> BBox {
        let c = |v: f32| v.clamp(0.0, 1.0);
        BBox::new(c(self.x1), c(self.y1), c(self.x2), c(self.y2))
    }
}

/// Which side of a directed line a point lies on, seen in the direction from its first to its
/// second end, on a screen (y grows downwards).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    Left,
    Right,
    On,
}

/// The side of the line `a -> b` on which `p` lies.
pub fn side(a: Point, b: Point, p: Point) -> Side {
    let cross = (b.x - a.x) * (p.y - a.y) - (b.y - a.y) * (p.x - a.x);
    if cross > 0.0 {
        Side::Right
    } else if cross < 0.0 {
        Side::Left
    } else {
        Side::On
    }
}

/// Whether the way `from -> to` meets the segment `a -> b` (ends included).
pub fn segments_meet(a: Point, b: Point, from: Point, to: Point) -> bool {
    let orient = |p: Point, q: Point, r: Point| (q.x - p.x) * (r.y - p.y) - (q.y - p.y) * (r.x - p.x);
    let (d1, d2) = (orient(a, b, from), orient(a, b, to));
    let (d3, d4) = (orient(from, to, a), orient(from, to, b));
    d1 * d2 <= 0.0 && d3 * d4 <= 0.0 && !(d1 == 0.0 && d2 == 0.0)
}

/// A simple polygon of at least three corners.
#[derive(Clone, PartialEq, Debug)]
pub struct Polygon(Vec<Point>);

/// Why some points are no polygon.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadPolygon {
    #[error("a polygon needs at least 3 points, this one has {0}")]
    TooFew(usize),
    #[error("point {0} lies outside the picture: coordinates run from 0 to 1")]
    Outside(usize),
    #[error("the polygon has no area")]
    Flat,
}

impl Polygon {
    pub fn new(points: Vec<Point>) -> Result<Self, BadPolygon> {
        if points.len() < 3 {
            return Err(BadPolygon::TooFew(points.len()));
        }
        let inside = |p: &Point| (0.0..=1.0).contains(&p.x) && (0.0..=1.0).contains(&p.y);
        if let Some(i) = points.iter().position(|p| !inside(p)) {
            return Err(BadPolygon::Outside(i));
        }
        let twice_area: f32 =
            points.iter().zip(points.iter().cycle().skip(1)).map(|(p, q)| p.x * q.y - q.x * p.y).sum();
        if twice_area.abs() < 1e-6 {
            return Err(BadPolygon::Flat);
        }
        Ok(Polygon(points))
    }

    pub fn points(&self) -> &[Point] {
        &self.0
    }

    /// Even-odd rule.
    pub fn contains(&self, p: Point) -> bool {
        let mut inside = false;
        let n = self.0.len();
        let mut j = n - 1;
        for i in 0..n {
            let (a, b) = (self.0[i], self.0[j]);
            if (a.y > p.y) != (b.y > p.y) && p.x < (b.x - a.x) * (p.y - a.y) / (b.y - a.y) + a.x {
                inside = !inside;
            }
            j = i;
        }
        inside
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polygon_knows_inside_and_refuses_nonsense() {
        let p = |x, y| Point::new(x, y);
        let l =
            Polygon::new(vec![p(0.0, 0.0), p(1.0, 0.0), p(1.0, 0.5), p(0.5, 0.5), p(0.5, 1.0), p(0.0, 1.0)])
                .unwrap();
        assert!(l.contains(p(0.25, 0.75)) && l.contains(p(0.75, 0.25)) && !l.contains(p(0.75, 0.75)));
        assert_eq!(Polygon::new(vec![p(0.0, 0.0), p(1.0, 1.0)]), Err(BadPolygon::TooFew(2)));
        assert_eq!(Polygon::new(vec![p(0.0, 0.0), p(1.5, 0.0), p(1.0, 1.0)]), Err(BadPolygon::Outside(1)));
        assert_eq!(Polygon::new(vec![p(0.0, 0.0), p(0.5, 0.5), p(1.0, 1.0)]), Err(BadPolygon::Flat));
    }

    #[test]
    fn sides_are_as_seen_on_the_screen() {
        let (a, b) = (Point::new(0.0, 0.5), Point::new(1.0, 0.5));
        assert_eq!(side(a, b, Point::new(0.5, 0.2)), Side::Left);
        assert_eq!(side(a, b, Point::new(0.5, 0.8)), Side::Right);
        assert!(segments_meet(a, b, Point::new(0.5, 0.2), Point::new(0.5, 0.8)));
        assert!(!segments_meet(a, Point::new(0.4, 0.5), Point::new(0.5, 0.2), Point::new(0.5, 0.8)));
    }

    #[test]
    fn iou_of_half_overlap() {
        let a = BBox::new(0.0, 0.0, 0.2, 0.2);
        assert!((a.iou(&BBox::new(0.1, 0.0, 0.3, 0.2)) - 1.0 / 3.0).abs() < 1e-6);
        assert_eq!(a.iou(&BBox::new(0.5, 0.5, 0.6, 0.6)), 0.0);
    }
}
