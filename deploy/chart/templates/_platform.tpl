{{/* Not empty: user and group of the pod are left to OpenShift. */}}
{{- define "entra-operator.isOpenshift" -}}
{{- $found := .Capabilities.APIVersions.Has "security.openshift.io/v1" -}}
{{- if or (eq .Values.openshift "always") (and (eq .Values.openshift "auto") $found) -}}
yes
{{- end -}}
{{- end }}

{{/* Port of an address of the configuration, for example "[::]:8081". */}}
{{- define "entra-operator.port" -}}
{{- regexFind "[0-9]+$" . -}}
{{- end }}

{{/* Not empty: render the ServiceMonitor. */}}
{{- define "entra-operator.rendersMonitor" -}}
{{- $known := .Capabilities.APIVersions.Has "monitoring.coreos.com/v1" -}}
{{- $mode := .Values.serviceMonitor.renderMode -}}
{{- if .Values.serviceMonitor.enabled -}}
{{- if or $known (eq $mode "alwaysRender") -}}
yes
{{- else if eq $mode "failIfMissing" -}}
{{- fail "serviceMonitor.enabled: the cluster does not know monitoring.coreos.com/v1. Install the Prometheus operator, or set serviceMonitor.renderMode to skipIfMissing" -}}
{{- end -}}
{{- end -}}
{{- end }}
