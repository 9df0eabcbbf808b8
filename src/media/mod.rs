//! What flows: encoded access units, codec parameters, pictures, geometry. Imports only `base`.

pub mod geometry;
pub mod h26x;
pub mod image;
pub mod params;
pub mod slice;
pub mod time;
pub mod unit;

pub use geometry::{BBox, Point, Polygon, Side};
pub use image::I420;
pub use params::{AudioParams, Codec, Params, VideoParams};
pub use time::Pts;
pub use unit::EncodedUnit;
