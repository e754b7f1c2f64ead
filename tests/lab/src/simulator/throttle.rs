//! Throttling: beyond a number of requests per window a client is sent away until the window ends.
//!
//! One window per (tenant, client), as the operator's own brake is laid out.

use std::collections::HashMap;

use jiff::Timestamp;

use super::behaviour::RateLimit;

/// Windows of all clients.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    windows: HashMap<(String, String), Window>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    start: Timestamp,
    requests: u32,
}

impl Throttle {
    /// Counts one request; the seconds to wait if it is one too many.
    pub(crate) fn count(
        &mut self,
        tenant: &str,
        client: &str,
        now: Timestamp,
        limit: RateLimit,
    ) -> Option<u64> {
        let key = (tenant.to_lowercase(), client.to_lowercase());
        let window = self.windows.entry(key).or_insert(Window {
            start: now,
            requests: 0,
        });
        let mut age = now.duration_since(window.start).as_secs();
        if age >= limit.seconds {
            (*window, age) = (
                Window {
                    start: now,
                    requests: 0,
                },
                0,
            );
        }
        window.requests = window.requests.saturating_add(1);
        (window.requests > limit.requests).then(|| (limit.seconds - age).max(1).unsigned_abs())
    }
}
