//! MOT text files (Milan et al. 2016, MOT16 §4): a box a line, `frame,id,left,top,width,height,score`,
//! frames from 1, pixels. In a truth file a score of 0 marks what is not to be judged. What follows the
//! score is not looked at.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;

use crate::media::BBox;

use super::truth::Truth;

/// Later frames are taken for a mistake: a tracker is stepped through every one of them.
const LAST_FRAME: u32 = 10_000_000;
const FORM: &str = "a line is frame,id,left,top,width,height,score: frames from 1, sizes in pixels";

/// A box and whose it is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Numbered {
    /// Of the thing in a truth file, of the track in what a tracker says.
    pub id: u64,
    /// In pixels.
    pub bbox: BBox,
}

/// A box and how sure the detector was.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Scored {
    /// In pixels.
    pub bbox: BBox,
    /// 0 to 1.
    pub score: f32,
}

/// What is in each frame, by frame number from 1. Frames with nothing in them may be absent.
pub type Sequence<T> = BTreeMap<u32, Vec<T>>;

/// Boxes with numbers, each number at most once in a frame. Their scores are not looked at.
///
/// # Errors
/// The file cannot be read, or a line is not of the form, has no number, or one that its frame has already.
pub fn tracks(path: &Path) -> anyhow::Result<Sequence<Numbered>> {
    let mut frames = Sequence::new();
    each_row(path, |row| add(&mut frames, &row))?;
    Ok(frames)
}

/// Boxes with numbers, those with a score of 0 apart.
///
/// # Errors
/// As [`tracks`].
pub fn truth(path: &Path) -> anyhow::Result<Truth> {
    let (mut all, mut truth) = (Sequence::new(), Truth::default());
    each_row(path, |row| {
        // A number stands once in a frame, judged or not.
        add(&mut all, &row)?;
        add(if row.score == 0.0 { &mut truth.ignored } else { &mut truth.counted }, &row)
    })?;
    Ok(truth)
}

fn add(frames: &mut Sequence<Numbered>, row: &Row) -> Result<(), String> {
    let id = u64::try_from(row.id)
        .map_err(|_| format!("the id {} is no track's; detections without ids go to --dets", row.id))?;
    let of_frame = frames.entry(row.frame).or_default();
    if of_frame.iter().any(|b| b.id == id) {
        return Err(format!("frame {} has id {id} already: leave one of the two out", row.frame));
    }
    of_frame.push(Numbered { id, bbox: row.bbox });
    Ok(())
}

/// Boxes with scores; their ids are not looked at.
///
/// # Errors
/// The file cannot be read, or a line is not of the form or has a score below 0 or above 1.
pub fn detections(path: &Path) -> anyhow::Result<Sequence<Scored>> {
    let mut frames: Sequence<Scored> = BTreeMap::new();
    each_row(path, |row| {
        if !(0.0..=1.0).contains(&row.score) {
            return Err(format!("the score {} does not lie between 0 and 1", row.score));
        }
        frames.entry(row.frame).or_default().push(Scored { bbox: row.bbox, score: row.score });
        Ok(())
    })?;
    Ok(frames)
}

struct Row {
    frame: u32,
    id: i64,
    bbox: BBox,
    score: f32,
}

fn each_row(path: &Path, mut take: impl FnMut(Row) -> Result<(), String>) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        if let Err(why) = row(line).and_then(&mut take) {
            anyhow::bail!("{}:{}: {why}", path.display(), i + 1);
        }
    }
    Ok(())
}

fn row(line: &str) -> Result<Row, String> {
    let fields: Vec<&str> = line.split(',').map(str::trim).collect();
    let [frame, id, left, top, width, height, score, ..] = fields[..] else {
        return Err(format!("{} of at least 7 values; {FORM}", fields.len()));
    };
    let number = |name: &str, text: &str| {
        let value: Option<f32> = text.parse().ok().filter(|v: &f32| v.is_finite());
        value.ok_or_else(|| format!("{name} '{text}' is not a number; {FORM}"))
    };
    let whole = |name: &str, text: &str| {
        text.parse::<i64>().map_err(|_| format!("{name} '{text}' is not a whole number; {FORM}"))
    };
    let frame = whole("frame", frame)?;
    let frame = u32::try_from(frame).ok().filter(|f| (1..=LAST_FRAME).contains(f)).ok_or_else(|| {
        format!("frame {frame} is not within 1 to {LAST_FRAME}; the first frame of a clip is 1")
    })?;
    let (left, top) = (number("left", left)?, number("top", top)?);
    let (width, height) = (number("width", width)?, number("height", height)?);
    if width <= 0.0 || height <= 0.0 {
        return Err(format!("a box of {width} by {height} is empty; {FORM}"));
    }
    let bbox = BBox::new(left, top, left + width, top + height);
    Ok(Row { frame, id: whole("id", id)?, bbox, score: number("score", score)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    fn refused(text: &str) -> String {
        let file = file(text);
        let error = tracks(file.path()).unwrap_err().to_string();
        let place = format!("{}:", file.path().display());
        error.strip_prefix(&place).expect("the file's name comes first").to_owned()
    }

    #[test]
    fn boxes_are_read_and_what_follows_the_score_is_not_looked_at() {
        let file = file("2,7,10,20.5,30,40,0.9,-1,-1,-1\n\n 1 , 7 , 0 , 0 , 1 , 1 , 1 \n");
        let read = tracks(file.path()).unwrap();
        assert_eq!(read[&2], [Numbered { id: 7, bbox: BBox::new(10.0, 20.5, 40.0, 60.5) }]);
        assert_eq!(read.keys().copied().collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn a_score_of_zero_in_the_truth_marks_what_is_not_judged_and_in_tracks_nothing() {
        let file = file("1,7,0,0,1,1,1,1,1\n1,8,5,0,1,1,0,7,1\n");
        let read = truth(file.path()).unwrap();
        let ids = |s: &Sequence<Numbered>| s[&1].iter().map(|b| b.id).collect::<Vec<_>>();
        assert_eq!((ids(&read.counted), ids(&read.ignored)), (vec![7], vec![8]));
        assert_eq!(ids(&tracks(file.path()).unwrap()), [7, 8]);
        let file = self::file("1,7,0,0,1,1,1\n1,7,5,0,1,1,0\n");
        let error = truth(file.path()).unwrap_err().to_string();
        assert!(error.ends_with("2: frame 1 has id 7 already: leave one of the two out"), "{error}");
    }

    #[test]
    fn detections_need_no_ids_and_nothing_in_a_file_is_nothing_seen() {
        let read = detections(file("3,-1,0,0,2,2,0.25\n3,-1,5,5,2,2,0.5\n").path()).unwrap();
        assert_eq!(read[&3].iter().map(|d| d.score).collect::<Vec<_>>(), [0.25, 0.5]);
        assert!(tracks(file("\n").path()).unwrap().is_empty());
    }

    #[test]
    fn a_bad_line_is_told_with_its_place_and_what_it_should_be() {
        for (text, told) in [
            ("1,1,0,0,1,1,1\n1,2,0,0,1\n", "2: 5 of at least 7 values; a line is frame,id,"),
            ("one,1,0,0,1,1,1\n", "1: frame 'one' is not a whole number; a line is"),
            ("0,1,0,0,1,1,1\n", "1: frame 0 is not within 1 to 10000000; the first frame of a clip is 1"),
            ("1,1,0,NaN,1,1,1\n", "1: top 'NaN' is not a number; a line is"),
            ("1,1,0,0,0,1,1\n", "1: a box of 0 by 1 is empty; a line is"),
            ("1,-1,0,0,1,1,1\n", "1: the id -1 is no track's; detections without ids go to --dets"),
            ("4,3,0,0,1,1,1\n4,3,9,9,1,1,1\n", "2: frame 4 has id 3 already: leave one of the two out"),
        ] {
            let said = refused(text);
            assert!(said.starts_with(told), "{said}");
        }
        for score in ["90", "-0.1"] {
            let file = file(&format!("1,-1,0,0,1,1,{score}\n"));
            let error = detections(file.path()).unwrap_err().to_string();
            assert!(
                error.ends_with(&format!("1: the score {score} does not lie between 0 and 1")),
                "{error}"
            );
        }
        let absent = detections(Path::new("/nowhere/to.txt")).unwrap_err().to_string();
        assert_eq!(absent, "cannot read /nowhere/to.txt");
    }
}
