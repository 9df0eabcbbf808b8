//! Tests of the gate: over streams made unit by unit, over footage that is encoded here, and over
//! bytes of any kind.

mod footage;
mod made;
mod random;
mod stream;
