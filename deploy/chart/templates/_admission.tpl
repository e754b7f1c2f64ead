{{/* The user that the API server takes the operator for, as a text of CEL. */}}
{{- define "entra-operator.user" -}}
'system:serviceaccount:{{ .Release.Namespace }}:{{ include "entra-operator.serviceAccount" . }}'
{{- end }}

{{/* Audiences that the tokens of workload identities are for, as a list of CEL: the built-in ones but those that the configuration replaces. */}}
{{- define "entra-operator.audiences" -}}
{{- $builtIn := dict
  "Public" "api://AzureADTokenExchange"
  "USGovernment" "api://AzureADTokenExchangeUSGov"
  "China" "api://AzureADTokenExchangeChina"
  "Bleu" "api://AzureADTokenExchangeFrance"
  "Delos" "api://AzureADTokenExchangeGermany"
  "GovSG" "api://AzureADTokenExchangeGovSG" -}}
{{- $configured := dig "workloadIdentity" "audiences" dict .Values.config -}}
{{- $all := merge (dict) $configured $builtIn -}}
{{- values $all | uniq | sortAlpha | toJson -}}
{{- end }}

{{/* A binding of the policy with this suffix. */}}
{{- define "entra-operator.binding" -}}
{{- $policy := printf "%s-%s" (include "entra-operator.fullname" .root) .suffix -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ $policy }}
  labels:
    {{- include "entra-operator.labels" .root | nindent 4 }}
spec:
  policyName: {{ $policy }}
  validationActions: {{ toJson .root.Values.admissionPolicy.actions }}
{{- end }}
