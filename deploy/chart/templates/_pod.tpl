{{/* What the operator's pod and that of its self-test have in common. */}}
{{- define "entra-operator.podSecurity" -}}
securityContext:
  runAsNonRoot: true
  {{- if not (include "entra-operator.isOpenshift" .) }}
  runAsUser: 65532
  runAsGroup: 65532
  {{- end }}
  seccompProfile:
    type: RuntimeDefault
{{- end }}

{{- define "entra-operator.env" -}}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: POD_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
{{- with .Values.log.filter }}
- name: ENTRA_OPERATOR_LOG
  value: {{ quote . }}
{{- end }}
{{- if ne .Values.log.format "text" }}
- name: ENTRA_OPERATOR_LOG_FORMAT
  value: {{ .Values.log.format }}
{{- end }}
{{- with .Values.proxy.https }}
- name: HTTPS_PROXY
  value: {{ quote . }}
{{- end }}
{{- with .Values.proxy.noProxy }}
- name: NO_PROXY
  value: {{ quote . }}
{{- end }}
{{- with .Values.certificates.system }}
- name: SSL_CERT_FILE
  value: /etc/entra-operator-ca/{{ . }}
{{- end }}
{{- with .Values.extraEnv }}
{{- toYaml . | nindent 0 }}
{{- end }}
{{- end }}

{{- define "entra-operator.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
privileged: false
capabilities:
  drop: [ALL]
{{- end }}

{{- define "entra-operator.volumeMounts" -}}
- name: config
  mountPath: /etc/entra-operator
  readOnly: true
- name: service-account
  mountPath: /var/run/secrets/kubernetes.io/serviceaccount
  readOnly: true
{{- if .Values.certificates.configMap }}
- name: certificates
  mountPath: /etc/entra-operator-ca
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{- toYaml . | nindent 0 }}
{{- end }}
{{- end }}

{{- define "entra-operator.volumes" -}}
- name: config
  configMap:
    name: {{ include "entra-operator.configMap" . }}
# What automounting would give, but with a token that expires after an hour.
- name: service-account
  projected:
    sources:
      - serviceAccountToken:
          path: token
          expirationSeconds: 3600
      - configMap:
          name: kube-root-ca.crt
          items:
            - key: ca.crt
              path: ca.crt
      - downwardAPI:
          items:
            - path: namespace
              fieldRef:
                fieldPath: metadata.namespace
{{- with .Values.certificates.configMap }}
- name: certificates
  configMap:
    name: {{ . }}
{{- end }}
{{- with .Values.extraVolumes }}
{{- toYaml . | nindent 0 }}
{{- end }}
{{- end }}
