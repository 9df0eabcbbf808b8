//! Where a stream goes.

use futures_util::future::BoxFuture;

use crate::camera::StreamEvent;
use crate::media::EncodedUnit;

/// Takes what ingest delivers. `unit` and `event` are called on the runtime's threads: they must not
/// block; a full queue behind them drops and counts.
pub trait Sink: Send + Sync {
    fn unit(&self, unit: EncodedUnit);
    fn event(&self, event: StreamEvent);

    /// Waited for before each unit of footage played as fast as possible, and only then: so the
    /// slowest taker sets the pace. Live streams are never held up.
    fn ready(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}
