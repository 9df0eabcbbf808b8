//! Decoded pictures.

use std::fmt;
use std::sync::Arc;

/// Bytes that somebody owns: a `Vec`, or a decoder's mapped buffer, so that pixels are not copied.
pub trait PixelBytes: AsRef<[u8]> + Send + Sync {}
impl<T: AsRef<[u8]> + Send + Sync> PixelBytes for T {}

/// A picture in planar YUV 4:2:0, 8 bits (BT.601 or 709, limited range).
#[derive(Clone)]
pub struct I420 {
    pub width: u32,
    pub height: u32,
    planes: [Plane; 3],
    bytes: Arc<dyn PixelBytes>,
    /// Of the picture that this is, or is a part of.
    whole_height: u32,
}

/// Where a plane lies in the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plane {
    pub offset: usize,
    /// Bytes from one row to the next.
    pub stride: usize,
}

/// The planes do not fit into the bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a {width}x{height} I420 picture with planes {planes:?} does not fit in {len} bytes")]
pub struct BadPlanes {
    pub width: u32,
    pub height: u32,
    pub planes: [Plane; 3],
    pub len: usize,
}

impl I420 {
    /// Chroma planes are `ceil(width/2)` by `ceil(height/2)`.
    pub fn new(
        width: u32,
        height: u32,
        planes: [Plane; 3],
        bytes: Arc<dyn PixelBytes>,
    ) -> Result<Self, BadPlanes> {
        let len = (*bytes).as_ref().len();
        let (w, h) = (width as usize, height as usize);
        let sizes = [(w, h), (w.div_ceil(2), h.div_ceil(2)), (w.div_ceil(2), h.div_ceil(2))];
        let fits = planes
            .iter()
            .zip(sizes)
            .all(|(p, (w, h))| w > 0 && h > 0 && p.stride >= w && p.offset + p.stride * (h - 1) + w <= len);
        if fits {
            Ok(I420 { width, height, planes, bytes, whole_height: height })
        } else {
            Err(BadPlanes { width, height, planes, len })
        }
    }

    /// A picture over tightly packed planes Y, U, V.
    pub fn packed(width: u32, height: u32, bytes: Vec<u8>) -> Result<Self, BadPlanes> {
        let (w, h) = (width as usize, height as usize);
        let (cw, ch) = (w.div_ceil(2), h.div_ceil(2));
        let planes = [
            Plane { offset: 0, stride: w },
            Plane { offset: w * h, stride: cw },
            Plane { offset: w * h + cw * ch, stride: cw },
        ];
        I420::new(width, height, planes, Arc::new(bytes))
    }

    /// The part of `width` by `height` pixels whose top left corner is at (`x`, `y`), which must be
    /// even. Shares the bytes. `None`: it does not lie within the picture.
    pub fn part(&self, x: u32, y: u32, width: u32, height: u32) -> Option<I420> {
        let within = |from: u32, len: u32, all: u32| {
            from.is_multiple_of(2) && len > 0 && from.checked_add(len).is_some_and(|end| end <= all)
        };
        if !within(x, width, self.width) || !within(y, height, self.height) {
            return None;
        }
        let (x, y) = (x as usize, y as usize);
        let moved = |p: Plane, by: usize| Plane { offset: p.offset + y / by * p.stride + x / by, ..p };
        let [luma, u, v] = self.planes;
        let planes = [moved(luma, 1), moved(u, 2), moved(v, 2)];
        let part = I420::new(width, height, planes, self.bytes.clone()).ok()?;
        Some(I420 { whole_height: self.whole_height, ..part })
    }

    /// Height of the picture that this is, or is a [part](Self::part) of, pixels: its colours are the whole's.
    pub fn whole_height(&self) -> u32 {
        self.whole_height
    }

    /// Plane 0 (Y), 1 (U) or 2 (V) from its first byte on, and its stride.
    pub fn plane(&self, i: usize) -> (&[u8], usize) {
        let p = self.planes[i];
        (&(*self.bytes).as_ref()[p.offset..], p.stride)
    }

    pub fn luma(&self) -> (&[u8], usize) {
        self.plane(0)
    }
}

impl fmt::Debug for I420 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "I420({}x{})", self.width, self.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_outside_the_bytes_are_refused() {
        assert!(I420::packed(4, 4, vec![0; 24]).is_ok());
        assert!(I420::packed(4, 4, vec![0; 23]).is_err());
        assert!(I420::packed(5, 3, vec![0; 15 + 6 + 6]).is_ok());
        assert!(I420::packed(0, 4, vec![0; 24]).is_err());
    }

    #[test]
    fn a_part_shows_the_pixels_of_its_place() {
        let (w, h) = (12usize, 8usize);
        let bytes: Vec<u8> = (0..w * h * 3 / 2).map(|i| i as u8).collect();
        let whole = I420::packed(w as u32, h as u32, bytes).unwrap();
        let part = whole.part(4, 2, 5, 6).unwrap();
        assert_eq!((part.width, part.height), (5, 6));
        let pixel = |image: &I420, plane: usize, x: usize, y: usize| {
            let (bytes, stride) = image.plane(plane);
            bytes[y * stride + x]
        };
        assert_eq!(pixel(&part, 0, 4, 5), pixel(&whole, 0, 8, 7));
        for plane in [1, 2] {
            assert_eq!(pixel(&part, plane, 2, 2), pixel(&whole, plane, 4, 3));
        }
        for (x, y, w, h) in [(3, 2, 4, 4), (4, 2, 9, 4), (4, 2, 4, 7), (0, 0, 0, 2), (u32::MAX - 1, 0, 4, 4)]
        {
            assert!(whole.part(x, y, w, h).is_none(), "{x} {y} {w} {h}");
        }
    }
}
