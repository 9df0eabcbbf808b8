//! The running server: the only place that wires stages.
