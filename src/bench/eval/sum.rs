//! What all jobs found, summed up.

use super::degrade::Degradation;
use super::job::Done;
use super::precision::Tally;
use super::report::{AS_IT_IS, Condition, Report};

/// The report of a run that took `wall_s` seconds.
pub fn sum_up(models: &[String], degradations: &[Degradation], done: &[Done], wall_s: f64) -> Report {
    let whole = condition(AS_IT_IS.into(), done.iter().filter(|d| d.job.how.is_none()));
    // The first row of the comparison holds only the clips that were degraded.
    let degraded = |d: &Done| done.iter().any(|o| o.job.how.is_some() && o.job.file == d.job.file);
    let as_it_is = done.iter().filter(|d| d.job.how.is_none() && degraded(d));
    let mut conditions = Vec::new();
    if !degradations.is_empty() {
        conditions.push(condition(AS_IT_IS.into(), as_it_is));
    }
    for how in degradations {
        conditions.push(condition(how.to_string(), done.iter().filter(|d| d.job.how == Some(*how))));
    }
    Report {
        models: models.to_vec(),
        events: whole.events,
        faces: whole.faces,
        persons: whole.persons,
        clips: whole.clips,
        conditions,
        speed: done.iter().map(|d| d.seconds).sum::<f64>() / wall_s.max(1e-3),
    }
}

fn condition<'a>(name: String, done: impl Iterator<Item = &'a Done>) -> Condition {
    let (mut faces, mut persons) = (Tally::default(), Tally::default());
    let mut all = Condition { name, ..Condition::default() };
    for done in done {
        faces.append(done.faces.clone());
        persons.append(done.persons.clone());
        all.in_empty += done.in_empty;
        if let Some(clip) = &done.clip {
            clip.facts.iter().for_each(|fact| all.events += fact.score);
            all.clips.push(clip.clone());
        }
    }
    (all.faces, all.persons) = (faces.score(), persons.score());
    all.clips.sort_by(|a, b| a.file.cmp(&b.file));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::eval::facts::Score;
    use crate::bench::eval::job::Job;
    use crate::bench::eval::judge::FactScore;
    use crate::bench::eval::report::ClipReport;

    fn done(file: &str, how: Option<Degradation>, found: usize, in_empty: usize) -> Done {
        let score = Score { expected: 5, found, extra: in_empty };
        let fact = FactScore { rule: "r".into(), score, notes: Vec::new(), wrong: Vec::new() };
        Done {
            job: Job { file: file.into(), truth: Some(0), how },
            clip: Some(ClipReport { file: file.into(), frames: 9, facts: vec![fact] }),
            in_empty,
            faces: Tally::default(),
            persons: Tally::default(),
            seconds: 2.0,
            shots: Vec::new(),
            without_shot: 0,
        }
    }

    #[test]
    fn a_degradation_is_compared_with_the_same_clips_as_they_are() {
        let night = Degradation::Night;
        let all = [done("b", None, 5, 0), done("a", None, 4, 0), done("a", Some(night), 1, 3)];
        let report = sum_up(&[], &[night], &all, 3.0);
        assert_eq!(report.events, Score { expected: 10, found: 9, extra: 0 });
        assert_eq!(report.clips.iter().map(|c| c.file.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(report.speed, 2.0);
        let rows: Vec<_> =
            report.conditions.iter().map(|c| (c.name.as_str(), c.events.found, c.in_empty)).collect();
        assert_eq!(rows, [("as it is", 4, 0), ("night", 1, 3)]);
        assert!(sum_up(&[], &[], &all[..2], 3.0).conditions.is_empty());
    }
}
