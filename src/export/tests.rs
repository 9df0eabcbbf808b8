//! Exports as other programs see them.
