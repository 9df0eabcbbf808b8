//! AAC in RTP, mode AAC-hbr (RFC 3640 §3.3.6): whole frames, several to a packet, or one in fragments.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use crate::ingest::source::SourceUnit;
use crate::media::Params;

use super::odd::Odd;
use super::rtp::{Packet, Times};

/// Sizes are 13 bits long.
const MAX_FRAME: usize = 1 << 13;

/// One sound stream.
#[derive(Debug)]
pub struct Aac {
    params: Arc<Params>,
    /// Samples of one frame: ticks of its clock.
    frame: i64,
    /// Time, size and bytes so far of a frame in fragments.
    part: Option<(u32, usize, Vec<u8>)>,
    lost: u32,
}

impl Aac {
    /// `params` must be those of sound.
    pub fn new(params: Arc<Params>) -> Self {
        // GASpecificConfig begins with frameLengthFlag (ISO 14496-3 §4.4.1), behind 13 bits.
        let short = match &*params {
            Params::Audio(a) => a.config.get(1).is_some_and(|b| b & 4 != 0),
            Params::Video(_) => false,
        };
        Aac { params, frame: if short { 960 } else { 1024 }, part: None, lost: 0 }
    }

    /// Takes the next packet in order; frames that are whole by now go to `out`.
    pub fn take(
        &mut self,
        packet: &Packet<'_>,
        missing: u16,
        times: &mut Times,
        out: &mut VecDeque<SourceUnit>,
    ) -> Result<(), Odd> {
        self.lost += u32::from(missing);
        if missing > 0 {
            self.part = None;
        }
        let ticks = times.ticks(packet.timestamp);
        let (bits, rest) = packet.payload.split_first_chunk::<2>().ok_or(CUT)?;
        let headers = usize::from(u16::from_be_bytes(*bits)).div_ceil(8);
        let (headers, mut rest) = rest.split_at_checked(headers).ok_or(CUT)?;
        let (headers, []) = headers.as_chunks::<2>() else { return Err(CUT) };
        for (n, header) in headers.iter().enumerate() {
            let header = u16::from_be_bytes(*header);
            if header & 7 != 0 {
                return Err(Odd::Unsupported("interleaved AAC frames"));
            }
            let size = usize::from(header >> 3);
            if let Some(frame) = rest.get(..size) {
                rest = &rest[size..];
                self.part = None;
                self.give(frame.into(), times.pts(ticks + n as i64 * self.frame), out);
            } else if headers.len() == 1 {
                self.take_part(packet.timestamp, size, rest);
            } else {
                return Err(CUT);
            }
        }
        let whole = self.part.take_if(|(_, size, bytes)| bytes.len() >= *size);
        if let Some((_, size, mut bytes)) = whole {
            bytes.truncate(size);
            self.give(bytes, times.pts(ticks), out);
        }
        Ok(())
    }

    fn take_part(&mut self, timestamp: u32, size: usize, bytes: &[u8]) {
        match &mut self.part {
            Some((at, of, so_far)) if (*at, *of) == (timestamp, size) && so_far.len() <= MAX_FRAME => {
                so_far.extend_from_slice(bytes);
            }
            part => *part = Some((timestamp, size, bytes.to_vec())),
        }
    }

    fn give(&mut self, frame: Vec<u8>, pts: i64, out: &mut VecDeque<SourceUnit>) {
        out.push_back(SourceUnit {
            pts,
            dts: None,
            key: true,
            lost_before: std::mem::take(&mut self.lost),
            params: self.params.clone(),
            data: Bytes::from(frame),
        });
    }
}

const CUT: Odd = Odd::Malformed("an AAC packet that does not add up");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::params;
    use std::num::NonZeroU32;

    fn check(packets: &[(u32, u16, &[u8])], expected: &[(i64, u32, &[u8])], odd: Option<Odd>) {
        let config = params::audio(Bytes::from_static(&[0x15, 0x88])).unwrap();
        let mut aac = Aac::new(Arc::new(Params::Audio(config)));
        let mut times = Times::new(NonZeroU32::new(9_000).unwrap(), None);
        let (mut out, mut last) = (VecDeque::new(), Ok(()));
        for &(timestamp, missing, payload) in packets {
            let packet =
                Packet { marker: true, payload_type: 97, sequence: 0, timestamp, source: 1, payload };
            last = aac.take(&packet, missing, &mut times, &mut out);
        }
        let seen: Vec<(i64, u32, &[u8])> = out.iter().map(|u| (u.pts, u.lost_before, &u.data[..])).collect();
        assert_eq!((&seen[..], last.err()), (expected, odd));
    }

    #[test]
    fn frames_come_alone_together_and_in_fragments() {
        check(&[(5, 0, &[0, 16, 0, 16, 1, 2])], &[(0, 0, &[1, 2])], None);
        check(&[(5, 0, &[0, 32, 0, 8, 0, 16, 1, 2, 3])], &[(0, 0, &[1]), (10_240, 0, &[2, 3])], None);
        check(
            &[(5, 0, &[0, 16, 0, 32, 1, 2]), (5, 0, &[0, 16, 0, 32, 3, 4]), (6, 0, &[0, 16, 0, 8, 9])],
            &[(0, 0, &[1, 2, 3, 4]), (10, 0, &[9])],
            None,
        );
    }

    #[test]
    fn loss_takes_the_fragments_with_it() {
        check(&[(5, 0, &[0, 16, 0, 32, 1, 2]), (6, 2, &[0, 16, 0, 8, 9])], &[(10, 2, &[9])], None);
    }

    #[test]
    fn what_does_not_add_up_or_is_interleaved_is_said() {
        check(
            &[(5, 0, &[0, 32, 0, 8, 0, 99, 1])],
            &[(0, 0, &[1])],
            Some(Odd::Unsupported("interleaved AAC frames")),
        );
        check(&[(5, 0, &[0, 32, 0, 8, 0, 96, 1])], &[(0, 0, &[1])], Some(CUT));
        check(&[(5, 0, &[0])], &[], Some(CUT));
        check(&[(5, 0, &[0, 24, 0, 8, 1])], &[], Some(CUT));
    }
}
