{{- /* Names and labels. */ -}}

{{- define "cognito-gateway.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- /* Short enough for the suffixes that Services and the test get. */ -}}
{{- define "cognito-gateway.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains (include "cognito-gateway.name" .) .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "cognito-gateway.name" .) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "cognito-gateway.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "cognito-gateway.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "cognito-gateway.selector" -}}
app.kubernetes.io/name: {{ include "cognito-gateway.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- /* What pods of the gateway have and the pod of the test has not. */ -}}
{{- define "cognito-gateway.podSelector" -}}
{{ include "cognito-gateway.selector" . }}
app.kubernetes.io/component: gateway
{{- end -}}

{{- define "cognito-gateway.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "cognito-gateway.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ tpl (toYaml .) $ }}
{{- end }}
{{- end -}}

{{- define "cognito-gateway.image" -}}
{{- $registry := dig "imageRegistry" "" (.Values.global | default dict) | default .Values.image.registry -}}
{{- $name := empty $registry | ternary .Values.image.repository (printf "%s/%s" $registry .Values.image.repository) -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $name .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- /* Those of the whole and those of this chart. Charts do not agree whether global ones are names or maps. */ -}}
{{- define "cognito-gateway.imagePullSecrets" -}}
{{- $all := list -}}
{{- range concat (dig "imagePullSecrets" list (.Values.global | default dict) | default list) (.Values.imagePullSecrets | default list) -}}
{{- $all = append $all (kindIs "string" . | ternary (dict "name" .) .) -}}
{{- end -}}
{{- with $all | uniq -}}
imagePullSecrets:
  {{- tpl (toYaml .) $ | nindent 2 }}
{{- end -}}
{{- end -}}

{{- /* Metadata but the name: namespace, labels, annotations. Takes { root, component, annotations }. */ -}}
{{- define "cognito-gateway.metadata" -}}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "cognito-gateway.labels" .root | nindent 2 }}
  {{- with .component }}
  app.kubernetes.io/component: {{ . }}
  {{- end }}
  {{- with .labels }}
  {{- tpl (toYaml .) $.root | nindent 2 }}
  {{- end }}
{{- $annotations := merge (dict) (.annotations | default dict) (.root.Values.commonAnnotations | default dict) }}
{{- with $annotations }}
annotations:
  {{- tpl (toYaml .) $.root | nindent 2 }}
{{- end }}
{{- end -}}
