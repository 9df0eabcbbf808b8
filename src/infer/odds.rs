//! Scores as odds, so that evidence can be added to them.

/// Scores nearer to 0 or 1 have no larger odds than this one.
pub const SURE: f32 = 1e-4;

/// The score, 0 to 1, after evidence of these log odds.
pub fn added(score: f32, evidence: f32) -> f32 {
    likely(odds(score) + evidence)
}

fn odds(score: f32) -> f32 {
    let p = score.clamp(SURE, 1.0 - SURE);
    (p / (1.0 - p)).ln()
}

fn likely(odds: f32) -> f32 {
    1.0 / (1.0 + (-odds).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odds_are_added_and_there_and_back_is_the_same() {
        for score in [0.01, 0.25, 0.5, 0.9] {
            assert!((added(score, 0.0) - score).abs() < 1e-5, "{score}");
        }
        assert!(odds(0.0).is_finite() && odds(1.0).is_finite());
        assert!((added(0.5, 3f32.ln()) - 0.75).abs() < 1e-5, "three to one");
    }
}
