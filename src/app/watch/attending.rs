//! Whether one camera is followed, from what its stream, its pictures and the passing of time say.
//! No threads, no clock.

use std::time::Duration;

use crate::base::{Mono, Wall};
use crate::camera::Attention;
use crate::decode::Pictures;
use crate::gate::Verdict;

/// A camera that is followed is followed for this long after the last sign of anything.
pub(super) const HOLD: Duration = Duration::from_secs(5);
/// The same where whoever was there was seen last at the picture's edge: he has left. Who is lost in the middle is
/// still there, of a colour with what is behind him.
const LEFT: Duration = Duration::from_millis(1500);
/// The same while only the gate has spoken and no picture has borne it out; the gate itself holds on for a
/// second and a half.
const GLANCE: Duration = Duration::from_secs(1);
/// A new camera is followed until the gate knows it, but no longer than this.
const LEARN: Duration = Duration::from_secs(12);
/// So much of what lies before the first sign is analysed: a look was at most about so long ago.
const LEAD: Duration = Duration::from_secs(4);
/// Pictures in which nothing at all differs from the background, for so long, say more than the gate: what it
/// took for motion was the stream's noise.
const DOUBT: Duration = Duration::from_secs(1);

/// Where there is no room, a gate is not believed before so many pictures have taught it: until then it takes
/// noise for motion on every third camera, and following one begins with decoding a GOP.
const TAUGHT: u32 = 6;

/// Where something moved, something is likely to move again: for so long it is looked at more often, so that
/// what the gate misses is found sooner.
const LATELY: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Attending {
    pictures: Pictures,
    followed: bool,
    /// The last time the gate was active and believed, and the last time a picture showed something.
    told: Option<Mono>,
    seen: Option<Mono>,
    /// The last picture that showed anything showed it at its edge.
    leaving: bool,
    /// And a picture after it showed nothing.
    left: bool,
    /// Followed to be learnt, until then at most.
    learning: Option<Mono>,
    /// Pictures have shown something since it is followed.
    borne_out: bool,
    /// When it was last followed and borne out.
    moved: Option<Mono>,
    /// Frames from here on are analysed; those before are decoded only.
    from: Wall,
    /// The last picture in which nothing moved: what it is followed for comes after it.
    still: Wall,
    /// The gate says that something moves.
    active: bool,
    /// Since when pictures have shown nothing although the gate is active, by the pictures' time.
    nothing: Option<Wall>,
    /// Pictures have disproved the gate: it is not believed before it has been calm.
    doubted: bool,
    /// Pictures that taught the gate; whether there was no room at the last tick.
    taught: u32,
    crowded: bool,
}

/// What a decoded picture shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shows {
    /// Nothing differs from the background.
    Nothing,
    /// Something that stands where it stood.
    Standing,
    Moving,
    /// All that differs is small and at the picture's edge.
    Leaving,
}

impl Shows {
    pub fn moves(self) -> bool {
        matches!(self, Shows::Moving | Shows::Leaving)
    }
}

impl Attending {
    /// A camera of which nothing is known yet.
    pub fn new(pictures: Pictures, now: Mono) -> Self {
        let learning = (pictures == Pictures::Auto).then(|| now + LEARN);
        Attending {
            pictures,
            followed: learning.is_some(),
            told: None,
            seen: None,
            leaving: false,
            left: false,
            learning,
            borne_out: false,
            moved: None,
            from: Wall::MIN,
            still: Wall::MIN,
            active: false,
            nothing: None,
            doubted: false,
            taught: 0,
            crowded: false,
        }
    }

    /// The configuration changed.
    pub fn set_pictures(&mut self, pictures: Pictures) {
        self.pictures = pictures;
    }

    /// What the gate says of the unit of the time `at`.
    pub fn on_verdict(&mut self, verdict: Verdict, at: Wall, now: Mono) {
        match verdict {
            Verdict::Learning => {}
            Verdict::Active if self.is_untaught() => {}
            Verdict::Calm => {
                self.learning = None;
                (self.active, self.nothing, self.doubted) = (false, None, false);
            }
            Verdict::Active => {
                self.learning = None;
                if !std::mem::replace(&mut self.active, true) {
                    self.nothing = Some(at);
                }
                if !self.doubted {
                    self.stir(at);
                    self.told = self.told.max(Some(now));
                }
            }
        }
    }

    /// What a decoded picture of the time `at` shows. `stays`: something that stands still has to be watched on.
    pub fn on_picture(&mut self, shows: Shows, stays: bool, at: Wall, now: Mono) {
        self.taught = self.taught.saturating_add(u32::from(shows != Shows::Standing));
        if shows.moves() || (stays && self.followed) {
            self.stir(at);
            self.seen = self.seen.max(Some(now));
            self.borne_out = true;
        } else {
            self.still = at;
        }
        if shows != Shows::Nothing || stays {
            (self.leaving, self.left) = (shows == Shows::Leaving && !stays, false);
            (self.nothing, self.doubted) = (Some(at), false);
            return;
        }
        // Whoever comes in is at the edge as well, and what follows may not have been decoded yet.
        self.left = self.leaving;
        if self.active && self.nothing.is_some_and(|since| at > since && at.since(since) >= DOUBT) {
            // What pictures showed a moment ago goes on counting: whoever has left may come back.
            self.doubted = true;
            self.told = None;
        }
    }

    /// Something began shortly before `at`, but not before a picture in which nothing moved.
    fn stir(&mut self, at: Wall) {
        if !self.followed {
            // A later one is of before the clock was set back.
            let still = if self.still <= at { self.still } else { Wall::MIN };
            (self.from, self.borne_out) = ((at - LEAD).max(still), false);
        }
        self.followed = true;
    }

    /// The gate's word does not count yet: pictures have to tell.
    pub fn is_untaught(&self) -> bool {
        self.crowded && self.taught < TAUGHT
    }

    /// Looks have to come more often: pictures have disproved the gate and it has not been calm since, so that
    /// it cannot tell what comes next; or something moved lately.
    pub fn is_wary(&self, now: Mono) -> bool {
        self.doubted || self.moved.is_some_and(|then| now.since(then) < LATELY)
    }

    /// Time passes. `crowded`: the machine has no room to follow cameras only to learn them.
    pub fn tick(&mut self, crowded: bool, now: Mono) {
        self.crowded = crowded;
        if self.learning.is_some_and(|until| crowded || now >= until) {
            self.learning = None;
        }
        let over = |then: Option<Mono>, hold| then.is_none_or(|then| now.since(then) >= hold);
        let hold = if self.left { LEFT } else { HOLD };
        let calm = over(self.told, if self.borne_out { hold } else { GLANCE }) && over(self.seen, hold);
        if self.followed && self.borne_out {
            self.moved = Some(now);
        }
        self.followed &= self.learning.is_some() || !calm;
    }

    pub fn attention(&self) -> Attention {
        match self.pictures {
            Pictures::Auto if self.followed => Attention::Followed,
            Pictures::Auto | Pictures::Keyframes => Attention::Idle,
            Pictures::Follow => Attention::Followed,
        }
    }

    /// Frames from here on are analysed.
    pub fn from(&self) -> Wall {
        match self.pictures {
            Pictures::Auto => self.from,
            Pictures::Follow | Pictures::Keyframes => Wall::MIN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays one event a second: `l` learning, `c` calm, `a` active (verdicts), `m` a picture with motion,
    /// `e` one with motion at its edge only, `s` one with something that stays, `n` one in which nothing
    /// differs, `.` no event, `!` crowded. Gives `F` followed, `i` idle after each.
    fn check(pictures: Pictures, script: &str, want: &str) {
        let second = |n: usize| Mono(Duration::from_secs(n as u64));
        let mut attending = Attending::new(pictures, second(0));
        let mut got = String::new();
        for (n, c) in script.chars().enumerate() {
            let (at, now) = (Wall::from_secs(1000 + n as i64), second(n));
            match c {
                'l' => attending.on_verdict(Verdict::Learning, at, now),
                'c' => attending.on_verdict(Verdict::Calm, at, now),
                'a' => attending.on_verdict(Verdict::Active, at, now),
                'm' => attending.on_picture(Shows::Moving, false, at, now),
                'e' => attending.on_picture(Shows::Leaving, false, at, now),
                's' => attending.on_picture(Shows::Standing, true, at, now),
                'n' => attending.on_picture(Shows::Nothing, false, at, now),
                _ => {}
            }
            attending.tick(c == '!', now);
            got.push(if attending.attention() == Attention::Followed { 'F' } else { 'i' });
        }
        assert_eq!(got, want, "{script}");
    }

    #[test]
    fn a_camera_is_followed_until_the_gate_knows_it_but_not_for_long() {
        check(Pictures::Auto, "lllllllc.", "FFFFFFFii");
        check(Pictures::Auto, "llllllllllllllll", "FFFFFFFFFFFFiiii");
        // Nor where the machine has no room for it; then it is not taken up again.
        check(Pictures::Auto, "lll!lllll", "FFFiiiiii");
    }

    #[test]
    fn it_is_followed_while_anything_stirs_and_a_little_longer() {
        check(Pictures::Auto, "c....am.a.....m....c....", "iiiiiFFFFFFFFiFFFFFiiiii");
        check(Pictures::Auto, "lla.....", "FFFiiiii");
    }

    #[test]
    fn who_leaves_the_picture_is_waited_for_less_long() {
        check(Pictures::Auto, "c.ammen....", "iiFFFFFiiii");
        check(Pictures::Auto, "c.ammenm.......", "iiFFFFFFFFFFiii");
        // Somebody else still stands there, or the gate goes on saying that something moves.
        check(Pictures::Auto, "c.ammesn......", "iiFFFFFFFFFiii");
        check(Pictures::Auto, "c.ammeaa.....", "iiFFFFFFFFFFi");
        // He may have come in: nothing was seen of the place since.
        check(Pictures::Auto, "c.ae........", "iiFFFFFFiiii");
    }

    #[test]
    fn what_stays_keeps_it_followed_but_begins_nothing() {
        check(Pictures::Auto, "c....s", "iiiiii");
        check(Pictures::Auto, "cm..s.....s.....", "iFFFFFFFFiiiiiii");
    }

    #[test]
    fn a_gate_that_pictures_disprove_is_not_believed_before_it_was_calm() {
        check(Pictures::Auto, "c.aanaaaa", "iiFFiiiii");
        check(Pictures::Auto, "c.aanaaca", "iiFFiiiiF");
        // A look that finds motion is believed, and the gate with it.
        check(Pictures::Auto, "c.aanamaa", "iiFFiiFFF");
        // Pictures of before the gate spoke, decoded late, say nothing against it.
        let (mut attending, now) = (Attending::new(Pictures::Auto, Mono::default()), Mono::default());
        attending.on_verdict(Verdict::Active, Wall::from_secs(1000), now);
        for at in 990..1000 {
            attending.on_picture(Shows::Nothing, false, Wall::from_secs(at), now);
        }
        attending.tick(false, now);
        assert_eq!(attending.attention(), Attention::Followed);
    }

    #[test]
    fn without_room_a_gate_is_not_believed_before_pictures_have_taught_it() {
        check(Pictures::Auto, "c!a!a!a!", "iiiiiiii");
        check(Pictures::Auto, "c!n!n!n!n!n!na", "iiiiiiiiiiiiiF");
        // Pictures are, and with room the gate is.
        check(Pictures::Auto, "c!m.", "iiFF");
        check(Pictures::Auto, "c.aa", "iiFF");
    }

    #[test]
    fn pictures_go_on_counting_where_they_disprove_the_gate() {
        // Somebody leaves, and the gate takes what the rate control does next for motion.
        check(Pictures::Auto, "c.amaannaa..", "iiFFFFFFiiii");
    }

    #[test]
    fn looks_come_more_often_where_something_moved_or_the_gate_was_disproved() {
        let second = |n: u64| Mono(Duration::from_secs(n));
        let at = |n: i64| Wall::from_secs(1000 + n);
        let mut attending = Attending::new(Pictures::Auto, second(0));
        attending.tick(true, second(0));
        attending.tick(false, second(0));
        assert!(!attending.is_wary(second(1)));
        attending.on_picture(Shows::Moving, false, at(1), second(1));
        attending.tick(true, second(1));
        attending.tick(false, second(6));
        assert_eq!(attending.attention(), Attention::Idle);
        assert!(attending.is_wary(second(20)) && !attending.is_wary(second(60)));
        attending.on_verdict(Verdict::Active, at(60), second(60));
        attending.on_picture(Shows::Nothing, false, at(62), second(62));
        assert!(attending.is_wary(second(62)));
        attending.on_verdict(Verdict::Calm, at(63), second(63));
        assert!(!attending.is_wary(second(63)));
    }

    #[test]
    fn what_lies_before_a_picture_in_which_nothing_moved_is_not_analysed_again() {
        let mut attending = Attending::new(Pictures::Auto, Mono::default());
        let (at, now) = (|n: i64| Wall::from_secs(1000 + n), Mono(Duration::from_secs(60)));
        attending.tick(true, now);
        attending.tick(false, now);
        attending.on_picture(Shows::Nothing, false, at(8), now);
        attending.on_verdict(Verdict::Active, at(10), now);
        assert_eq!(attending.from(), at(8));
    }

    #[test]
    fn a_camera_may_be_followed_always_or_never() {
        check(Pictures::Follow, "lc.......", "FFFFFFFFF");
        check(Pictures::Keyframes, "lcam.....", "iiiiiiiii");
    }

    #[test]
    fn what_lies_shortly_before_the_verdict_is_analysed_too() {
        let mut attending = Attending::new(Pictures::Auto, Mono::default());
        assert_eq!(attending.from(), Wall::MIN);
        let later = Mono(Duration::from_secs(60));
        attending.tick(true, later);
        attending.tick(false, later);
        attending.on_verdict(Verdict::Active, Wall::from_secs(1000), later);
        assert_eq!(attending.from(), Wall::from_secs(1000) - LEAD);
        attending.on_verdict(Verdict::Active, Wall::from_secs(1001), later);
        assert_eq!(attending.from(), Wall::from_secs(1000) - LEAD, "once begun, it goes on");
    }
}
