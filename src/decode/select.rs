//! Choosing the decoder element.

use gstreamer as gst;
use gstreamer::prelude::*;

use super::error::Error;
use super::settings::Profile;
use crate::base::CameraId;
use crate::media::Codec;

/// A decoder element in state READY, so that its hardware, if any, has answered.
///
/// The profile's elements in their order, or all decoders of the codec by GStreamer's rank, in
/// which hardware stands in front of software.
pub(super) fn decoder(
    camera: &CameraId,
    codec: Codec,
    caps: &gst::Caps,
    profile: &Profile,
) -> Result<gst::Element, Error> {
    let wanted = profile.elements(codec);
    let factories = if wanted.is_empty() {
        by_rank(caps)
    } else {
        wanted.iter().filter_map(|name| gst::ElementFactory::find(name)).collect()
    };
    let mut tried = Vec::new();
    for factory in factories {
        if let Some(element) = ready(&factory, profile.threads) {
            return Ok(element);
        }
        tried.push(factory.name().to_string());
    }
    tried.extend(wanted.iter().filter(|w| gst::ElementFactory::find(w).is_none()).cloned());
    Err(Error::NoDecoder {
        camera: camera.clone(),
        codec: codec.as_str(),
        tried: if tried.is_empty() { "nothing to try".into() } else { tried.join(", ") },
        profile: profile.name.clone(),
    })
}

/// Name of the element that would decode a stream of `codec` here.
pub fn available(codec: Codec, profile: &Profile) -> Result<String, Error> {
    gst::init().map_err(Error::Gstreamer)?;
    let caps = gst::Caps::builder(format!("video/x-{}", codec.as_str())).build();
    let nobody = CameraId::new("any-camera").expect("invariant: a well-formed id");
    let element = decoder(&nobody, codec, &caps, profile)?;
    let name = element.factory().map(|f| f.name().to_string()).unwrap_or_default();
    // An element must not be dropped in another state than NULL.
    let _ = element.set_state(gst::State::Null);
    Ok(name)
}

fn by_rank(caps: &gst::Caps) -> Vec<gst::ElementFactory> {
    let kind = gst::ElementFactoryType::DECODER | gst::ElementFactoryType::MEDIA_VIDEO;
    let mut found: Vec<_> = gst::ElementFactory::factories_with_type(kind, gst::Rank::MARGINAL)
        .into_iter()
        .filter(|f| f.can_sink_any_caps(caps))
        .collect();
    found.sort_by_key(|f| std::cmp::Reverse(f.rank()));
    found
}

fn ready(factory: &gst::ElementFactory, threads: u32) -> Option<gst::Element> {
    let element = factory.create().build().ok()?;
    // libav's names; hardware decoders have neither.
    if element.has_property("max-threads") {
        element.set_property("max-threads", threads as i32);
    }
    if element.has_property("std-compliance") {
        // `strict`, which a pipeline without a live source gets, holds back as many pictures as
        // the profile allows (up to 16) where the stream does not say how many it reorders.
        element.set_property_from_str("std-compliance", "normal");
    }
    if element.set_state(gst::State::Ready).is_err() {
        let _ = element.set_state(gst::State::Null);
        return None;
    }
    Some(element)
}
