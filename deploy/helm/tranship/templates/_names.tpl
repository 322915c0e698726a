{{- define "tranship.name" -}}
{{- $name := ternary .Release.Name (printf "%s-tranship" .Release.Name) (contains "tranship" .Release.Name) -}}
{{- $name | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{/* What selects the pods of the release. */}}
{{- define "tranship.selector" -}}
app.kubernetes.io/name: tranship
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "tranship.labels" -}}
{{ include "tranship.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "tranship.nats" -}}
{{- if .Values.nats.enabled -}}
nats://{{ include "tranship.name" . }}-nats:4222
{{- else -}}
{{ required "nats.url: needed when nats.enabled is false" .Values.nats.url }}
{{- end -}}
{{- end }}
