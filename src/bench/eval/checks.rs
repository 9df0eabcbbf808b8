//! What a truth file must keep to: a slip of the pen would count as a fault of the model.

use std::collections::BTreeSet;
use std::path::{Component, Path};

use anyhow::{Context, ensure};

use super::facts::loiter_id;
use super::truth::{ClipTruth, Events, FrameTruth, Frames};

/// Boxes may reach a little beyond the picture: whoever drew them went by what is hidden there.
const BEYOND: f32 = 0.1;
/// A day: what is longer is no clip.
const LONGEST_S: f64 = 86_400.0;

/// # Errors
/// Names the clip and what of it cannot be.
pub fn events(events: &Events) -> anyhow::Result<()> {
    ensure!(is_time(events.tolerance_s), "tolerance_s = {} must be seconds, 0 or more", events.tolerance_s);
    let mut files = BTreeSet::new();
    for clip in &events.clips {
        for file in &clip.files {
            is_below(file)?;
            ensure!(files.insert(file), "{file} is named twice: give a clip all its truth in one entry");
        }
        self::clip(clip).with_context(|| format!("the clip {}", clip.files.join(", ")))?;
    }
    Ok(())
}

/// # Errors
/// Names the frame whose box cannot be.
pub fn frames(frames: &Frames) -> anyhow::Result<()> {
    for FrameTruth { file, frame, boxes, ignore } in &frames.frames {
        is_below(file)?;
        for bbox @ [x1, y1, x2, y2] in boxes.iter().chain(ignore) {
            let inside = bbox.iter().all(|v| (-BEYOND..=1.0 + BEYOND).contains(v));
            ensure!(
                inside && x1 < x2 && y1 < y2,
                "{file}, frame {frame}: {bbox:?} must be left, top, right, bottom as fractions of the picture"
            );
        }
    }
    Ok(())
}

fn clip(clip: &ClipTruth) -> anyhow::Result<()> {
    ensure!(!clip.files.is_empty(), "it names no files");
    let mut ids = BTreeSet::from(["anybody".to_owned(), "face".to_owned()]);
    let mut own = |id: String| {
        ensure!(ids.insert(id.clone()), "'{id}' is there twice, or a name that has a meaning of its own");
        Ok(())
    };
    for line in &clip.line_crossings {
        own(line.name.clone())?;
        let [a, b] = line.line;
        let inside = a.iter().chain(&b).all(|v| (0.0..=1.0).contains(v));
        ensure!(
            inside && a != b,
            "line '{}': {:?} must be two points, as fractions of the picture",
            line.name,
            line.line
        );
        for (way, t) in line.crossings() {
            ensure!(is_time(t), "line '{}': t = {t} must be seconds from the first frame", line.name);
            let across = (b[0] - a[0]) * way[1] - (b[1] - a[1]) * way[0];
            ensure!(
                across != 0.0,
                "line '{}': the crossing at {t} goes along the line, which has no such side",
                line.name
            );
        }
    }
    for zone in &clip.zones {
        own(zone.name.clone())?;
        for [from, to] in &zone.occupied {
            ensure!(
                is_time(*from) && is_time(*to) && from < to,
                "zone '{}': occupied [{from}, {to}] must be seconds from the first frame, and rise",
                zone.name
            );
        }
    }
    for truth in &clip.loitering {
        own(loiter_id(truth))?;
        ensure!(
            is_time(truth.threshold_s) && truth.threshold_s > 0.0,
            "loitering in '{}': threshold_s = {} must be seconds, more than 0",
            truth.zone,
            truth.threshold_s
        );
    }
    Ok(())
}

fn is_time(seconds: f64) -> bool {
    (0.0..=LONGEST_S).contains(&seconds)
}

fn is_below(file: &str) -> anyhow::Result<()> {
    let plain = !file.is_empty() && Path::new(file).components().all(|c| matches!(c, Component::Normal(_)));
    ensure!(plain, "'{file}' must be the name of a file below footage/");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: &str = r#"{"tolerance_s": 0.7, "clips": [{"files": ["gate.mp4"], "fps": 12, "distinct_people": 1,
        "line_crossings": [{"name": "entry", "anchor": "foot", "line": [[0, 0.8], [1, 0.8]], "upward": [{"t": 2.92}]}],
        "zones": [{"name": "yard", "anchor": "foot", "polygon": [[0, 0], [1, 0], [1, 1]], "occupied": [[1, 2.5]]}],
        "loitering": [{"zone": "yard", "threshold_s": 2, "alerts": 1}]}]}"#;
    const FRAMES: &str = r#"{"frames": [{"file": "gate.mp4", "frame": 30, "persons": [[0.38, 0.33, 0.51, 1.02]], "ignore": []}]}"#;

    #[test]
    fn a_slip_in_a_truth_file_is_told_with_its_clip_and_field() {
        let check = |text: &str| events(&serde_json::from_str(text).unwrap()).map_err(|e| format!("{e:#}"));
        assert_eq!(check(EVENTS), Ok(()));
        for (from, to, told) in [
            ("0.7", "-1", "tolerance_s = -1 must be"),
            ("\"gate.mp4\"]", "\"gate.mp4\", \"gate.mp4\"]", "gate.mp4 is named twice"),
            ("\"gate.mp4\"]", "\"../gate.mp4\"]", "'../gate.mp4' must be the name of a file below"),
            ("\"gate.mp4\"]", "]", "it names no files"),
            ("\"yard\", \"anchor\"", "\"entry\", \"anchor\"", "the clip gate.mp4: 'entry' is there twice"),
            ("\"yard\", \"anchor\"", "\"face\", \"anchor\"", "'face' is there twice, or a name"),
            ("[1, 0.8]]", "[768, 346]]", "line 'entry': [[0.0, 0.8], [768.0, 346.0]] must be two points"),
            ("[1, 0.8]]", "[0, 0.8]]", "line 'entry'"),
            ("2.92", "-2.92", "line 'entry': t = -2.92 must be seconds"),
            ("upward", "leftward", "line 'entry': the crossing at 2.92 goes along the line"),
            ("[1, 2.5]", "[2.5, 1]", "zone 'yard': occupied [2.5, 1] must be"),
            ("\"threshold_s\": 2", "\"threshold_s\": -3", "loitering in 'yard': threshold_s = -3 must be"),
            ("\"threshold_s\": 2", "\"threshold_s\": 1e30", "loitering in 'yard'"),
        ] {
            assert!(EVENTS.contains(from), "{from}");
            let said = check(&EVENTS.replacen(from, to, 1)).unwrap_err();
            assert!(said.contains(told), "{said}");
        }
        let twice = EVENTS.replace(
            "\"alerts\": 1}",
            "\"alerts\": 1}, {\"zone\": \"hall\", \"threshold_s\": 2, \"alerts\": 0}",
        );
        assert_eq!(check(&twice), Ok(()), "two zones may share a threshold");
    }

    #[test]
    fn a_box_that_cannot_be_is_told_with_its_frame() {
        let check = |text: &str| frames(&serde_json::from_str(text).unwrap()).map_err(|e| e.to_string());
        assert_eq!(check(FRAMES), Ok(()));
        for bbox in ["[292, 143, 392, 393]", "[0.51, 0.33, 0.38, 0.91]", "[0.38, 0.5, 0.51, 0.5]"] {
            let said = check(&FRAMES.replace("[0.38, 0.33, 0.51, 1.02]", bbox)).unwrap_err();
            assert!(said.starts_with("gate.mp4, frame 30: ["), "{said}");
        }
    }
}
