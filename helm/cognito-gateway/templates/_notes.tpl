{{- /* What Helm prints at the end; here, because tests cannot see it there without a cluster. */ -}}
{{- define "cognito-gateway.notes" -}}
{{- $settings := include "cognito-gateway.settings" . | fromYaml }}
{{- $pools := include "cognito-gateway.pools" $settings | fromYamlArray | default (list "main") }}
{{- $endpoints := dig "endpoints" dict $settings }}
{{- $prefix := include "cognito-gateway.prefix" . }}
{{- $url := $settings.publicUrl | default "https://YOUR-ADDRESS" }}
{{- $name := include "cognito-gateway.fullname" . }}
Cognito Gateway {{ .Chart.AppVersion }} is being rolled out as {{ $name }} in {{ .Release.Namespace }}. Three steps are left:
{{ range $index, $pool := $pools }}
{{- $origins := include "cognito-gateway.callbackOrigins" (dict "settings" $settings "url" $url "pool" $pool "first" (first $pools)) | fromYamlArray }}
{{ if $index }}   At{{ else }}1. At Cognito, enter these addresses at{{ end }} the app client{{ if gt (len $pools) 1 }} of the pool {{ $pool }}{{ end }}{{ if $index }}{{ else }}, letter by letter{{ end }}:
{{- range $origins }}
     Allowed callback URL   {{ . }}{{ if $index }}{{ $prefix }}/callback/{{ $pool }}{{ else }}{{ $endpoints.callback | default (printf "%s/callback" $prefix) }}{{ end }}
     Allowed sign-out URL   {{ . }}{{ $prefix }}/signed_out
{{- else }}
     none: it has no host on which people sign in
{{- end }}
{{- end }}

2. See that it runs, and what it says:
     kubectl -n {{ .Release.Namespace }} rollout status deployment/{{ $name }}
     helm -n {{ .Release.Namespace }} test {{ .Release.Name }} --logs
   If pods wait in Init, the settings have a fault, and this tells all of them:
     kubectl -n {{ .Release.Namespace }} logs -l app.kubernetes.io/instance={{ .Release.Name }},app.kubernetes.io/component=gateway -c check --prefix --tail=-1
{{ if or .Values.httpRoute.enabled .Values.ingress.enabled }}
3. Point the names {{ include "cognito-gateway.routedHosts" (dict "root" . "given" (.Values.httpRoute.enabled | ternary .Values.httpRoute.hostnames .Values.ingress.hosts) "key" "the host") | fromYamlArray | join ", " }} at your {{ .Values.httpRoute.enabled | ternary "Gateway" "ingress" }}, and open {{ $url }}
{{- else }}
3. Send {{ $url }} to the Service {{ $name }}, port {{ .Values.service.port }}, with TLS in front of it: httpRoute.enabled or ingress.enabled do it.
{{- end }}
   Applications must be reachable through the gateway only: whoever reaches one directly can send it any header.
{{- end -}}

{{- /*
  Where Cognito sends people of a pool back to, as a YAML list: publicUrl, or every host of its applications. Takes { settings, url, pool, first },
  where first is the pool of publicUrl's host if no application is there.
*/ -}}
{{- define "cognito-gateway.callbackOrigins" -}}
{{- if ne (dig "endpoints" "callbackOn" "publicUrl" .settings) "eachHost" -}}
{{- list .url | toYaml -}}
{{- else -}}
{{- $pool := .pool -}}
{{- $first := .first -}}
{{- $address := urlParse .url -}}
{{- $main := regexReplaceAll ":[0-9]+$" $address.host "" -}}
{{- $taken := list -}}
{{- $theirs := list -}}
{{- range .settings.applications -}}
{{- $isTheirs := eq $pool (.pool | default $first) -}}
{{- range .hosts | default (list $main) -}}
{{- $host := regexReplaceAll ":[0-9]+$" . "" -}}
{{- $taken = append $taken $host -}}
{{- if $isTheirs -}}{{- $theirs = append $theirs $host -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- if and (eq $pool $first) (not (has $main $taken)) -}}{{- $theirs = prepend $theirs $main -}}{{- end -}}
{{- $origins := list -}}
{{- range $theirs | uniq -}}
{{- $origins = append $origins (printf "%s://%s%s" $address.scheme . (trimPrefix $main $address.host)) -}}
{{- end -}}
{{- $origins | toYaml -}}
{{- end -}}
{{- end -}}
