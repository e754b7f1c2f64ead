//! The first idea of every authority's time, until it answers itself: that of the API server.

use super::ports::{Clock as _, Cluster as _, Ports, Provider as _};

/// Asks the API server what time it is: at the start, and whenever our own clock was set. By a wrong clock, every token would
/// look as if it were due.
pub async fn estimate_time<P: Ports>(ports: &P) {
    let start = ports.clock().now();
    if let Some(date) = ports.cluster().date().await {
        ports.provider().estimate_time(start, ports.clock().now(), date);
    }
}
