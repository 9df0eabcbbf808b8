//! Which time is answered from what was seen, and of which the recording must be decoded. Pure.

use std::time::Duration;

use crate::archive::Block;
use crate::base::{Wall, WallSpan};
use crate::infer::Class;

/// Frames of an idle camera lie some seconds apart, on a machine that is short of time more. Within this it was
/// watched all the same.
const APART: Duration = Duration::from_secs(30);
/// Shorter pieces are not worth decoding.
const SLIVER: Duration = Duration::from_secs(2);

/// A piece of time.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Piece {
    pub span: WallSpan,
    pub from: From,
}

/// Where the answer comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum From {
    /// What was seen and kept.
    Observed,
    /// The recording, decoded.
    Decoded,
    /// Nothing is left of that time.
    Unknown,
}

/// Whether a block holds all that is needed.
pub(super) fn suffices(block: &Block, needed: &[Class]) -> bool {
    needed.iter().all(|class| block.look.classes.contains(class))
}

/// The pieces of `span`, in order and without a hole. `seen`: times of frames that were kept, rising;
/// `recorded`: what can be decoded.
pub(super) fn plan(span: WallSpan, seen: &[Wall], recorded: &[WallSpan]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut at = span.start;
    for known in watched(seen) {
        let Some(known) = known.intersect(WallSpan::new(at, span.end)) else { continue };
        decode(WallSpan::new(at, known.start), recorded, &mut pieces);
        put(&mut pieces, known, From::Observed);
        at = known.end;
    }
    decode(WallSpan::new(at, span.end), recorded, &mut pieces);
    pieces
}

/// Stretches without a long time between two frames.
fn watched(seen: &[Wall]) -> Vec<WallSpan> {
    let mut out: Vec<WallSpan> = Vec::new();
    for &at in seen {
        let until = at + Duration::from_micros(1);
        match out.last_mut() {
            Some(last) if at >= last.start && at.since(last.end) <= APART => last.end = last.end.max(until),
            _ => out.push(WallSpan::new(at, until)),
        }
    }
    out
}

/// What of `span` can be decoded and what cannot.
fn decode(span: WallSpan, recorded: &[WallSpan], pieces: &mut Vec<Piece>) {
    let mut at = span.start;
    for part in recorded {
        let Some(part) = part.intersect(WallSpan::new(at, span.end)) else { continue };
        put(pieces, WallSpan::new(at, part.start), From::Unknown);
        put(pieces, part, From::Decoded);
        at = part.end;
    }
    put(pieces, WallSpan::new(at, span.end), From::Unknown);
}

/// A sliver goes to the piece before it, or else to nobody.
fn put(pieces: &mut Vec<Piece>, span: WallSpan, from: From) {
    if span.is_empty() {
        return;
    }
    let sliver = span.duration() < SLIVER && from != From::Observed;
    match pieces.last_mut() {
        Some(last) if (last.from == from || sliver) && last.span.end == span.start => {
            last.span.end = span.end
        }
        _ if sliver => pieces.push(Piece { span, from: From::Unknown }),
        _ => pieces.push(Piece { span, from }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Wall {
        Wall::from_secs(second)
    }

    fn spans(all: &[(i64, i64)]) -> Vec<WallSpan> {
        all.iter().map(|&(a, b)| WallSpan::new(at(a), at(b))).collect()
    }

    /// The plan of 0 to 600 s as text: `o` observed, `d` decoded, `-` unknown, each with its end.
    fn shown(seen: &[i64], recorded: &[(i64, i64)]) -> String {
        let seen: Vec<Wall> = seen.iter().map(|s| at(*s)).collect();
        let pieces = plan(WallSpan::new(at(0), at(600)), &seen, &spans(recorded));
        let mut start = at(0);
        let mut out = Vec::new();
        for p in &pieces {
            assert_eq!(p.span.start, start, "no hole and no overlap: {pieces:?}");
            start = p.span.end;
            let sign = match p.from {
                From::Observed => 'o',
                From::Decoded => 'd',
                From::Unknown => '-',
            };
            out.push(format!("{sign}{}", p.span.end.micros() / 1_000_000));
        }
        assert_eq!(start, at(600));
        out.join(" ")
    }

    #[test]
    fn what_was_seen_needs_no_decoding_and_the_rest_is_decoded_where_it_is_recorded() {
        let every4: Vec<i64> = (0..=150).map(|i| i * 4).collect();
        assert_eq!(shown(&every4, &[(0, 600)]), "o600", "the last moment is nobody's sliver");
        assert_eq!(shown(&[], &[(0, 600)]), "d600");
        assert_eq!(shown(&[], &[(100, 200), (300, 700)]), "-100 d200 -300 d600");
        let until200: Vec<i64> = (0..=50).map(|i| i * 4).collect();
        assert_eq!(shown(&until200, &[(0, 400)]), "o200 d400 -600");
        assert_eq!(shown(&until200, &[]), "o200 -600");
    }

    #[test]
    fn a_long_time_without_a_frame_was_not_watched() {
        let mut seen: Vec<i64> = (0..=25).map(|i| i * 4).collect();
        seen.extend((0..=110).map(|i| 160 + i * 4));
        assert_eq!(shown(&seen, &[(0, 600)]), "o100 d160 o600");
    }

    #[test]
    fn what_was_seen_before_and_after_the_span_does_not_matter() {
        let seen: Vec<i64> = (-20..=200).map(|i| i * 4).collect();
        assert_eq!(shown(&seen, &[]), "o600");
    }
}
