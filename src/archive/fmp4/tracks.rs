//! Sample entries and track boxes, for segment files and exports alike.

use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use bytes::Bytes;
use h264_reader::nal::sps::{ChromaFormat, SeqParameterSet};
use h264_reader::rbsp::{BitReader, decode_nal};
use shiguredo_mp4::boxes::{
    AudioSampleEntryFields, Avc1Box, AvccBox, DinfBox, EdtsBox, EsdsBox, HdlrBox, Hvc1Box, HvccBox, MdhdBox,
    MdiaBox, MediaHeader, MinfBox, Mp4aBox, MvhdBox, SampleEntry, SmhdBox, StblBox, TkhdBox, TrakBox,
    VisualSampleEntryFields, VmhdBox,
};
use shiguredo_mp4::descriptors::{
    DecoderConfigDescriptor, DecoderSpecificInfo, EsDescriptor, SlConfigDescriptor,
};
use shiguredo_mp4::{Decode, Encode, FixedPointNumber, LanguageCode, Mp4FileTime, Uint};

use super::{AUDIO_TRACK, TIMESCALE, VIDEO_TRACK, put_box};
use crate::base::Wall;
use crate::media::{AudioParams, Codec, VideoParams};

/// 90 kHz.
pub fn timescale() -> NonZeroU32 {
    NonZeroU32::new(TIMESCALE).expect("invariant: 90000 is not zero")
}

pub fn file_time(at: Wall) -> Mp4FileTime {
    Mp4FileTime::from_unix_time(Duration::from_micros(at.micros().max(0) as u64))
}

/// The sample entry of a video stream. `Err` says what is wrong with its configuration record.
pub fn video_entry(p: &VideoParams) -> Result<SampleEntry, String> {
    let visual = VisualSampleEntryFields {
        data_reference_index: NonZeroU16::MIN,
        width: p.width,
        height: p.height,
        horizresolution: VisualSampleEntryFields::DEFAULT_HORIZRESOLUTION,
        vertresolution: VisualSampleEntryFields::DEFAULT_VERTRESOLUTION,
        frame_count: VisualSampleEntryFields::DEFAULT_FRAME_COUNT,
        compressorname: VisualSampleEntryFields::NULL_COMPRESSORNAME,
        depth: VisualSampleEntryFields::DEFAULT_DEPTH,
    };
    let mut record = Vec::with_capacity(p.config.len() + 8);
    let broken = |e: shiguredo_mp4::Error| format!("bad {} configuration record: {e}", p.codec.as_str());
    match p.codec {
        Codec::H264 => {
            put_box(&mut record, b"avcC", &p.config);
            let (mut avcc_box, _) = AvccBox::decode(&record).map_err(broken)?;
            complete(&mut avcc_box)?;
            Ok(SampleEntry::Avc1(Avc1Box { visual, avcc_box, unknown_boxes: vec![] }))
        }
        Codec::H265 => {
            put_box(&mut record, b"hvcC", &p.config);
            let (hvcc_box, _) = HvccBox::decode(&record).map_err(broken)?;
            Ok(SampleEntry::Hvc1(Hvc1Box { visual, hvcc_box, unknown_boxes: vec![] }))
        }
        Codec::Aac => Err("AAC is not a video codec".into()),
    }
}

/// Records made from an SDP often end before the fields that ISO 14496-15 §5.3.3.1.2 adds for the High
/// profiles. Players do without them, but a record written must be whole: they are read from the SPS.
fn complete(avcc: &mut AvccBox) -> Result<(), String> {
    let short = avcc.chroma_format.is_none();
    if !short || matches!(avcc.avc_profile_indication, 66 | 77 | 88) {
        return Ok(());
    }
    let bad = |e: &dyn std::fmt::Debug| format!("bad h264 sequence parameter set: {e:?}");
    let nal = avcc.sps_list.first().ok_or("the h264 configuration record has no sequence parameter set")?;
    let rbsp = decode_nal(nal).map_err(|e| bad(&e))?;
    let sps = SeqParameterSet::from_bits(BitReader::new(rbsp.as_ref())).map_err(|e| bad(&e))?;
    let chroma = sps.chroma_info;
    let format = match chroma.chroma_format {
        ChromaFormat::Monochrome => 0,
        ChromaFormat::YUV420 => 1,
        ChromaFormat::YUV422 => 2,
        ChromaFormat::YUV444 => 3,
        ChromaFormat::Invalid(n) => {
            return Err(format!("bad h264 sequence parameter set: chroma format {n}"));
        }
    };
    // At most 14 bits (H.264 §7.4.2.1.1), so 3 bits hold the difference to 8.
    let depth = |minus8: u8| Some(Uint::new(minus8.min(6)));
    avcc.chroma_format = Some(Uint::new(format));
    avcc.bit_depth_luma_minus8 = depth(chroma.bit_depth_luma_minus8);
    avcc.bit_depth_chroma_minus8 = depth(chroma.bit_depth_chroma_minus8);
    Ok(())
}

/// The sample entry of an AAC stream (ISO 14496-14 §6.7).
pub fn audio_entry(p: &AudioParams) -> SampleEntry {
    SampleEntry::Mp4a(Mp4aBox {
        audio: AudioSampleEntryFields {
            data_reference_index: NonZeroU16::MIN,
            channelcount: p.channels,
            samplesize: AudioSampleEntryFields::DEFAULT_SAMPLESIZE,
            // 16.16 fixed point: rates of 64 kHz and more do not fit; the AudioSpecificConfig rules.
            samplerate: FixedPointNumber::new(u16::try_from(p.sample_rate).unwrap_or(0), 0),
        },
        esds_box: EsdsBox {
            es: EsDescriptor {
                es_id: EsDescriptor::MIN_ES_ID,
                stream_priority: EsDescriptor::LOWEST_STREAM_PRIORITY,
                depends_on_es_id: None,
                url_string: None,
                ocr_es_id: None,
                dec_config_descr: DecoderConfigDescriptor {
                    object_type_indication:
                        DecoderConfigDescriptor::OBJECT_TYPE_INDICATION_AUDIO_ISO_IEC_14496_3,
                    stream_type: DecoderConfigDescriptor::STREAM_TYPE_AUDIO,
                    up_stream: DecoderConfigDescriptor::UP_STREAM_FALSE,
                    buffer_size_db: Uint::new(0),
                    max_bitrate: 0,
                    avg_bitrate: 0,
                    dec_specific_info: Some(DecoderSpecificInfo { payload: p.config.to_vec() }),
                },
                sl_config_descr: SlConfigDescriptor,
            },
        },
        unknown_boxes: vec![],
    })
}

/// The parameters of a video stream, from its sample entry: the way back from [`video_entry`].
pub fn video_params(entry: &SampleEntry) -> Result<VideoParams, String> {
    let record = match entry {
        SampleEntry::Avc1(b) => b.avcc_box.encode_to_vec().map(|r| (Codec::H264, r)),
        SampleEntry::Hvc1(b) => b.hvcc_box.encode_to_vec().map(|r| (Codec::H265, r)),
        _ => return Err("its video is neither H.264 nor H.265".into()),
    };
    let (codec, record) = record.map_err(|e| format!("bad configuration record: {e}"))?;
    let (width, height) = picture_size(entry);
    // Behind the head of its box.
    let config = Bytes::from(record).slice(8..);
    Ok(VideoParams { codec, width, height, config, rfc6381: codecs_of(std::iter::once(entry)) })
}

/// Picture size of a video sample entry.
pub fn picture_size(entry: &SampleEntry) -> (u16, u16) {
    match entry {
        SampleEntry::Avc1(b) => (b.visual.width, b.visual.height),
        SampleEntry::Hvc1(b) => (b.visual.width, b.visual.height),
        _ => (0, 0),
    }
}

/// RFC 6381 codecs of all entries, joined by commas.
pub fn codecs_of<'a>(entries: impl Iterator<Item = &'a SampleEntry>) -> String {
    let list: Vec<String> = entries.filter_map(|e| e.rfc6381()).collect();
    list.join(",")
}

trait Rfc6381 {
    fn rfc6381(&self) -> Option<String>;
}

impl Rfc6381 for SampleEntry {
    fn rfc6381(&self) -> Option<String> {
        shiguredo_mp4::codec_string::from_sample_entry(self).ok()
    }
}

pub fn mvhd(at: Wall, duration: u64) -> MvhdBox {
    MvhdBox {
        creation_time: file_time(at),
        modification_time: file_time(at),
        timescale: timescale(),
        duration,
        rate: MvhdBox::DEFAULT_RATE,
        volume: MvhdBox::DEFAULT_VOLUME,
        matrix: MvhdBox::DEFAULT_MATRIX,
        next_track_id: AUDIO_TRACK + 1,
    }
}

/// A track around its sample tables. `duration` in 90 kHz ticks, 0 in a fragmented file.
pub fn trak(stbl_box: StblBox, at: Wall, duration: u64, edts_box: Option<EdtsBox>) -> TrakBox {
    let entry = stbl_box.stsd_box.entries.first();
    let audio = matches!(entry, Some(SampleEntry::Mp4a(_)));
    let (width, height) = entry.map(picture_size).unwrap_or_default();
    let fixed = |v: u16| FixedPointNumber::new(v.min(i16::MAX as u16) as i16, 0);
    TrakBox {
        tkhd_box: TkhdBox {
            flag_track_enabled: true,
            flag_track_in_movie: true,
            flag_track_in_preview: false,
            flag_track_size_is_aspect_ratio: false,
            creation_time: file_time(at),
            modification_time: file_time(at),
            track_id: if audio { AUDIO_TRACK } else { VIDEO_TRACK },
            duration,
            layer: TkhdBox::DEFAULT_LAYER,
            alternate_group: TkhdBox::DEFAULT_ALTERNATE_GROUP,
            volume: if audio { TkhdBox::DEFAULT_AUDIO_VOLUME } else { TkhdBox::DEFAULT_VIDEO_VOLUME },
            matrix: TkhdBox::DEFAULT_MATRIX,
            width: fixed(width),
            height: fixed(height),
        },
        edts_box,
        mdia_box: MdiaBox {
            mdhd_box: MdhdBox {
                creation_time: file_time(at),
                modification_time: file_time(at),
                timescale: timescale(),
                duration,
                language: LanguageCode::UNDEFINED,
            },
            hdlr_box: HdlrBox {
                handler_type: if audio { HdlrBox::HANDLER_TYPE_SOUN } else { HdlrBox::HANDLER_TYPE_VIDE },
                name: vec![0],
            },
            minf_box: MinfBox {
                media_header: Some(if audio {
                    MediaHeader::Smhd(SmhdBox::default())
                } else {
                    MediaHeader::Vmhd(VmhdBox::default())
                }),
                dinf_box: DinfBox::LOCAL_FILE,
                stbl_box,
                unknown_boxes: vec![],
            },
            unknown_boxes: vec![],
        },
        unknown_boxes: vec![],
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use shiguredo_mp4::Encode;

    use super::*;

    #[test]
    fn a_record_without_the_high_profile_fields_is_completed_from_its_sps() {
        // High profile, 4:2:0, 8 bits, 320x240; made with x264, its record cut after the PPS.
        let sps = [
            0x67u8, 0x64, 0x00, 0x0d, 0xac, 0xd9, 0x41, 0x41, 0xfb, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10,
            0x00, 0x00, 0x03, 0x03, 0x20, 0xf1, 0x42, 0x99, 0x60,
        ];
        let pps = [0x68u8, 0xeb, 0xe3, 0xcb, 0x22, 0xc0];
        let mut config = vec![1, sps[1], sps[2], sps[3], 0xff, 0xe1, 0, sps.len() as u8];
        config.extend_from_slice(&sps);
        config.extend_from_slice(&[1, 0, pps.len() as u8]);
        config.extend_from_slice(&pps);
        let params = VideoParams {
            codec: Codec::H264,
            width: 320,
            height: 240,
            config: Bytes::from(config),
            rfc6381: "avc1.64000D".into(),
        };
        let SampleEntry::Avc1(entry) = video_entry(&params).unwrap() else { panic!("no avc1") };
        assert_eq!(entry.avcc_box.chroma_format.map(Uint::get), Some(1));
        assert!(entry.encode_to_vec().is_ok());
    }
}
