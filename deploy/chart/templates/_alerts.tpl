{{/* files/alerts.yaml with the namespace, the thresholds, and what the values add to each alert. */}}
{{- define "entra-operator.alerts" -}}
{{- $rule := .Values.prometheusRule -}}
{{- $name := "{{ if $labels.name }}{{ $labels.namespace }}/{{ $labels.name }}{{ else }}a credential{{ end }}" -}}
{{- $text := .Files.Get "files/alerts.yaml" | replace "<namespace>" .Release.Namespace | replace "<credential>" $name -}}
{{- range $threshold, $value := $rule.thresholds -}}
{{- $text = replace (printf "<%s>" $threshold) (printf "%v" $value) $text -}}
{{- end -}}
{{- $known := list -}}
{{- range $group := (fromYaml $text).groups }}
- name: {{ $group.name }}
  rules:
    {{- range $alert := $group.rules }}
    {{- $known = append $known $alert.alert }}
    {{- if not (has $alert.alert $rule.disabled) }}
    {{- $runbook := dict "runbook_url" (printf "%sdocs/alerts.md#%s" $rule.runbookBase (lower $alert.alert)) }}
    {{- $labels := merge (deepCopy $rule.alertLabels) $alert.labels }}
    {{- $annotations := merge (deepCopy $rule.alertAnnotations) $runbook $alert.annotations }}
    - {{ merge (dict "labels" $labels "annotations" $annotations) $alert | toYaml | nindent 6 | trim }}
    {{- end }}
    {{- end }}
{{- end }}
{{- range $rule.disabled }}
{{- if not (has . $known) }}
{{- fail (printf "prometheusRule.disabled: there is no alert %s; docs/alerts.md lists them" .) }}
{{- end }}
{{- end }}
{{- end }}
