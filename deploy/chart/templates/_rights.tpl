{{/* In every namespace that is served. */}}
{{- define "entra-operator.rules" -}}
- apiGroups: [entra-operator.dev]
  resources: [entracredentials]
  verbs: [get, list, watch]
- apiGroups: [entra-operator.dev]
  resources: [entracredentials/status]
  verbs: [patch]
# RBAC knows names, not types or labels: list and watch are by type or label and of metadata only, but this rule
# cannot say so. Serve some namespaces only where that is too much.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
# Asked before a Secret is re-created or a login is recorded: nothing is written into a namespace that is going away.
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get]
{{- end }}

{{- define "entra-operator.subjects" -}}
subjects:
  - kind: ServiceAccount
    name: {{ include "entra-operator.serviceAccount" . }}
    namespace: {{ .Release.Namespace }}
{{- end }}
