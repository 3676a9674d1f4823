{{- /* What Helm prints at the end; here, because tests cannot see it there without a cluster. */ -}}
{{- define "cognito-gateway.notes" -}}
{{- $settings := include "cognito-gateway.settings" . | fromYaml }}
{{- $pools := include "cognito-gateway.pools" $settings | fromYamlArray | default (list "main") }}
{{- $endpoints := dig "endpoints" dict $settings }}
{{- $prefix := include "cognito-gateway.prefix" . }}
{{- $url := $settings.publicUrl | default "https://YOUR-ADDRESS" | trimSuffix "/" }}
{{- $name := include "cognito-gateway.fullname" . }}
{{- $kubectl := printf "kubectl -n %s" .Release.Namespace }}
{{- $pods := printf "-l app.kubernetes.io/instance=%s,app.kubernetes.io/component=gateway" .Release.Name }}
{{- $image := include "cognito-gateway.image" . }}
{{- $replicas := include "cognito-gateway.mostReplicas" . | int }}
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
     {{ $kubectl }} rollout status deployment/{{ $name }}
     helm -n {{ .Release.Namespace }} test {{ .Release.Name }} --logs
   If pods wait in Init, the settings have a fault, and this tells all of them:
     {{ $kubectl }} logs {{ $pods }} -c check --prefix --tail=-1
   Where there is no such log, they wait for a Secret, a key of one, or the image, and this says for which:
     {{ $kubectl }} describe pod {{ $pods }}
   There must be in {{ .Release.Namespace }}:
{{- with .Values.existingConfigMap }}
     the ConfigMap {{ tpl . $ }} with the key gateway.yaml
{{- end }}
{{- range $secret, $keys := include "cognito-gateway.neededSecrets" . | fromYaml }}
     the Secret {{ $secret }}{{ with $keys }} with {{ gt (len .) 1 | ternary "the keys" "the key" }} {{ join ", " . }}{{ end }}
{{- end }}
{{- if not (contains "/" $image) }}
   The image is {{ $image }} without a registry, and none of that name is published: push yours, and give image.registry.
{{- end }}
{{- if and (gt $replicas 1) (not .Values.existingConfigMap) (not (dig "session" "redis" "" $settings)) }}
   With {{ $replicas }} replicas and without redis a sign-out is known to one of them only: a copied cookie goes on at the others. Give redis, or one replica.
{{- end }}
{{ $routed := or .Values.httpRoute.enabled .Values.ingress.enabled }}
{{- if $routed }}
3. Point the names {{ include "cognito-gateway.routedHosts" (dict "root" . "given" (.Values.httpRoute.enabled | ternary .Values.httpRoute.hostnames .Values.ingress.hosts) "key" "the host") | fromYamlArray | join ", " }} at your {{ .Values.httpRoute.enabled | ternary "Gateway" "ingress" }}, and open {{ $url }}
{{- else if $settings.forwardAuth }}
3. In {{ $settings.forwardAuth.proxy | default "the proxy" }}, send {{ $url }}{{ $prefix }}/ to the Service {{ $name }}, port {{ .Values.service.port }}, and everything else to the application.
{{- else if hasPrefix "http://" $url }}
3. Lead {{ $url }} to it, and open that:
     {{ $kubectl }} port-forward service/{{ $name }} {{ regexFind "[0-9]+$" $url | default "80" }}:{{ .Values.service.port }}
{{- else }}
3. Send {{ $url }} to the Service {{ $name }}, port {{ .Values.service.port }}, with TLS in front of it: httpRoute.enabled or ingress.enabled do it.
{{- end }}
{{- with include "cognito-gateway.forwardAuthPort" . }}
   {{ $settings.forwardAuth.proxy | default "The proxy" }} asks at the Service {{ $name }}-forward-auth, port {{ . }}, who may pass.
{{- end }}
   Applications must be reachable through {{ $settings.forwardAuth | empty | ternary "the gateway" "the gateway or the proxy that asks it" }} only: whoever reaches one directly can send it any header.
{{- end -}}

{{- /* The keys that each Secret must have, by its name. What an own ConfigMap wants is not known. */ -}}
{{- define "cognito-gateway.neededSecrets" -}}
{{- $settings := .Values.existingConfigMap | empty | ternary (include "cognito-gateway.settings" .) "" -}}
{{- $folders := dict -}}
{{- with .Values.existingSecret }}{{- $_ := set $folders (include "cognito-gateway.secrets" $) (tpl . $) -}}{{- end -}}
{{- $redis := include "cognito-gateway.redisSecret" . -}}
{{- if eq (include "cognito-gateway.mountsRedisSecret" .) "true" -}}
{{- $_ := set $folders (printf "%s-redis" (include "cognito-gateway.secrets" .)) $redis -}}
{{- end -}}
{{- range .Values.extraSecrets -}}{{- $_ := set $folders (printf "/run/secrets/%s" (tpl . $)) (tpl . $) -}}{{- end -}}
{{- $needed := dict -}}
{{- range $folder, $secret := $folders -}}
{{- $keys := get $needed $secret | default list -}}
{{- range regexFindAll (printf "%s/[-._A-Za-z0-9]+" (regexQuoteMeta $folder)) $settings -1 -}}{{- $keys = append $keys (base .) -}}{{- end -}}
{{- $_ := set $needed $secret ($keys | uniq | sortAlpha) -}}
{{- end -}}
{{- with .Values.redis.passwordKey -}}
{{- $_ := set $needed $redis (append (get $needed $redis | default list) . | uniq) -}}
{{- end -}}
{{- toYaml $needed -}}
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
