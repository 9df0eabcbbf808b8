//! `ftyp moov`: the codec parameters and our own facts about the segment.
//!
//! The facts stand as JSON in a `uuid` box, last in `moov`: within the initialisation section that
//! every player reads anyway, and in a box that ISO 14496-12 §4.2 tells players to skip. `udta` and
//! `meta` would need a handler and keys of somebody else's name space.

use serde::{Deserialize, Serialize};
use shiguredo_mp4::boxes::{
    Brand, FtypBox, MoovBox, MvexBox, SampleEntry, StblBox, StcoBox, StscBox, StsdBox, StszBox, SttsBox,
    TrexBox, UnknownBox,
};
use shiguredo_mp4::{BoxSize, BoxType, Decode, Either, Encode, SampleFlags};

use super::{AUDIO_TRACK, Entries, VIDEO_TRACK, free_box, padding_behind, tracks};
use crate::base::{CameraId, StreamKind, Wall, WallSpan};
use crate::camera::GapCause;

/// Names our `uuid` box; drawn at random once, never changed.
pub const FACTS_BOX: [u8; 16] = *b"\x5d\x1c\x0e\x52\x9b\x7f\x4a\x36\x8e\x21\xc4\x70\x93\x5a\x68\xd4";

/// What the index must know about a segment and the media does not tell.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Facts {
    pub camera: CameraId,
    pub stream: StreamKind,
    pub run: uuid::Uuid,
    pub seq_in_run: u32,
    /// Microseconds of UTC, as all times here: the RFC 3339 form would lose digits.
    pub start_us: i64,
    /// Since when this stream is to be recorded.
    pub expected_since_us: i64,
    /// Gaps between the segment before and this one, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps_before: Vec<PastGap>,
}

/// A gap that has ended.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PastGap {
    pub start_us: i64,
    pub end_us: i64,
    pub cause: GapCause,
    pub note: String,
}

impl PastGap {
    pub fn span(&self) -> WallSpan {
        WallSpan::new(Wall(self.start_us), Wall(self.end_us))
    }
}

/// A header as read.
#[derive(Clone, PartialEq, Debug)]
pub struct Header {
    pub entries: Entries,
    pub facts: Facts,
    /// Bytes of `ftyp moov`, and of the padding behind them.
    pub bytes: u64,
}

/// The bytes of `ftyp moov`, padded so that the first fragment begins at a block.
pub fn encode_header(entries: &Entries, facts: &Facts) -> Result<Vec<u8>, String> {
    let at = Wall(facts.start_us);
    let all = || std::iter::once(&entries.video).chain(&entries.audio);
    let payload = serde_json::to_vec(facts).map_err(|e| e.to_string())?;
    let box_type = BoxType::Uuid(FACTS_BOX);
    let moov = MoovBox {
        mvhd_box: tracks::mvhd(at, 0),
        trak_boxes: all().map(|e| tracks::trak(empty_tables(e.clone()), at, 0, None)).collect(),
        mvex_box: Some(MvexBox {
            mehd_box: None,
            trex_boxes: [VIDEO_TRACK, AUDIO_TRACK].into_iter().take(all().count()).map(trex).collect(),
            unknown_boxes: vec![],
        }),
        unknown_boxes: vec![UnknownBox {
            box_type,
            box_size: BoxSize::with_payload_size(box_type, payload.len() as u64),
            payload,
        }],
    };
    // iso6: `tfdt` and default-base-is-moof; mp42 for players that know no iso brand.
    let ftyp = FtypBox {
        major_brand: Brand::ISO6,
        minor_version: 1,
        compatible_brands: vec![Brand::ISO6, Brand::ISOM, Brand::new(*b"mp42")],
    };
    let mut bytes = ftyp.encode_to_vec().map_err(|e| e.to_string())?;
    bytes.extend(moov.encode_to_vec().map_err(|e| e.to_string())?);
    let end = bytes.len() + padding_behind(bytes.len());
    if end > bytes.len() {
        bytes.extend_from_slice(&free_box(end - bytes.len()));
        bytes.resize(end, 0);
    }
    Ok(bytes)
}

fn empty_tables(entry: SampleEntry) -> StblBox {
    StblBox {
        stsd_box: StsdBox { entries: vec![entry] },
        stts_box: SttsBox { entries: vec![] },
        ctts_box: None,
        cslg_box: None,
        stsc_box: StscBox { entries: vec![] },
        stsz_box: StszBox::Variable { entry_sizes: vec![] },
        stco_or_co64_box: Either::A(StcoBox { chunk_offsets: vec![] }),
        stss_box: None,
        sdtp_box: None,
        unknown_boxes: vec![],
    }
}

fn trex(track_id: u32) -> TrexBox {
    TrexBox {
        track_id,
        default_sample_description_index: 1,
        default_sample_duration: 0,
        default_sample_size: 0,
        default_sample_flags: SampleFlags::empty(),
    }
}

/// Read `ftyp moov`, and nothing behind them, from the front of `bytes`, which may be longer. `Err` says what is not as written.
pub fn decode_header(bytes: &[u8]) -> Result<Header, String> {
    let (_, ftyp_len) = FtypBox::decode(bytes).map_err(|e| format!("no ftyp: {e}"))?;
    let (moov, moov_len) = MoovBox::decode(&bytes[ftyp_len..]).map_err(|e| format!("no moov: {e}"))?;
    let facts = moov
        .unknown_boxes
        .iter()
        .find(|b| b.box_type == BoxType::Uuid(FACTS_BOX))
        .ok_or("it carries no facts box, so another program wrote it")?;
    let facts: Facts = serde_json::from_slice(&facts.payload).map_err(|e| format!("bad facts: {e}"))?;
    let entry_of = |id: u32| {
        moov.trak_boxes
            .iter()
            .find(|t| t.tkhd_box.track_id == id)
            .and_then(|t| t.mdia_box.minf_box.stbl_box.stsd_box.entries.first().cloned())
    };
    let video = entry_of(VIDEO_TRACK).ok_or("it has no video track")?;
    let entries = Entries { video, audio: entry_of(AUDIO_TRACK) };
    Ok(Header { entries, facts, bytes: (ftyp_len + moov_len) as u64 })
}
