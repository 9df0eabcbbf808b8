//! Sample tables of an exported track (ISO 14496-12 §8.6, §8.7).

use std::num::NonZeroU32;

use shiguredo_mp4::boxes::{
    Co64Box, CttsBox, CttsEntry, EdtsBox, ElstBox, ElstEntry, SampleEntry, StblBox, StcoBox, StscBox,
    StscEntry, StsdBox, StssBox, StszBox, SttsBox, SttsEntry,
};
use shiguredo_mp4::{Either, FixedPointNumber};

use crate::archive::fmp4::SampleInfo;

/// A track as it grows. Times in 90 kHz ticks from the first picture's decoding time.
pub struct TrackTables {
    entry: SampleEntry,
    samples: Vec<SampleInfo>,
    /// Samples of each chunk, and where it lies from the start of the media data.
    chunks: Vec<(u32, u64)>,
    /// Decoding time of the first and the last sample.
    first: i64,
    last: i64,
}

impl TrackTables {
    pub fn new(entry: SampleEntry) -> Self {
        TrackTables { entry, samples: vec![], chunks: vec![], first: 0, last: 0 }
    }

    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// Decoding time of the last sample; −1 when there is none.
    pub fn last(&self) -> i64 {
        if self.samples.is_empty() { -1 } else { self.last }
    }

    /// Where the last sample ends.
    pub fn end(&self) -> i64 {
        self.last + self.samples.last().map_or(0, |s| s.duration as i64)
    }

    /// Add a chunk whose first sample is decoded at `at`, later than the last one so far; the last
    /// one is held until then.
    pub fn push(&mut self, at: i64, infos: &[SampleInfo], offset: u64) {
        match self.samples.last_mut() {
            Some(held) => held.duration = (at - self.last).clamp(0, u32::MAX as i64) as u32,
            None => self.first = at,
        }
        self.chunks.push((infos.len() as u32, offset));
        let mut t = at;
        for s in infos {
            self.last = t;
            t += s.duration as i64;
        }
        self.samples.extend_from_slice(infos);
    }

    /// Presentation time of the earliest picture. Only the first GOP can hold it.
    pub fn earliest(&self) -> i64 {
        let mut t = self.first;
        let times = self.samples.iter().take(64).map(|s| {
            let at = t + s.offset as i64;
            t += s.duration as i64;
            at
        });
        times.min().unwrap_or(0)
    }

    pub fn duration(&self) -> u64 {
        (self.end() - self.first).max(0) as u64
    }

    /// Lets the presentation at movie time 0 begin with what this track has at `zero`.
    pub fn edits(&self, zero: i64) -> Option<EdtsBox> {
        let entry = |edit_duration: i64, media_time| ElstEntry {
            edit_duration: edit_duration.max(0) as u64,
            media_time,
            media_rate: FixedPointNumber::new(1, 0),
        };
        let skip = zero - self.first;
        let entries = match skip {
            0 => return None,
            // An empty edit: this track begins later.
            s if s < 0 => vec![entry(-s, -1), entry(self.duration() as i64, 0)],
            // The last picture is shown as long after the first shown as it is decoded after the first.
            s => vec![entry(self.earliest() + self.duration() as i64 - zero, s)],
        };
        Some(EdtsBox { elst_box: Some(ElstBox { entries }), unknown_boxes: vec![] })
    }

    /// The tables, with the media data beginning at `base` in the file.
    pub fn stbl(&self, base: u64, wide: bool) -> StblBox {
        let offsets = self.chunks.iter().map(|(_, o)| base + o);
        let keys =
            || (1u32..).zip(&self.samples).filter(|(_, s)| s.key).filter_map(|(n, _)| NonZeroU32::new(n));
        let all_keys = self.samples.iter().all(|s| s.key);
        StblBox {
            stsd_box: StsdBox { entries: vec![self.entry.clone()] },
            stts_box: SttsBox {
                entries: runs(self.samples.iter().map(|s| s.duration))
                    .map(|(sample_count, sample_delta)| SttsEntry { sample_count, sample_delta })
                    .collect(),
            },
            ctts_box: self.ctts(),
            cslg_box: None,
            stsc_box: self.stsc(),
            stsz_box: StszBox::Variable { entry_sizes: self.samples.iter().map(|s| s.size).collect() },
            stco_or_co64_box: if wide {
                Either::B(Co64Box { chunk_offsets: offsets.collect() })
            } else {
                Either::A(StcoBox { chunk_offsets: offsets.map(|o| o as u32).collect() })
            },
            stss_box: (!all_keys).then(|| StssBox { sample_numbers: keys().collect() }),
            sdtp_box: None,
            unknown_boxes: vec![],
        }
    }

    fn ctts(&self) -> Option<CttsBox> {
        let reordered = self.samples.iter().any(|s| s.offset != 0);
        let version = self.samples.iter().any(|s| s.offset < 0) as u8;
        let entries = runs(self.samples.iter().map(|s| s.offset))
            .map(|(sample_count, offset)| CttsEntry { sample_count, sample_offset: offset as i64 })
            .collect();
        reordered.then_some(CttsBox { version, entries })
    }

    fn stsc(&self) -> StscBox {
        let mut first = 1;
        let entries = runs(self.chunks.iter().map(|(n, _)| *n))
            .filter_map(|(chunks, sample_per_chunk)| {
                let first_chunk = NonZeroU32::new(first)?;
                first += chunks;
                Some(StscEntry { first_chunk, sample_per_chunk, sample_description_index: NonZeroU32::MIN })
            })
            .collect();
        StscBox { entries }
    }
}

/// Equal neighbours, counted.
fn runs<T: PartialEq + Copy>(values: impl Iterator<Item = T>) -> impl Iterator<Item = (u32, T)> {
    let mut values = values.peekable();
    std::iter::from_fn(move || {
        let value = values.next()?;
        let mut count = 1;
        while values.next_if(|v| *v == value).is_some() {
            count += 1;
        }
        Some((count, value))
    })
}
