//! What packets can be other than right.

/// Why a packet is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Odd {
    /// Against the RFC; the next may be well.
    #[error("{0}")]
    Malformed(&'static str),
    /// Right, maybe, but nothing that this client knows.
    #[error("{0}")]
    Unsupported(&'static str),
    /// An access unit grows beyond the limit; its bytes so far.
    #[error("an access unit of more than {0} bytes")]
    TooLarge(usize),
}
