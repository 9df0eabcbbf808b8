//! Whether a camera still shows what it always showed: covered, out of focus, turned away, frozen or
//! in the dark. Needs no model.
//!
//! A picture becomes 48 × 30 block means of its luma, in 8 × 6 tiles. A tile is *like* the learnt one
//! when its block means go up and down with it (normalised cross-correlation: light and exposure do not
//! matter), *flat* when next to nothing is left of its ups and downs. Whoever passes changes some
//! tiles, a hand on the lens all of them. Beside it stands the energy of steep edges: it tells a
//! picture out of focus, whose blocks stay as they were. After A. Saglam and A. Temizel, *Real-time
//! adaptive camera tamper detection for video surveillance* (AVSS 2009), who compare with a learnt
//! background likewise; the tiles and the few views remembered are ours.

mod learnt;
mod measure;
mod meter;
mod stillness;

#[cfg(test)]
mod tests;

pub use meter::ViewMeter;
