//! The rules of the CustomResourceDefinition (CEL), evaluated as the API server evaluates them.

use std::sync::Arc;

use cel::{Context, Env, Value as Cel, extensions};
use serde_json::Value;

use super::finding::Finding;

/// Evaluates rules: with the standard library, and strings as Kubernetes extends them.
pub(super) struct Rules(Arc<Env>);

impl Rules {
    pub(super) fn new() -> Self {
        let mut env = Env::stdlib();
        // It is declared once, so that it cannot clash. Without it, rules would not evaluate, and be told as broken.
        drop(env.add_extension(extensions::strings));
        Self(Arc::new(env))
    }

    /// The rules of this schema that `value` breaks.
    pub(super) fn broken(&self, schema: &Value, value: &Value, path: &str) -> Vec<Finding> {
        let rules = schema["x-kubernetes-validations"]
            .as_array()
            .into_iter()
            .flatten();
        let broken = rules.filter(|rule| !self.holds(rule["rule"].as_str().unwrap_or_default(), value));
        broken
            .map(|rule| Finding::at(path, rule["message"].as_str().unwrap_or("breaks a rule")))
            .collect()
    }

    fn holds(&self, rule: &str, value: &Value) -> bool {
        let Ok(program) = self.0.compile(rule) else {
            return false;
        };
        let mut context = Context::with_env(Arc::clone(&self.0));
        let bound = context.add_variable("self", value);
        bound.is_ok() && matches!(program.execute(&context), Ok(Cel::Bool(true)))
    }
}
