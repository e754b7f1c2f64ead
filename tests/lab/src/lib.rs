//! The laboratory: everything that the tests and the demonstration need beside the operator itself.
//!
//! - [`controlplane`]: a real etcd, kube-apiserver and kube-controller-manager, built from Go modules
//! - [`simulator`]: an Entra token service over TLS, with users, applications, scripted faults and a journal
//! - [`proxy`]: an HTTP proxy that refuses, stalls, cuts, or does the work and loses the answer
//! - [`stage`]: all of them together, with the shipped manifests and real operator processes
//! - [`demo`]: the operator at work, live
//! - [`keycloak`]: the operator beside a Keycloak, opt-in
//! - [`chaos`]: two replicas under kills, outages and people, for minutes to hours, opt-in
//! - [`upgrade`]: an earlier operator, this one, and the earlier one again on the same objects, opt-in
//! - [`watch`]: the chart's alerts and its dashboard before a real Prometheus, opt-in
//! - [`image`]: builds the image of the operator twice and looks into it, opt-in
//! - [`pods`]: the image and the chart on a real node, opt-in
//! - [`audit`]: reads the API server's audit log, the judge of claims about API use
//! - [`chart`]: renders the Helm chart, and writes what comes from it
//! - [`cache`]: keeps what takes long to build, once for all checkouts
//! - [`docs`]: writes the parts of the documents that come from the code, and runs what they tell people to run
//! - [`python`]: packages of Python's registry, by a lock file
//! - [`tool`]: runs programs of the system
//! - [`search`]: looks for secrets in texts, in every form in which they leak

pub mod audit;
pub mod bench;
pub mod cache;
pub mod chaos;
pub mod chart;
pub mod controlplane;
pub mod demo;
pub mod docs;
pub mod image;
pub mod keycloak;
pub mod pods;
pub mod proxy;
pub mod python;
pub mod search;
pub mod simulator;
pub mod stage;
pub mod tool;
pub mod upgrade;
pub mod watch;
