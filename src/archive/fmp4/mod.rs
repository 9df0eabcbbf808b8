//! The format of a segment file, written and read: `ftyp moov free? (prft moof mdat free?)*`
//! (ISO 14496-12).
//! Writing and reading stand beside each other because the index can be rebuilt from files alone.

pub mod fragment;
pub mod header;
pub mod padding;
pub mod scan;
pub mod tracks;

pub use fragment::{Sample, SampleInfo, Track, encode_tables};
pub use header::{Facts, Header, PastGap, encode_header};
pub use padding::{BLOCK, free_box, padding_behind};
pub use scan::{Moof, Scan, read_moof, scan};

use shiguredo_mp4::boxes::SampleEntry;

/// All tracks count in 90 kHz: the one clock of [`crate::media::Pts`], so that no track drifts
/// against the other by rounding.
pub const TIMESCALE: u32 = 90_000;
pub const VIDEO_TRACK: u32 = 1;
pub const AUDIO_TRACK: u32 = 2;

/// The tracks of a file, as its header declares them.
#[derive(Clone, PartialEq, Debug)]
pub struct Entries {
    pub video: SampleEntry,
    pub audio: Option<SampleEntry>,
}

/// A box header with a 32-bit size, and the payload.
pub(crate) fn put_box(out: &mut Vec<u8>, kind: &[u8; 4], payload: &[u8]) {
    out.extend_from_slice(&(payload.len() as u32 + 8).to_be_bytes());
    out.extend_from_slice(kind);
    out.extend_from_slice(payload);
}
