//! Times on the way in and out: RFC 3339 in annotations, Kubernetes' `Time` in status, HTTP dates in headers. Whole seconds,
//! UTC.

use std::time::UNIX_EPOCH;

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

/// Reads an HTTP date in any of its three forms (RFC 9110 §5.6.7).
pub fn from_http(value: &str) -> Option<Time> {
    let moment = httpdate::parse_http_date(value.trim()).ok()?;
    let since_epoch = moment.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since_epoch.as_secs()).ok().map(Time)
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
