//! What sort of failure an error is. Each module's error enum has `kind()`; the API maps it to a
//! status, the supervisor to a retry.

/// Sort of a failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The caller's input is wrong; trying again unchanged cannot help.
    Invalid,
    /// Who the caller is was not shown, or not believed.
    Unauthorized,
    /// The caller is known and may not do this.
    Forbidden,
    NotFound,
    /// The thing is in a state in which this cannot be done.
    Conflict,
    /// Passing trouble (network, camera, overload); trying again may help.
    Unavailable,
    /// The disk is full or refuses.
    Storage,
    /// Our own fault.
    Internal,
}

impl Kind {
    /// Whether the same call may succeed later without anybody changing anything.
    pub fn is_transient(self) -> bool {
        matches!(self, Kind::Unavailable | Kind::Storage)
    }
}
