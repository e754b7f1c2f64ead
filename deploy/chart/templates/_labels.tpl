{{/* What selects the pods; it can never change. One operator to a namespace: the name of its Lease is fixed. */}}
{{- define "entra-operator.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
{{- end }}

{{- define "entra-operator.labels" -}}
{{- $fixed := include "entra-operator.selector" . | fromYaml -}}
{{- $release := dict "app.kubernetes.io/instance" .Release.Name "app.kubernetes.io/version" .Chart.AppVersion -}}
{{- toYaml (merge $fixed $release .Values.commonLabels) -}}
{{- end }}

{{- define "entra-operator.podLabels" -}}
{{- toYaml (merge (include "entra-operator.labels" . | fromYaml) .Values.podLabels) -}}
{{- end }}

{{- define "entra-operator.crdAnnotations" -}}
{{- $keep := ternary (dict "helm.sh/resource-policy" "keep") dict .Values.crds.keep -}}
{{- with merge $keep .Values.crds.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
{{- end -}}
{{- end }}
