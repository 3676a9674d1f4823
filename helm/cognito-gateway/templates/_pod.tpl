{{- /* The pod of the gateway. */ -}}

{{- define "cognito-gateway.podSpec" -}}
serviceAccountName: {{ include "cognito-gateway.serviceAccountName" . }}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: {{ include "cognito-gateway.gracePeriod" . }}
{{- with include "cognito-gateway.imagePullSecrets" . }}
{{ . }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- range $key := list "readinessGates" "nodeSelector" "tolerations" "affinity" "hostAliases" "dnsConfig" }}
{{- with get $.Values $key }}
{{ $key }}:
  {{- tpl (toYaml .) $ | nindent 2 }}
{{- end }}
{{- end }}
{{- with .Values.dnsPolicy }}
dnsPolicy: {{ . }}
{{- end }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
topologySpreadConstraints:
  {{- if kindIs "invalid" .Values.topologySpreadConstraints }}
  {{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - topologyKey: {{ $key }}
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    nodeTaintsPolicy: Honor
    labelSelector:
      matchLabels:
        {{- include "cognito-gateway.podSelector" $ | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
  {{- else }}
  {{- tpl (toYaml .Values.topologySpreadConstraints) . | nindent 2 }}
  {{- end }}
{{- if or .Values.check.enabled .Values.extraInitContainers }}
initContainers:
  {{- /* First of all, so that they can fetch what the settings name. */}}
  {{- with .Values.extraInitContainers }}
  {{- tpl (toYaml .) $ | nindent 2 }}
  {{- end }}
  {{- if .Values.check.enabled }}
  - name: check
    {{- include "cognito-gateway.containerImage" . | nindent 4 }}
    args: [check, --config, /etc/cognito-gateway/gateway.yaml, --replicas, {{ include "cognito-gateway.mostReplicas" . | quote }}]
    {{- include "cognito-gateway.environment" . | nindent 4 }}
    securityContext:
      {{- toYaml .Values.securityContext | nindent 6 }}
    resources:
      {{- toYaml .Values.resources | nindent 6 }}
    volumeMounts:
      {{- include "cognito-gateway.volumeMounts" . | nindent 6 }}
  {{- end }}
{{- end }}
containers:
  - name: gateway
    {{- include "cognito-gateway.containerImage" . | nindent 4 }}
    args: [serve, --config, /etc/cognito-gateway/gateway.yaml]
    {{- include "cognito-gateway.environment" . | nindent 4 }}
    ports:
      - { name: http, containerPort: {{ include "cognito-gateway.port" . }}, protocol: TCP }
      - { name: admin, containerPort: {{ include "cognito-gateway.adminPort" . }}, protocol: TCP }
      {{- with include "cognito-gateway.forwardAuthPort" . }}
      - { name: forward-auth, containerPort: {{ . }}, protocol: TCP }
      {{- end }}
    # None of them asks Cognito or Redis: an outage of either must not take every replica away.
    startupProbe:
      httpGet: { path: /livez, port: admin }
      {{- toYaml .Values.startupProbe | nindent 6 }}
    livenessProbe:
      httpGet: { path: /livez, port: admin }
      {{- toYaml .Values.livenessProbe | nindent 6 }}
    readinessProbe:
      httpGet: { path: /readyz, port: admin }
      {{- toYaml .Values.readinessProbe | nindent 6 }}
    securityContext:
      {{- toYaml .Values.securityContext | nindent 6 }}
    resources:
      {{- toYaml .Values.resources | nindent 6 }}
    volumeMounts:
      {{- include "cognito-gateway.volumeMounts" . | nindent 6 }}
  {{- with .Values.extraContainers }}
  {{- tpl (toYaml .) $ | nindent 2 }}
  {{- end }}
volumes:
  {{- include "cognito-gateway.volumes" . | nindent 2 }}
{{- end -}}

{{- define "cognito-gateway.containerImage" -}}
image: {{ include "cognito-gateway.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- end -}}

{{- define "cognito-gateway.environment" -}}
{{- $parts := and .Values.redis.host (not .Values.redis.urlKey) -}}
{{- if or $parts .Values.extraEnv -}}
env:
  {{- if $parts }}
  {{- with .Values.redis.passwordKey }}
  - name: REDIS_PASSWORD
    valueFrom:
      secretKeyRef: { name: {{ include "cognito-gateway.redisSecret" $ | quote }}, key: {{ . | quote }} }
  {{- end }}
  - name: REDIS_URL
    value: {{ include "cognito-gateway.redisUrl" . | quote }}
  {{- end }}
  {{- with .Values.extraEnv }}
  {{- tpl (toYaml .) $ | nindent 2 }}
  {{- end }}
{{- end }}
{{- with .Values.extraEnvFrom }}
envFrom:
  {{- tpl (toYaml .) $ | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "cognito-gateway.mountsRedisSecret" -}}
{{- or .Values.redis.urlKey .Values.redis.caKey | empty | ternary "false" "true" -}}
{{- end -}}

{{- define "cognito-gateway.volumeMounts" -}}
{{- $secrets := include "cognito-gateway.secrets" . -}}
- { name: config, mountPath: /etc/cognito-gateway, readOnly: true }
{{- if .Values.existingSecret }}
- { name: secrets, mountPath: {{ $secrets }}, readOnly: true }
{{- end }}
{{- if eq (include "cognito-gateway.mountsRedisSecret" .) "true" }}
- { name: redis, mountPath: {{ $secrets }}-redis, readOnly: true }
{{- end }}
{{- range $index, $name := .Values.extraSecrets }}
- { name: secret-{{ $index }}, mountPath: {{ printf "/run/secrets/%s" (tpl $name $) | quote }}, readOnly: true }
{{- end }}
- { name: tmp, mountPath: /tmp }
{{- with .Values.extraVolumeMounts }}
{{ tpl (toYaml .) $ }}
{{- end }}
{{- end -}}

{{- /* Whole Secrets are mounted, never single files of them: only so does a changed Secret arrive without a restart. Volumes have numbers, because
names of Secrets may be longer than theirs and have dots. */ -}}
{{- define "cognito-gateway.volumes" -}}
- name: config
  configMap:
    name: {{ tpl (.Values.existingConfigMap | default (include "cognito-gateway.fullname" .)) . }}
{{- with .Values.existingSecret }}
- name: secrets
  secret: { secretName: {{ tpl . $ | quote }}, defaultMode: 0440, optional: false }
{{- end }}
{{- if eq (include "cognito-gateway.mountsRedisSecret" .) "true" }}
- name: redis
  secret: { secretName: {{ include "cognito-gateway.redisSecret" . | quote }}, defaultMode: 0440, optional: false }
{{- end }}
{{- range $index, $name := .Values.extraSecrets }}
- name: secret-{{ $index }}
  secret: { secretName: {{ tpl $name $ | quote }}, defaultMode: 0440, optional: false }
{{- end }}
- name: tmp
  emptyDir: { sizeLimit: 16Mi }
{{- with .Values.extraVolumes }}
{{ tpl (toYaml .) $ }}
{{- end }}
{{- end -}}
