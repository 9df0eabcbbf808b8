//! One network's sessions on one thread.
//!
//! A processor computes any size of input in one session. An accelerator makes ready for the size that it is given,
//! anew each time that it is another one than the last (CUDA: dozens of runs' time), so there each size has a session
//! (docs/adr/0009).

use std::path::PathBuf;

use ort::session::Session;
use tracing::warn;

use super::error::Error;
use super::provider::Provider;
use super::runtime::Runtime;

/// Sizes kept ready: those of a site's pictures, by model and stream.
const MOST: usize = 8;

/// Width and height of an input.
type Size = (usize, usize);

pub(super) struct Sessions {
    runtime: Runtime,
    name: String,
    weights: PathBuf,
    provider: Provider,
    /// Whether each size has its own.
    by_size: bool,
    /// The size that each was given; `None`: not yet any. The one used last comes last; never empty.
    ready: Vec<(Option<Size>, Session)>,
}

impl Sessions {
    /// Load the first.
    ///
    /// # Errors
    /// See [`Runtime::session`].
    pub fn load(
        runtime: &Runtime,
        name: &str,
        weights: PathBuf,
        provider: Provider,
    ) -> Result<Sessions, Error> {
        let first = runtime.session(name, &weights, provider)?;
        let (runtime, name) = (runtime.clone(), name.to_owned());
        let by_size = provider.prepares_for_size();
        Ok(Sessions { runtime, name, weights, provider, by_size, ready: vec![(None, first)] })
    }

    /// Any of them: what the network declares.
    pub fn any(&self) -> &Session {
        &self.ready[0].1
    }

    /// The one for inputs of this size. Where there are many sizes, or no room for another session, the one that was
    /// not asked for the longest makes ready for this size.
    pub fn of(&mut self, size: Size) -> &mut Session {
        let fits = |(of, _): &(Option<Size>, _)| !self.by_size || of.is_none_or(|of| of == size);
        let session = match self.ready.iter().rposition(fits) {
            Some(place) => self.ready.remove(place).1,
            None if self.ready.len() == MOST => self.ready.remove(0).1,
            None => self.runtime.session(&self.name, &self.weights, self.provider).unwrap_or_else(|e| {
                warn!(model = self.name, ?size, "no session of its own: {e}");
                self.ready.remove(0).1
            }),
        };
        self.ready.push((Some(size), session));
        &mut self.ready.last_mut().expect("invariant: pushed above").1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::testing::{registry, runtime};

    /// Sizes that are ready after these were asked for in turn.
    fn ready(by_size: bool, asked: &[usize]) -> Option<Vec<usize>> {
        let (runtime, registry) = (runtime()?, registry()?);
        let weights = registry.0.verify("yunet").unwrap();
        let mut sessions = Sessions::load(&runtime, "yunet", weights, Provider::Cpu).unwrap();
        sessions.by_size = by_size;
        for width in asked {
            sessions.of((*width, 32));
        }
        Some(sessions.ready.iter().map(|(size, _)| size.unwrap().0).collect())
    }

    #[test]
    fn an_accelerator_has_a_session_for_each_size_and_a_processor_has_one() {
        let check = |by_size, asked: &[usize], want: &[usize]| {
            let Some(got) = ready(by_size, asked) else { return };
            assert_eq!(got, want, "of {asked:?}");
        };
        check(true, &[1], &[1]);
        check(true, &[1, 2, 1, 2, 1], &[2, 1]);
        check(false, &[1, 2, 3], &[3]);
        // The one that was not asked for the longest is taken.
        check(true, &[1, 2, 3, 4, 5, 6, 7, 8, 1, 9], &[3, 4, 5, 6, 7, 8, 1, 9]);
    }
}
