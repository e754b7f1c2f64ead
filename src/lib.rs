//! Keeps Microsoft Entra ID access tokens fresh in Kubernetes Secrets, from one sign-in with user name and password.

pub mod api;
pub mod cluster;
pub mod entra;
pub mod operator;
pub mod reconcile;
pub mod secrets;
pub mod telemetry;

pub use entra_plan as plan;
