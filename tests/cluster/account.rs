//! ServiceAccounts that operators act as in the place of the shipped one: with its rights in some namespaces, with a key Secret
//! of their own, and without the policies that bind the shipped one to what the manifests configure.

use entra_lab::stage::{OPERATOR, Operator, OperatorOptions};
use serde_json::{Value, json};

use crate::scene::{Place, program, stage};

/// A ServiceAccount with the operator's rights in its own namespace, and a key Secret of its own.
pub(crate) struct Account(String);

impl Account {
    pub(crate) async fn new(place: &Place) -> Self {
        let name = format!("of-{}", place.namespace);
        let account = Self(name.clone());
        let keys = account.keys();
        let binding = |role: &str| {
            json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
                "metadata": {"name": format!("{name}-{role}"), "namespace": OPERATOR},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role},
                "subjects": account.subjects(),
            })
        };
        apply(&json!({"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": OPERATOR}},
            {
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
                "metadata": {"name": name, "namespace": OPERATOR},
                "rules": [{"apiGroups": [""], "resources": ["secrets"], "resourceNames": [keys], "verbs": ["get", "patch"]}],
            },
            binding(OPERATOR), binding(&name),
        ]}))
        .await;
        account
    }

    /// An account that may serve `place`.
    pub(crate) async fn serving(place: &Place) -> Self {
        let account = Self::new(place).await;
        account.allow(&place.namespace).await;
        account
    }

    pub(crate) fn name(&self) -> &str {
        &self.0
    }

    pub(crate) fn keys(&self) -> String {
        format!("keys-{}", self.0)
    }

    /// How to run an operator as this account.
    pub(crate) fn options(&self) -> OperatorOptions {
        OperatorOptions {
            account: self.0.clone(),
            config: format!("sealing: {{keySecret: {}}}", self.keys()),
            ..OperatorOptions::default()
        }
    }

    fn subjects(&self) -> Value {
        json!([{"kind": "ServiceAccount", "name": self.0, "namespace": OPERATOR}])
    }

    /// Binds it to the operator's ClusterRole in a namespace, as docs/configuration.md says.
    pub(crate) async fn allow(&self, namespace: &str) {
        self.bind(namespace, "ClusterRole", OPERATOR).await;
    }

    pub(crate) async fn allow_everywhere(&self) {
        apply(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": self.0},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": OPERATOR},
            "subjects": self.subjects(),
        }))
        .await;
    }

    pub(crate) async fn bind(&self, namespace: &str, kind: &str, role: &str) {
        apply(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": self.0, "namespace": namespace},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
            "subjects": self.subjects(),
        }))
        .await;
    }

    pub(crate) async fn forbid(&self, namespace: &str) {
        let delete = ["delete", "rolebinding", &self.0, "-n", namespace];
        stage().await.kubectl(&delete, None).unwrap();
    }

    /// An operator that serves these namespaces.
    pub(crate) async fn operator(&self, namespaces: &[&str], options: OperatorOptions) -> Operator {
        let own = self.options();
        let config = format!(
            "watch: {{namespaces: [{}]}}\n{}",
            namespaces.join(", "),
            own.config
        );
        let options = OperatorOptions {
            account: own.account,
            config,
            election: false,
            ..options
        };
        stage().await.operator(program(), options).await.unwrap()
    }
}

/// Applies an object as administrator.
pub(crate) async fn apply(object: &Value) {
    stage()
        .await
        .kubectl(&["apply", "-f", "-"], Some(&object.to_string()))
        .unwrap();
}
