//! Access units of H.264 and H.265 from the packets of one stream.
//!
//! A unit ends with the marker, or with the first packet of another time (RFC 6184 §5.1, RFC 7798
//! §4.1), but never behind NAL units that can only stand before a picture: some cameras set the
//! marker, or change the time, after parameter sets. Parameter sets leave the stream for
//! [`Params`]. What is torn by loss is left out whole; a unit whose beginning may be lost is given out
//! if it begins with a NAL unit.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::BytesMut;

use crate::ingest::source::SourceUnit;
use crate::media::h26x::is_random_access;
use crate::media::{Codec, Params};

use super::odd::Odd;
use super::rtp::Packet;
use super::sets::{Sets, is_set};
use super::{h264, h265};

/// A part of a NAL unit, as packets carry it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    Whole(&'a [u8]),
    Fragment {
        /// Of the whole NAL unit.
        header: [u8; 2],
        header_len: usize,
        first: bool,
        last: bool,
        body: &'a [u8],
    },
}

/// A packet's place in its stream.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// 90 kHz, from the session's begin.
    pub pts: i64,
    /// Packets that are missing before it.
    pub missing: u16,
    /// Bytes that were read together from this packet on: what a unit that begins here may need.
    pub room: usize,
}

/// One video stream.
#[derive(Debug)]
pub struct Video {
    codec: Codec,
    sets: Sets,
    params: Option<Arc<Params>>,
    /// Room for the next unit. Units that were read together lie in one allocation: they are written
    /// to disk, and let go, together as well.
    chunk: BytesMut,
    /// Largest access unit, bytes.
    limit: usize,
    open: Option<Unit>,
    /// The time of a torn unit, the rest of which is passed over.
    torn: Option<u32>,
    /// Missing before the next unit but not yet told.
    lost: u32,
    begun: bool,
}

/// An access unit of which more is to come.
#[derive(Debug)]
struct Unit {
    timestamp: u32,
    pts: i64,
    data: BytesMut,
    /// Place of the length of the NAL unit of which a fragment is still missing.
    fragment: Option<usize>,
    /// First byte of the last NAL unit.
    last: Option<u8>,
}

impl Video {
    /// `sets`: those of the session description, maybe none.
    pub fn new(codec: Codec, sets: Sets, limit: usize) -> Self {
        Video {
            codec,
            sets,
            params: None,
            chunk: BytesMut::new(),
            limit,
            open: None,
            torn: None,
            lost: 0,
            begun: false,
        }
    }

    /// Takes the next packet in order; units that are whole by now go to `out`.
    pub fn take(
        &mut self,
        packet: &Packet<'_>,
        place: Place,
        out: &mut VecDeque<SourceUnit>,
    ) -> Result<(), Odd> {
        self.lost += u32::from(place.missing);
        // The first packet of all may be from the middle of a unit.
        let gap = place.missing > 0 || !std::mem::replace(&mut self.begun, true);
        let result = self.take_placed(packet, place, gap, out);
        if result.is_err() {
            self.lost += 1;
            self.tear(packet.timestamp);
        }
        result
    }

    fn tear(&mut self, timestamp: u32) {
        self.open = None;
        self.torn = Some(timestamp);
    }

    fn take_placed(
        &mut self,
        packet: &Packet<'_>,
        place: Place,
        gap: bool,
        out: &mut VecDeque<SourceUnit>,
    ) -> Result<(), Odd> {
        let timestamp = packet.timestamp;
        // RFC 6184 §5.8: when a packet is lost, what hangs together with it is useless.
        if gap && self.open.take().is_some_and(|unit| unit.timestamp == timestamp) {
            self.torn = Some(timestamp);
        }
        if self.torn == Some(timestamp) {
            return Ok(());
        }
        self.torn = None;
        if let Some(unit) = self.open.take_if(|unit| unit.timestamp != timestamp) {
            self.change_of_time(unit, timestamp, place.pts, out)?;
        }
        let chunk = &mut self.chunk;
        let unit = self.open.get_or_insert_with(|| Unit::new(timestamp, place.pts, std::mem::take(chunk)));
        let (codec, sets) = (self.codec, &mut self.sets);
        let limit = self.limit;
        let mut headless = false;
        let mut take = |piece: Piece<'_>| {
            if unit.data.len() > limit {
                return Err(Odd::TooLarge(unit.data.len()));
            }
            headless |= unit.take(codec, piece, place.room, sets)?;
            Ok(())
        };
        match codec {
            Codec::H265 => h265::pieces(packet.payload, &mut take)?,
            _ => h264::pieces(packet.payload, &mut take)?,
        }
        if headless {
            if !gap {
                return Err(Odd::Malformed("a fragment without its beginning"));
            }
            self.tear(timestamp);
        } else if packet.marker {
            if unit.fragment.is_some() {
                return Err(Odd::Malformed("the access unit ends within a NAL unit"));
            }
            if let Some(unit) = self.open.take_if(|unit| unit.can_end(codec)) {
                self.finish(unit, out)?;
            }
        }
        Ok(())
    }

    /// A packet of another time, while `unit` is open.
    fn change_of_time(
        &mut self,
        mut unit: Unit,
        timestamp: u32,
        pts: i64,
        out: &mut VecDeque<SourceUnit>,
    ) -> Result<(), Odd> {
        if unit.fragment.is_some() {
            // Its last fragment was never sent. The new unit is well.
            self.lost += 1;
        } else if unit.can_end(self.codec) {
            self.finish(unit, out)?;
        } else {
            (unit.timestamp, unit.pts) = (timestamp, pts);
            self.open = Some(unit);
        }
        Ok(())
    }

    fn finish(&mut self, unit: Unit, out: &mut VecDeque<SourceUnit>) -> Result<(), Odd> {
        if let Some(params) = self.sets.changed()? {
            self.params = Some(params);
        }
        // Without parameters nobody can make anything of it; they come with the next keyframe.
        let Some(params) = self.params.clone() else { return Ok(()) };
        let mut data = unit.data;
        let whole = data.split().freeze();
        self.chunk = data;
        out.push_back(SourceUnit {
            pts: unit.pts,
            dts: None,
            key: is_random_access(self.codec, &whole),
            lost_before: std::mem::take(&mut self.lost),
            params,
            data: whole,
        });
        Ok(())
    }
}

impl Unit {
    fn new(timestamp: u32, pts: i64, chunk: BytesMut) -> Self {
        Unit { timestamp, pts, data: chunk, fragment: None, last: None }
    }

    /// `true`: a fragment whose beginning is missing.
    #[inline]
    fn take(&mut self, codec: Codec, piece: Piece<'_>, room: usize, sets: &mut Sets) -> Result<bool, Odd> {
        match piece {
            Piece::Whole(nal) => {
                if self.fragment.is_some() {
                    return Err(Odd::Malformed("a NAL unit within a fragmented one"));
                }
                self.last = nal.first().copied();
                check_start_codes(codec, nal)?;
                if is_set(codec, nal) {
                    sets.put(nal);
                    return Ok(false);
                }
                self.reserve(4 + nal.len(), room);
                self.data.extend_from_slice(&(nal.len() as u32).to_be_bytes());
                self.data.extend_from_slice(nal);
            }
            Piece::Fragment { header, header_len, first, last, body } => {
                let at = match (first, self.fragment) {
                    (true, Some(_)) => return Err(Odd::Malformed("a fragmented NAL unit within another")),
                    (false, None) => return Ok(true),
                    (false, Some(at)) => {
                        self.reserve(body.len(), room);
                        at
                    }
                    (true, None) => {
                        let at = self.data.len();
                        self.reserve(4 + header_len + body.len(), room);
                        self.data.extend_from_slice(&[0; 4]);
                        self.data.extend_from_slice(&header[..header_len]);
                        self.fragment = Some(at);
                        at
                    }
                };
                self.data.extend_from_slice(body);
                if last {
                    self.fragment = None;
                    self.end_fragmented(codec, at, sets)?;
                }
            }
        }
        Ok(false)
    }

    /// The NAL unit whose length stands at `at` is whole.
    fn end_fragmented(&mut self, codec: Codec, at: usize, sets: &mut Sets) -> Result<(), Odd> {
        let nal = &self.data[at + 4..];
        self.last = nal.first().copied();
        check_start_codes(codec, nal)?;
        if is_set(codec, nal) {
            sets.put(nal);
            self.data.truncate(at);
        } else {
            let len = nal.len() as u32;
            self.data[at..at + 4].copy_from_slice(&len.to_be_bytes());
        }
        Ok(())
    }

    /// Makes room for `bytes`: at once for all that was read, so that this happens once per read.
    #[inline]
    fn reserve(&mut self, bytes: usize, room: usize) {
        if self.data.capacity() - self.data.len() < bytes {
            let wanted = bytes.max(room).max(self.data.len() / 2);
            if self.data.is_empty() {
                self.data = BytesMut::with_capacity(wanted);
            } else {
                self.data.reserve(wanted);
            }
        }
    }

    /// Whether a unit may end with its last NAL unit: not with what H.264 §7.4.1.2.3 and H.265
    /// §7.4.2.4.4 put before the picture.
    fn can_end(&self, codec: Codec) -> bool {
        match (codec, self.last) {
            (_, None) => false,
            (Codec::H265, Some(b)) => !matches!(b >> 1 & 0x3f, 32..=35 | 39 | 41..=44 | 48..=55),
            (_, Some(b)) => !matches!(b & 0x1f, 6..=9),
        }
    }
}

/// Some cameras put several NAL units into one, with the start codes of a byte stream between them.
/// Such begin with parameter sets or the like, which are short: only those are searched.
fn check_start_codes(codec: Codec, nal: &[u8]) -> Result<(), Odd> {
    let is_slice = match (codec, nal.first()) {
        (Codec::H265, Some(b)) => b >> 1 & 0x3f < 32,
        (_, Some(b)) => (1..=5).contains(&(b & 0x1f)),
        (_, None) => false,
    };
    if !is_slice && nal.windows(3).any(|w| w == [0, 0, 1]) {
        return Err(Odd::Unsupported("start codes within NAL units"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPS: &[u8] =
        &[0x67, 0x42, 0xc0, 0x0a, 0xd9, 0x1e, 0x84, 0, 0, 3, 0, 4, 0, 0, 3, 0, 0xc8, 0x3c, 0x48, 0x99, 0x20];
    const PPS: &[u8] = &[0x68, 0xcb, 0x83, 0xcb, 0x20];

    /// Feeds packets written as `time[+missing][!]:bytes` (`!` is the marker) and gives the units as
    /// `pts/lost:bytes`.
    fn run(packets: &[(u32, u16, bool, &[u8])]) -> Vec<String> {
        let mut video = Video::new(Codec::H264, Sets::new(Codec::H264), 1000);
        let mut out = VecDeque::new();
        let mut seen = Vec::new();
        for &(timestamp, missing, marker, payload) in packets {
            let packet = Packet { marker, payload_type: 96, sequence: 0, timestamp, source: 1, payload };
            let place = Place { pts: i64::from(timestamp), missing, room: 64 };
            if let Err(odd) = video.take(&packet, place, &mut out) {
                seen.push(odd.to_string());
            }
            for u in out.drain(..) {
                seen.push(format!("{}/{}:{:02x?}", u.pts, u.lost_before, &u.data[..]));
            }
        }
        seen
    }

    fn check(packets: &[(u32, u16, bool, &[u8])], expected: &[&str]) {
        let sets = [(0, 0, false, SPS), (0, 0, false, PPS)];
        assert_eq!(run(&[&sets, packets].concat()), expected);
    }

    const IDR: &str = "0/0:[00, 00, 00, 02, 65, 80]";

    #[test]
    fn units_end_with_the_marker_or_a_new_time() {
        check(
            &[(0, 0, true, &[0x65, 0x80]), (1, 0, false, &[0x41, 1]), (2, 0, false, &[0x41, 2])],
            &[IDR, "1/0:[00, 00, 00, 02, 41, 01]"],
        );
    }

    #[test]
    fn nothing_ends_behind_parameter_sets() {
        // The marker on the PPS, and another time behind it.
        assert_eq!(
            run(&[(0, 0, false, SPS), (0, 0, true, PPS), (7, 0, true, &[0x65, 0x80])]),
            ["7/0:[00, 00, 00, 02, 65, 80]"]
        );
    }

    #[test]
    fn without_parameters_there_is_nothing() {
        assert!(run(&[(0, 0, true, &[0x65, 0x80])]).is_empty());
    }

    #[test]
    fn loss_takes_the_unit_it_is_in_and_is_told_with_the_next() {
        check(
            &[
                (0, 0, true, &[0x65, 0x80]),
                (1, 0, false, &[0x41, 1]),
                (1, 2, false, &[0x41, 1]),
                (1, 0, true, &[0x41, 1]),
                (2, 0, true, &[0x41, 2]),
                (3, 0, false, &[0x41, 3]),
                (4, 3, true, &[0x41, 4]),
            ],
            &[IDR, "2/2:[00, 00, 00, 02, 41, 02]", "4/3:[00, 00, 00, 02, 41, 04]"],
        );
    }

    #[test]
    fn fragments_are_put_together_and_lose_their_unit_when_one_is_missing() {
        check(
            &[
                (0, 0, false, &[0x7c, 0x85, 1]),
                (0, 0, false, &[0x7c, 0x05, 2]),
                (0, 0, true, &[0x7c, 0x45, 3]),
                (1, 0, false, &[0x5c, 0x81, 1]),
                (1, 1, true, &[0x5c, 0x41, 3]),
                (2, 1, true, &[0x5c, 0x41, 3]),
                (3, 0, true, &[0x41, 3]),
            ],
            &["0/0:[00, 00, 00, 04, 65, 01, 02, 03]", "3/2:[00, 00, 00, 02, 41, 03]"],
        );
    }

    #[test]
    fn a_torn_packet_costs_its_unit_and_is_said() {
        check(
            &[(0, 0, true, &[0x65, 0x80]), (1, 0, true, &[0x5c, 0x41, 3]), (2, 0, true, &[0x41, 2])],
            &[IDR, "a fragment without its beginning", "2/1:[00, 00, 00, 02, 41, 02]"],
        );
    }

    #[test]
    fn start_codes_and_endless_units_are_refused() {
        assert_eq!(run(&[(0, 0, false, &[0x67, 0x42, 0, 0, 1, 0x68])]), ["start codes within NAL units"]);
        let long = [0x41; 600];
        check(
            &[(0, 0, false, &long), (0, 0, false, &long), (0, 0, false, &long)],
            &["an access unit of more than 1208 bytes"],
        );
    }

    #[test]
    fn a_stream_joined_in_the_middle_begins_with_the_next_unit() {
        let joined = [(0, 0, true, &[0x7c, 0x45, 3][..]), (1, 0, false, SPS), (1, 0, false, PPS)];
        assert_eq!(
            run(&[&joined[..], &[(1, 0, true, &[0x65, 0x80])]].concat()),
            ["1/0:[00, 00, 00, 02, 65, 80]"]
        );
    }
}
