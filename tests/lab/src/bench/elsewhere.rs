//! Another host at which some credentials sign in.

use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::population::OTHER_AUTHORITY;
use crate::simulator::{self, Simulator};
use crate::stage::{Error, Stage};

/// The host, and the file with the certificate that it is trusted by. It outlives the operators.
#[derive(Debug)]
pub(super) struct Elsewhere {
    pub(super) simulator: Simulator,
    ca: NamedTempFile,
}

/// How many requests the hosts had seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark([u64; 2]);

impl Elsewhere {
    /// Starts it with the same users.
    pub(super) async fn start(stage: &Stage, options: simulator::Options) -> Result<Self, Error> {
        let simulator = Simulator::start(simulator::Options {
            authority: Some(stage.simulator.authority()),
            ..options
        });
        let simulator = simulator.await?;
        let io = |source| Error::Io {
            action: "write a certificate".to_owned(),
            source,
        };
        let ca = NamedTempFile::new().map_err(io)?;
        std::fs::write(ca.path(), simulator.ca_pem()).map_err(io)?;
        Ok(Self { simulator, ca })
    }

    /// As the operator's configuration declares it.
    pub(super) fn authority(&self) -> Value {
        json!({
            "name": OTHER_AUTHORITY, "kind": "Entra", "url": self.simulator.url(), "caFile": self.ca.path(),
        })
    }

    /// The requests to this host and the stage's until now.
    pub(super) fn mark(&self, stage: &Stage) -> Mark {
        Mark([stage.simulator.journal().mark(), self.simulator.journal().mark()])
    }

    /// How many there were at both since then.
    pub(super) fn requests_since(&self, stage: &Stage, Mark([there, here]): Mark) -> usize {
        stage.simulator.journal().since(there).len() + self.simulator.journal().since(here).len()
    }
}
