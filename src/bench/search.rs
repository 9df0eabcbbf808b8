//! Looks for the largest number that holds: doubling until one does not, then halving what is
//! between. Pure.

/// Between the largest number that held and the smallest that did not, a difference of one part in so
/// many is not worth another run.
const FINE: usize = 12;

#[derive(Clone, Debug)]
pub struct Search {
    /// 0: nothing held so far.
    held: usize,
    broke: Option<usize>,
    start: usize,
    /// Nothing larger is tried.
    most: usize,
}

impl Search {
    /// `start` is tried first; both at least 1.
    pub fn new(start: usize, most: usize) -> Search {
        Search { held: 0, broke: None, start: start.clamp(1, most.max(1)), most: most.max(1) }
    }

    /// The number to try; `None` when it is found, or nothing holds.
    pub fn next(&self) -> Option<usize> {
        match self.broke {
            None if self.held == 0 => Some(self.start),
            None if self.held >= self.most => None,
            None => Some((self.held * 2).min(self.most)),
            Some(broke) if broke - self.held <= (self.held / FINE).max(1) => None,
            Some(broke) => Some(self.held + (broke - self.held) / 2),
        }
    }

    pub fn tell(&mut self, number: usize, holds: bool) {
        match holds {
            true => self.held = self.held.max(number),
            false => self.broke = Some(self.broke.map_or(number, |b| b.min(number))),
        }
    }

    /// The largest number that held.
    pub fn held(&self) -> Option<usize> {
        (self.held > 0).then_some(self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(start: usize, most: usize, limit: usize) -> (Option<usize>, usize) {
        let mut search = Search::new(start, most);
        let mut runs = 0;
        while let Some(n) = search.next() {
            assert!((1..=most).contains(&n), "{n}");
            search.tell(n, n <= limit);
            runs += 1;
            assert!(runs < 40, "does not end");
        }
        (search.held(), runs)
    }

    #[test]
    fn the_limit_is_found_to_a_few_of_a_hundred_in_few_runs() {
        for limit in [1, 2, 7, 60, 333, 500, 777, 1000] {
            let (held, runs) = check(50, 2000, limit);
            let held = held.unwrap();
            assert!(held <= limit && (limit - held) * FINE <= limit.max(FINE), "{held} for {limit}");
            assert!(runs <= 12, "{runs} for {limit}");
        }
    }

    #[test]
    fn nothing_holds_and_everything_holds() {
        assert_eq!(check(50, 2000, 0).0, None);
        assert_eq!(check(50, 400, 100_000), (Some(400), 4));
    }
}
