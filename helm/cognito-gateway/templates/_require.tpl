{{- /* What is refused while Helm renders, in one sentence each. */ -}}

{{- /* Stops with one sentence where something is missing that the gateway could not start without. */ -}}
{{- define "cognito-gateway.requireSettings" -}}
{{- if not .Values.existingConfigMap -}}
{{- $settings := include "cognito-gateway.settings" . | fromYaml -}}
{{- if not $settings.publicUrl -}}
{{- fail "publicUrl is missing: give the https address that people use, such as --set publicUrl=https://apps.example.com" -}}
{{- else if not (regexMatch "^(https://[^/?#\\s]+|http://localhost(:[0-9]+)?)/?$" $settings.publicUrl) -}}
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
{{- if and (kindIs "string" $application.upstream) (not (regexMatch "^(https?://[^/?#\\s]+(/[^?#\\s]*)?|unix:/[^:\\s]+(:/\\S*)?)$" $application.upstream)) -}}
{{- fail (printf "the upstream of %s is %s: it must be an address such as http://wiki.wiki.svc:8080 or unix:/run/app/app.sock" $name $application.upstream) -}}
{{- end -}}
{{- end -}}
{{- if and (eq (dig "session" "store" "" $settings) "redis") (not (dig "session" "redis" "url" "" $settings)) -}}
{{- fail "config.session.store is redis, and no Redis is given: give redis.urlKey or redis.host, or config.session.redis.url" -}}
{{- end -}}
{{- if and (not .Values.existingSecret) (contains (printf "%s/" (include "cognito-gateway.secrets" .)) ($settings | toYaml)) -}}
{{- fail "existingSecret is missing: name the Secret that holds client-secret and session-key; the chart's README tells how to make one" -}}
{{- end -}}
{{- end -}}
{{- include "cognito-gateway.requireListeners" . -}}
{{- include "cognito-gateway.requireSecrets" . -}}
{{- include "cognito-gateway.requireRedis" . -}}
{{- include "cognito-gateway.requireScale" . -}}
{{- end -}}

{{- define "cognito-gateway.requireListeners" -}}
{{- $known := include "cognito-gateway.settings" . | fromYaml -}}
{{- range $key := list "admin" "forwardAuth" -}}
{{- $host := dig $key "host" "" $known | toString -}}
{{- if regexMatch "^(127\\..*|localhost|\\[?::1\\]?)$" $host -}}
{{- fail (printf "config.%s.host is %s: nobody reaches that from outside the pod; leave it out, or give 0.0.0.0" $key $host) -}}
{{- end -}}
{{- end -}}
{{- $taken := dict -}}
{{- range $key := list "listen" "admin" "forwardAuth" "control" -}}
{{- if or (has $key (list "listen" "admin")) (get $known $key) -}}
{{- $port := dig $key "port" (get (dict "listen" 8080 "admin" 9090 "forwardAuth" 9092 "control" 9091) $key) $known | int -}}
{{- if lt $port 1024 -}}
{{- fail (printf "config.%s.port is %d: the gateway's user may listen from 1024 on only; those in front see service.port" $key $port) -}}
{{- end -}}
{{- with get $taken (toString $port) -}}
{{- fail (printf "config.%s.port is %d, and so is config.%s.port: give one of them another" $key $port .) -}}
{{- end -}}
{{- $_ := set $taken (toString $port) $key -}}
{{- end -}}
{{- end -}}
{{- range .Values.extraEnv -}}
{{- $name := tpl (toString .name) $ -}}
{{- if regexMatch "(?i)^COGNITO_GATEWAY__(LISTEN|ADMIN|FORWARD_?AUTH|SHUTDOWN)(_|$)" $name -}}
{{- fail (printf "extraEnv has %s: the chart has to know it, so give it in config" $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "cognito-gateway.requireSecrets" -}}
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
{{- end -}}

{{- define "cognito-gateway.requireRedis" -}}
{{- $host := tpl .Values.redis.host . -}}
{{- if not (regexMatch "^([A-Za-z0-9._-]*|\\[[0-9A-Fa-f:.]+\\])$" $host) -}}
{{- fail (printf "redis.host is %s: it must be a host alone, such as redis.redis.svc; the port, TLS and the user have values of their own" $host) -}}
{{- end -}}
{{- range $key := list "username" "passwordKey" "existingSecret" "caKey" -}}
{{- if and (get $.Values.redis $key) (not $host) (or (not $.Values.redis.urlKey) (has $key (list "username" "passwordKey"))) -}}
{{- fail (printf "redis.host is missing: redis.%s says nothing without it%s" $key ($.Values.redis.urlKey | empty | ternary "; or give redis.urlKey" ", and redis.urlKey holds the whole address")) -}}
{{- end -}}
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

{{- define "cognito-gateway.requireScale" -}}
{{- with .Values.autoscaling -}}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) -}}
{{- fail (printf "autoscaling.minReplicas is %d: it must not be above maxReplicas, %d" (int .minReplicas) (int .maxReplicas)) -}}
{{- end -}}
{{- end -}}
{{- $seconds := include "cognito-gateway.stopSeconds" . | int -}}
{{- if lt (include "cognito-gateway.gracePeriod" . | int) $seconds -}}
{{- fail (printf "terminationGracePeriodSeconds is %d: config.shutdown gives the gateway %d seconds to stop; leave it out, or change both" (int .Values.terminationGracePeriodSeconds) $seconds) -}}
{{- end -}}
{{- end -}}
