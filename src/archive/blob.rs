//! The fragment table of a segment as a compact blob: about 10 bytes a fragment, because a site of
//! 500 cameras keeps 21 million segments in a month.
//!
//! LEB128 numbers, per fragment: bytes, duration × 2 + key, frames, then the differences (zigzag)
//! of its server time and media time to the end of the fragment before. Offsets follow from sizes.

use super::types::FragmentRef;
use super::varint::{put, take, unzigzag, zigzag};
use crate::base::Wall;

const VERSION: u8 = 1;

pub fn encode(header_bytes: u64, fragments: &[FragmentRef]) -> Vec<u8> {
    let mut out = vec![VERSION];
    let (mut offset, mut wall, mut media) = (header_bytes, 0i64, 0i64);
    for f in fragments {
        debug_assert_eq!(f.offset, offset, "fragments lie one after the other");
        put(&mut out, f.bytes as u64);
        put(&mut out, (f.duration_90k as u64) << 1 | f.key as u64);
        put(&mut out, f.frames as u64);
        put(&mut out, zigzag(f.start.micros() - wall));
        put(&mut out, zigzag(f.media_start_90k as i64 - media));
        offset += f.bytes as u64;
        wall = f.span().end.micros();
        media = (f.media_start_90k + f.duration_90k as u64) as i64;
    }
    out
}

/// `None` when the blob is damaged.
pub fn decode(header_bytes: u64, blob: &[u8]) -> Option<Vec<FragmentRef>> {
    let (version, mut rest) = blob.split_first()?;
    if *version != VERSION {
        return None;
    }
    let (mut offset, mut wall, mut media) = (header_bytes, 0i64, 0i64);
    let mut fragments = Vec::new();
    while !rest.is_empty() {
        let bytes = u32::try_from(take(&mut rest)?).ok()?;
        let duration_key = take(&mut rest)?;
        let frames = u32::try_from(take(&mut rest)?).ok()?;
        let start = wall.checked_add(unzigzag(take(&mut rest)?))?;
        let media_start = media.checked_add(unzigzag(take(&mut rest)?))?;
        let f = FragmentRef {
            offset,
            bytes,
            start: Wall(start),
            duration_90k: u32::try_from(duration_key >> 1).ok()?,
            media_start_90k: u64::try_from(media_start).ok()?,
            frames,
            key: duration_key & 1 == 1,
        };
        offset += bytes as u64;
        wall = f.span().end.micros();
        media = media_start.checked_add(f.duration_90k as i64)?;
        fragments.push(f);
    }
    Some(fragments)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn fragment_tables_come_back_as_they_went(
            header in 0u64..10_000,
            rows in prop::collection::vec((any::<u32>(), any::<u32>(), any::<u32>(), 0i64..1 << 52, 0u64..1 << 50, any::<bool>()), 0..20),
        ) {
            let mut offset = header;
            let fragments: Vec<FragmentRef> = rows.into_iter().map(|(bytes, duration_90k, frames, start, media_start_90k, key)| {
                let f = FragmentRef { offset, bytes, start: Wall(start), duration_90k, media_start_90k, frames, key };
                offset += bytes as u64;
                f
            }).collect();
            prop_assert_eq!(decode(header, &encode(header, &fragments)), Some(fragments));
        }

        #[test]
        fn damaged_tables_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode(0, &bytes);
        }
    }
}
