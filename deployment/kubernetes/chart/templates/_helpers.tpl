{{- define "infini.name" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "infini.selector" -}}
app.kubernetes.io/name: infinilm-svc
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "infini.labels" -}}
{{ include "infini.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "infini.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{- define "infini.discover" -}}
{{ .Values.router.discover | default (printf "kubernetes/infinilm.org/instance=true,app.kubernetes.io/instance=%s" .Release.Name) }}
{{- end -}}

{{- define "infini.podSecurity" -}}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile:
    type: RuntimeDefault
{{- end -}}

{{- define "infini.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end -}}
