{{- /* One endpoint of a ServiceMonitor or PodMonitor. Takes { root, monitor }. */ -}}
{{- define "cognito-gateway.monitorEndpoint" -}}
- port: admin
  path: /metrics
  interval: {{ .monitor.interval }}
  scrapeTimeout: {{ .monitor.scrapeTimeout }}
  {{- with .monitor.relabelings }}
  relabelings:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .monitor.metricRelabelings }}
  metricRelabelings:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
