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

{{/* Not empty: render the object for the Prometheus operator that this value asks for. */}}
{{- define "entra-operator.renders" -}}
{{- $name := last . -}}
{{- $known := (first .).Capabilities.APIVersions.Has "monitoring.coreos.com/v1" -}}
{{- $value := index (first .).Values $name -}}
{{- if $value.enabled -}}
{{- if or $known (eq $value.renderMode "alwaysRender") -}}
yes
{{- else if eq $value.renderMode "failIfMissing" -}}
{{- fail (printf "%s.enabled: the cluster does not know monitoring.coreos.com/v1. Install the Prometheus operator, or set %s.renderMode to skipIfMissing" $name $name) -}}
{{- end -}}
{{- end -}}
{{- end }}
