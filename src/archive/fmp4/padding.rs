//! Room between what is written, so that each write begins where O_DIRECT allows it to: a `free` box
//! (ISO 14496-12 §8.1.2), which every reader skips. It belongs to what stands before it.

/// Header and fragments each begin at a multiple of this: the block of the usual file systems and the
/// page of the usual machines, and so a multiple of what their disks ask of O_DIRECT.
pub const BLOCK: usize = 4096;

/// Bytes of a box without content.
const LEAST: usize = 8;

/// Size of the `free` box behind `len` bytes that begin at a block; 0 where they end at one.
pub fn padding_behind(len: usize) -> usize {
    match len.wrapping_neg() % BLOCK {
        0 => 0,
        short if short < LEAST => short + BLOCK,
        enough => enough,
    }
}

/// The first bytes of a `free` box of `len` bytes; the others are zeros.
pub fn free_box(len: usize) -> [u8; LEAST] {
    let [a, b, c, d] = (len as u32).to_be_bytes();
    [a, b, c, d, b'f', b'r', b'e', b'e']
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_a_whole_box_up_to_a_block() {
        for len in 0..3 * BLOCK {
            let pad = padding_behind(len);
            assert!((len + pad).is_multiple_of(BLOCK), "{len}");
            assert!(pad == 0 || (LEAST..BLOCK + LEAST).contains(&pad), "{len}: {pad}");
        }
    }
}
