//! The shell around the plan: observe, decide, act, report; one object at a time.

pub mod material;
pub mod ports;
