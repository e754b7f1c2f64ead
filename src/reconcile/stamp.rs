//! Times on the way in and out: RFC 3339 in annotations, Kubernetes' `Time` in status. Whole seconds, UTC.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time as KubeTime;

use crate::plan::Time;

/// RFC 3339, whole seconds, UTC. A moment outside of the calendar is clamped to it.
pub fn to_text(time: Time) -> String {
    timestamp(time).to_string()
}

/// Reads what [`to_text`] wrote, and any other RFC 3339 time.
pub fn from_text(text: &str) -> Option<Time> {
    text.parse::<Timestamp>().ok().map(|t| Time(t.as_second()))
}

/// For status fields.
pub fn to_kube(time: Time) -> KubeTime {
    KubeTime(timestamp(time))
}

/// From status fields.
pub fn from_kube(time: &KubeTime) -> Time {
    Time(time.0.as_second())
}

fn timestamp(time: Time) -> Timestamp {
    let (min, max) = (Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
    Timestamp::from_second(time.0.clamp(min, max)).unwrap_or(Timestamp::UNIX_EPOCH)
}
