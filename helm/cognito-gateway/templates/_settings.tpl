{{- /* The gateway's settings, and what the chart has to know of them. */ -}}

{{- define "cognito-gateway.secrets" -}}/run/secrets/cognito-gateway{{- end -}}

{{- /* The settings as YAML: what the chart knows, and `config` over it. Maps merge, everything else of `config` replaces. */ -}}
{{- define "cognito-gateway.settings" -}}
{{- $config := tpl (toYaml .Values.config) . | fromYaml -}}
{{- if hasKey $config "Error" -}}
{{- fail (printf "config is no YAML once its templates are filled in: %s" $config.Error) -}}
{{- end -}}
{{- $secrets := include "cognito-gateway.secrets" . -}}
{{- $base := dict "admin" (dict "host" "0.0.0.0") "session" (dict "keys" (list (dict "file" (printf "%s/session-key" $secrets)))) -}}
{{- if kindIs "map" $config.forwardAuth }}{{- $_ := set $base "forwardAuth" (dict "host" "0.0.0.0") -}}{{- end -}}
{{- with .Values.publicUrl }}{{- $_ := set $base "publicUrl" (tpl . $) -}}{{- end -}}
{{- if or .Values.userPoolId .Values.clientId -}}
{{- $pool := dict "userPoolId" (tpl .Values.userPoolId .) "clientId" (tpl .Values.clientId .) -}}
{{- /* Where a secret comes from is one thing: what config says of it must not merge with what the chart says. */ -}}
{{- if not (dig "pools" "main" "clientSecret" "" $config) -}}
{{- $_ := set $pool "clientSecret" (dict "file" (printf "%s/client-secret" $secrets)) -}}
{{- end -}}
{{- $_ := set $base "pools" (dict "main" $pool) -}}
{{- end -}}
{{- with .Values.upstream -}}
{{- $_ := set $base "applications" (dict "main" (dict "upstream" (tpl . $) "access" "signedIn")) -}}
{{- end -}}
{{- if eq (include "cognito-gateway.hasRedis" .) "true" -}}
{{- $redis := .Values.redis.urlKey | empty | ternary (dict "env" "REDIS_URL") (dict "file" (printf "%s-redis/%s" $secrets .Values.redis.urlKey)) -}}
{{- $_ := set $base.session "redis" (dig "session" "redis" "url" "" $config | empty | ternary (dict "url" $redis) dict) -}}
{{- with .Values.redis.caKey }}{{- $_ := set $base.session.redis "caFile" (printf "%s-redis/%s" $secrets .) -}}{{- end -}}
{{- end -}}
{{- $settings := mergeOverwrite $base $config -}}
{{- omit $settings "pools" | toYaml -}}
{{- /* The order counts, and toYaml would sort. */ -}}
{{- with $settings.pools }}
pools:
{{- range $name := include "cognito-gateway.pools" $settings | fromYamlArray }}
{{- dict $name (get $settings.pools $name) | toYaml | nindent 2 }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* The names of the user pools as a YAML list. The first is the default, and that is main, whatever others are called. Takes the settings. */ -}}
{{- define "cognito-gateway.pools" -}}
{{- $names := keys (.pools | default dict) | sortAlpha -}}
{{- has "main" $names | ternary (prepend (without $names "main") "main") $names | toYaml -}}
{{- end -}}

{{- define "cognito-gateway.hasRedis" -}}
{{- or .Values.redis.urlKey .Values.redis.host | empty | ternary "false" "true" -}}
{{- end -}}

{{- define "cognito-gateway.redisSecret" -}}
{{- tpl (.Values.redis.existingSecret | default .Values.existingSecret) . -}}
{{- end -}}

{{- /* The address of a Redis that was given in parts; the kubelet puts the password in. */ -}}
{{- define "cognito-gateway.redisUrl" -}}
{{- $login := .Values.redis.passwordKey | empty | ternary "" (printf "%s:$(REDIS_PASSWORD)@" .Values.redis.username) -}}
{{- printf "%s://%s%s:%d/%d" (.Values.redis.tls | ternary "rediss" "redis") $login (tpl .Values.redis.host .) (int .Values.redis.port) (int .Values.redis.database) -}}
{{- end -}}

{{- define "cognito-gateway.port" -}}
{{- dig "listen" "port" 8080 (include "cognito-gateway.settings" . | fromYaml) | int -}}
{{- end -}}

{{- define "cognito-gateway.adminPort" -}}
{{- dig "admin" "port" 9090 (include "cognito-gateway.settings" . | fromYaml) | int -}}
{{- end -}}

{{- /* Empty where no other proxy asks. */ -}}
{{- define "cognito-gateway.forwardAuthPort" -}}
{{- $settings := include "cognito-gateway.settings" . | fromYaml -}}
{{- if $settings.forwardAuth -}}{{- dig "forwardAuth" "port" 9092 $settings | int -}}{{- end -}}
{{- end -}}

{{- define "cognito-gateway.scheme" -}}
{{- dig "listen" "tls" dict (include "cognito-gateway.settings" . | fromYaml) | empty | ternary "http" "https" -}}
{{- end -}}

{{- define "cognito-gateway.prefix" -}}
{{- dig "endpoints" "prefix" "/oauth2" (include "cognito-gateway.settings" . | fromYaml) -}}
{{- end -}}

{{- define "cognito-gateway.pingPath" -}}
{{- dig "endpoints" "ping" (printf "%s/ping" (include "cognito-gateway.prefix" .)) (include "cognito-gateway.settings" . | fromYaml) -}}
{{- end -}}

{{- define "cognito-gateway.stopSeconds" -}}
{{- $settings := include "cognito-gateway.settings" . | fromYaml -}}
{{- add (dig "shutdown" "drainDelaySeconds" 10 $settings) (dig "shutdown" "shutdownTimeoutSeconds" 30 $settings) -}}
{{- end -}}

{{- /* The least time between SIGTERM and SIGKILL in which the gateway can do all that it is set to do. */ -}}
{{- define "cognito-gateway.gracePeriod" -}}
{{- if kindIs "invalid" .Values.terminationGracePeriodSeconds -}}
{{- add (include "cognito-gateway.stopSeconds" .) 5 -}}
{{- else -}}
{{- int .Values.terminationGracePeriodSeconds -}}
{{- end -}}
{{- end -}}

{{- /* Every host that the gateway answers, as a YAML list: that of publicUrl first. */ -}}
{{- define "cognito-gateway.hosts" -}}
{{- $settings := include "cognito-gateway.settings" . | fromYaml -}}
{{- $hosts := list -}}
{{- with $settings.publicUrl -}}{{- $hosts = append $hosts (regexReplaceAll ":[0-9]+$" (urlParse .).host "") -}}{{- end -}}
{{- range $settings.applications -}}
{{- range .hosts -}}{{- $hosts = append $hosts (regexReplaceAll ":[0-9]+$" . "") -}}{{- end -}}
{{- end -}}
{{- $hosts | uniq | toYaml -}}
{{- end -}}

{{- /* The same, where something leads them here. Takes { root, given, key }: what was given for it, by that name. */ -}}
{{- define "cognito-gateway.routedHosts" -}}
{{- $hosts := .given | default (include "cognito-gateway.hosts" .root | fromYamlArray) -}}
{{- if not $hosts -}}
{{- fail (printf "%s is missing: the chart does not read existingConfigMap; give the hosts there, or publicUrl" .key) -}}
{{- end -}}
{{- tpl (toYaml $hosts) .root -}}
{{- end -}}

{{- /* As many as there may ever be: the check then knows that there are several. */ -}}
{{- define "cognito-gateway.mostReplicas" -}}
{{- .Values.autoscaling.enabled | ternary .Values.autoscaling.maxReplicas .Values.replicas | int | max 1 -}}
{{- end -}}

{{- define "cognito-gateway.leastReplicas" -}}
{{- .Values.autoscaling.enabled | ternary .Values.autoscaling.minReplicas .Values.replicas | int -}}
{{- end -}}

{{- /* Who issues the tokens of a pool. Takes the pool. */ -}}
{{- define "cognito-gateway.issuer" -}}
{{- $region := regexReplaceAll "_.*$" .userPoolId "" -}}
{{- .issuer | default (printf "https://cognito-idp.%s.amazonaws.com%s/%s" $region (hasPrefix "cn-" $region | ternary ".cn" "") .userPoolId) -}}
{{- end -}}
