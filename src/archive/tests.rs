//! The index without the recorder.
