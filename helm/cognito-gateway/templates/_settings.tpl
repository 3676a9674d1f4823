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

{{- /* Stops with one sentence where something is missing that the gateway could not start without. */ -}}
{{- define "cognito-gateway.requireSettings" -}}
{{- if not .Values.existingConfigMap -}}
{{- $settings := include "cognito-gateway.settings" . | fromYaml -}}
{{- if not $settings.publicUrl -}}
{{- fail "publicUrl is missing: give the https address that people use, such as --set publicUrl=https://apps.example.com" -}}
{{- else if not (regexMatch "^(https://[^/?#\\s]+|http://localhost(:[0-9]+)?)$" $settings.publicUrl) -}}
{{- fail (printf "publicUrl is %s: it must be an https address without a path, such as https://apps.example.com" $settings.publicUrl) -}}
{{- end -}}
{{- if not $settings.pools -}}
{{- fail "the user pool is missing: give userPoolId and clientId, or config.pools" -}}
{{- end -}}
{{- $several := gt (len $settings.pools) 1 -}}
{{- if and $several (not (hasKey $settings.pools "main")) -}}
{{- fail (printf "config.pools has %s and no main: call one of them main, which is the default and has publicUrl's callback" (keys $settings.pools | sortAlpha | join ", ")) -}}
{{- end -}}
{{- range $name, $pool := $settings.pools -}}
{{- if and $several (regexMatch "^[0-9]+$" $name) -}}
{{- fail (printf "config.pools.%s must have another name: one of digits alone goes before main" $name) -}}
{{- end -}}
{{- if or (not $pool.userPoolId) (not $pool.clientId) -}}
{{- fail (printf "the user pool %s is not complete: it needs both userPoolId and clientId" $name) -}}
{{- else if not (regexMatch "^[a-z]+-[a-z-]+-[0-9]_[A-Za-z0-9]{1,55}$" $pool.userPoolId) -}}
{{- fail (printf "the id of the user pool %s is %s: it must look like eu-west-1_AbCdEfGhI" $name $pool.userPoolId) -}}
{{- end -}}
{{- end -}}
{{- if not $settings.applications -}}
{{- fail "the application is missing: give upstream, such as --set upstream=http://wiki.wiki.svc:8080, or config.applications" -}}
{{- end -}}
{{- range $name, $application := $settings.applications -}}
{{- if and (kindIs "string" $application.upstream) (not (regexMatch "^https?://[^/?#\\s]+(/[^?#\\s]*)?$" $application.upstream)) -}}
{{- fail (printf "the upstream of %s is %s: it must be an address such as http://wiki.wiki.svc:8080" $name $application.upstream) -}}
{{- end -}}
{{- end -}}
{{- if and (not .Values.existingSecret) (contains (printf "%s/" (include "cognito-gateway.secrets" .)) ($settings | toYaml)) -}}
{{- fail "existingSecret is missing: name the Secret that holds client-secret and session-key; the chart's README tells how to make one" -}}
{{- end -}}
{{- end -}}
{{- $known := include "cognito-gateway.settings" . | fromYaml -}}
{{- range $key := list "admin" "forwardAuth" -}}
{{- $host := dig $key "host" "" $known | toString -}}
{{- if regexMatch "^(127\\..*|localhost|\\[?::1\\]?)$" $host -}}
{{- fail (printf "config.%s.host is %s: nobody reaches that from outside the pod; leave it out, or give 0.0.0.0" $key $host) -}}
{{- end -}}
{{- end -}}
{{- range .Values.extraEnv -}}
{{- $name := tpl (toString .name) $ -}}
{{- if regexMatch "(?i)^COGNITO_GATEWAY__(LISTEN|ADMIN|FORWARD_?AUTH|SHUTDOWN)(_|$)" $name -}}
{{- fail (printf "extraEnv has %s: the chart has to know it, so give it in config" $name) -}}
{{- end -}}
{{- end -}}
{{- $taken := list -}}
{{- if .Values.existingSecret -}}{{- $taken = append $taken "cognito-gateway" -}}{{- end -}}
{{- if eq (include "cognito-gateway.mountsRedisSecret" .) "true" -}}{{- $taken = append $taken "cognito-gateway-redis" -}}{{- end -}}
{{- range .Values.extraSecrets -}}
{{- $name := tpl . $ -}}
{{- if has $name $taken -}}
{{- fail (printf "extraSecrets has %s twice, or another Secret is at /run/secrets/%s already: leave it out, or give the Secret another name" $name $name) -}}
{{- end -}}
{{- $taken = append $taken $name -}}
{{- end -}}
{{- if and .Values.redis.host .Values.redis.urlKey -}}
{{- fail "redis.host and redis.urlKey are both given: give the whole address by urlKey, or its parts" -}}
{{- else if and .Values.redis.username (not .Values.redis.passwordKey) -}}
{{- fail "redis.passwordKey is missing: redis.username needs the key that holds its password" -}}
{{- end -}}
{{- if and (eq (include "cognito-gateway.hasRedis" .) "true") (or .Values.redis.urlKey .Values.redis.passwordKey .Values.redis.caKey) (not (include "cognito-gateway.redisSecret" .)) -}}
{{- fail "redis.existingSecret is missing: name the Secret that holds the keys which redis names" -}}
{{- end -}}
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

{{- /* The least time between SIGTERM and SIGKILL in which the gateway can do all that it is set to do. */ -}}
{{- define "cognito-gateway.gracePeriod" -}}
{{- if kindIs "invalid" .Values.terminationGracePeriodSeconds -}}
{{- $settings := include "cognito-gateway.settings" . | fromYaml -}}
{{- add (dig "shutdown" "drainDelaySeconds" 10 $settings) (dig "shutdown" "shutdownTimeoutSeconds" 30 $settings) 5 -}}
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
