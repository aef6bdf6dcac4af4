{{- define "infini.name" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- /* A value as text. Helm reads the numbers of a file as floating point, whose own text has an exponent from a million on. */}}
{{- define "infini.text" -}}
{{- if kindIs "string" . }}{{ . }}{{ else }}{{ toJson . }}{{ end -}}
{{- end -}}

{{- /* Seconds, which may be text, as a number. */}}
{{- define "infini.seconds" -}}
{{- toString . | trim | float64 | toJson -}}
{{- end -}}

{{- /* How long a pod may take to end: these seconds together, as the whole ones that Kubernetes wants. */}}
{{- define "infini.grace" -}}
{{- $sum := 0.0 -}}
{{- range . -}}
{{- $sum = addf $sum (include "infini.seconds" . | float64) -}}
{{- end -}}
{{- ceil $sum | int64 -}}
{{- end -}}

{{- /* The babysitter's file of a pool. */}}
{{- define "infini.instance" -}}
name = {{ .name | quote }}
host = "0.0.0.0"
port = {{ .port }}

[babysitter]
drain_timeout = {{ include "infini.seconds" .drainTimeoutSeconds }}

{{ .backend | trim }}
{{- end -}}

{{- /* Fails for a name that is there twice: .names, and .of whom they are. */}}
{{- define "infini.once" -}}
{{- $of := .of -}}
{{- $seen := dict -}}
{{- range .names -}}
{{- if hasKey $seen . -}}
{{- fail (printf "%s: name %s (expected: each name once)" $of .) -}}
{{- end -}}
{{- $_ := set $seen . true -}}
{{- end -}}
{{- end -}}

{{- /* Fails for a range that holds no number: .autoscaling, and .of whom it is. */}}
{{- define "infini.range" -}}
{{- if gt (int .autoscaling.minReplicas) (int .autoscaling.maxReplicas) -}}
{{- fail (printf "%s.autoscaling: minReplicas %v (expected: maxReplicas, %v, or less)" .of .autoscaling.minReplicas .autoscaling.maxReplicas) -}}
{{- end -}}
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

{{- define "infini.ownRegistry" -}}
{{- if and .Values.registry.enabled (not .Values.registry.url) -}}true{{- end -}}
{{- end -}}

{{- define "infini.registry" -}}
{{- if .Values.registry.url -}}
{{ .Values.registry.url }}
{{- else if .Values.registry.enabled -}}
http://{{ include "infini.name" . }}-registry:{{ .Values.registry.port }}
{{- end -}}
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
