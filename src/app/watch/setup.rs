//! What one camera's watching is told by the configuration.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::alerts::Decider;
use crate::archive::Look;
use crate::base::StreamKind;
use crate::camera::{Need, Pace, SourceSpec};
use crate::config;
use crate::decode::Pictures;
use crate::infer::{AnalyticsProfile, Class};
use crate::rules::{RuleId, RuleKind, RuleSpec};

use super::models::Models;
use crate::app::chain::without_models;

/// Least time between two looks at a camera that is watched by its keyframes alone.
const KEYFRAMES_LEAST: f32 = 0.1;

/// Often enough to meet every keyframe of usual streams.
const EVERY_KEYFRAME: Duration = Duration::from_millis(900);

/// How much the compressed stream says of what moves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Word {
    /// What calm looks like is not known yet.
    Learning,
    /// Or nobody should rely on it now.
    Little,
    Enough,
}

pub(super) struct Setup {
    pub rules: Vec<RuleSpec>,
    /// Run on every analysed frame.
    pub models: Arc<[String]>,
    /// Whether faces are looked for closer when there is time.
    pub closer: bool,
    /// Whether rules are told of moving areas.
    pub motion: bool,
    /// Whether rules are told what pictures say of the camera itself.
    pub tamper: bool,
    /// Whether rules are told of what stands.
    pub standing: bool,
    pub pictures: Pictures,
    pub need: Need,
    /// Footage played as fast as it can be analysed: nothing of it is left out.
    pub fast: bool,
    /// With what is looked at what, as it is kept beside what was seen.
    pub seen_by: Arc<Look>,
    /// What decides, by rule.
    pub deciders: BTreeMap<RuleId, Arc<Decider>>,
    /// Whether pictures are looked at at all. If not, only the stream's ups and downs are followed.
    pub looks: bool,
}

/// A camera's rules as they are watched for: moving areas stand in for what a model that is not here would find.
pub fn in_force(rules: &[RuleSpec], profile: &AnalyticsProfile, models: Option<&Models>) -> Vec<RuleSpec> {
    let here = models.map(|m| m.of(profile)).unwrap_or_default();
    match models {
        Some(_) if here.len() == profile.models.len() && !here.is_empty() => rules.to_vec(),
        Some(all) => without_models(rules, &all.found_by(&here)),
        None => without_models(rules, &[]),
    }
}

impl Setup {
    pub fn new(camera: &config::Camera, profile: &AnalyticsProfile, models: Option<&Models>) -> Setup {
        let here = models.map(|m| m.of(profile)).unwrap_or_default();
        let rules = in_force(&camera.rules, profile, models);
        let rules_want_faces = rules.iter().any(|r| r.classes.contains(&Class::Face));
        // Rules over moving areas need them, whatever the profile says.
        let motion = profile.motion || rules.iter().any(|r| r.classes.contains(&Class::Motion));
        let fps = camera.fps.unwrap_or(profile.fps).max(0.1);
        let analysed = camera.spec.sub.as_ref().unwrap_or(&camera.spec.main);
        let fast = matches!(analysed.source, SourceSpec::Files { pace: Pace::AsFastAsPossible, .. });
        let pictures = if fast { Pictures::Follow } else { camera.decode };
        let look_every = match pictures {
            Pictures::Keyframes => Duration::from_secs_f32((1.0 / fps).max(KEYFRAMES_LEAST)),
            Pictures::Auto | Pictures::Follow => profile.look_every,
        };
        let tamper = rules.iter().any(|r| matches!(r.kind, RuleKind::Tamper { .. }));
        let standing = rules.iter().any(|r| r.kind.wants_standing());
        let stream = if camera.spec.sub.is_some() { StreamKind::Sub } else { StreamKind::Main };
        let used = models.map(|m| m.refs(&here)).unwrap_or_default();
        let decider = |rule: &RuleSpec| {
            Arc::new(Decider::new(config::rule_text(rule), stream, used.clone(), env!("CARGO_PKG_VERSION")))
        };
        let mut classes = models.map(|m| m.found_by(&here)).unwrap_or_default();
        classes.extend(motion.then_some(Class::Motion));
        Setup {
            deciders: rules.iter().map(|rule| (rule.id.clone(), decider(rule))).collect(),
            seen_by: Arc::new(Look {
                stream,
                models: used,
                classes,
                program: env!("CARGO_PKG_VERSION").into(),
            }),
            rules,
            tamper,
            standing,
            looks: motion || tamper || standing || !here.is_empty(),
            models: here.into(),
            closer: profile.closer && rules_want_faces,
            motion,
            pictures,
            need: Need { look_every, fps },
            fast,
        }
    }

    /// What is needed with what the compressed stream says: where it is not understood yet, and where it says
    /// little, looks have to do its work.
    pub fn need(&self, word: Word) -> Need {
        let look_every = match word {
            _ if self.pictures != Pictures::Auto => self.need.look_every,
            Word::Learning => self.need.look_every.min(EVERY_KEYFRAME),
            Word::Little => self.need.look_every / 2,
            Word::Enough => self.need.look_every,
        };
        Need { look_every, ..self.need }
    }
}
