{{/* What all namespaced objects are called: as the release, if that says moorline. */}}
{{- define "moorline.name" -}}
{{- if contains "moorline" .Release.Name }}{{ .Release.Name }}{{ else }}{{ printf "%s-moorline" .Release.Name }}{{ end }}
{{- end }}

{{/* Its own, so that a release that serves another class beside it leads there. */}}
{{- define "moorline.lease" -}}
{{- .Values.electionId | default (printf "%s-ingress-leader" (include "moorline.name" .)) }}
{{- end }}

{{- define "moorline.selector" -}}
app.kubernetes.io/name: moorline
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: ingress-controller
{{- end }}

{{- define "moorline.labels" -}}
{{ include "moorline.selector" . }}
app.kubernetes.io/part-of: moorline
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* Those that are watched, with its own: the Service is there whose address it publishes. */}}
{{- define "moorline.namespaces" -}}
{{- with .Values.watchNamespaces }}{{ append . $.Release.Namespace | uniq | join "," }}{{ end }}
{{- end }}

{{- define "moorline.subject" -}}
- { kind: ServiceAccount, name: {{ include "moorline.name" . }}, namespace: {{ .Release.Namespace }} }
{{- end }}

{{/* What is watched, wherever. deploy/base/cluster-role.yaml says why. */}}
{{- define "moorline.watched" -}}
- { apiGroups: [""], resources: [services, pods], verbs: [list, watch] }
- { apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [list, watch] }
- { apiGroups: [apps], resources: [statefulsets], verbs: [list, watch] }
- { apiGroups: [""], resources: [secrets], verbs: [get] }
- { apiGroups: [networking.k8s.io], resources: [ingresses/status], verbs: [patch] }
- { apiGroups: ["", events.k8s.io], resources: [events], verbs: [create, patch] }
{{- end }}

{{/* Flags that have a value are variables, as in deploy/base. */}}
{{- define "moorline.env" -}}
- name: POD_NAME
  valueFrom: { fieldRef: { fieldPath: metadata.name } }
- name: POD_NAMESPACE
  valueFrom: { fieldRef: { fieldPath: metadata.namespace } }
{{- if .Values.publishStatusAddresses }}
- { name: MOORLINE_PUBLISH_STATUS_ADDRESS, value: {{ join "," .Values.publishStatusAddresses | quote }} }
{{- else if eq .Values.service.type "LoadBalancer" }}
- { name: MOORLINE_PUBLISH_SERVICE, value: $(POD_NAMESPACE)/{{ include "moorline.name" . }} }
{{- end }}
- { name: MOORLINE_SHUTDOWN_GRACE_PERIOD, value: {{ .Values.shutdownGracePeriodSeconds }}s }
{{- if ne .Values.ingressClass.name "moorline" }}
- { name: MOORLINE_INGRESS_CLASS, value: {{ .Values.ingressClass.name }} }
{{- end }}
{{- with .Values.ingressClass.controller }}
- { name: MOORLINE_CONTROLLER_CLASS, value: {{ . | quote }} }
{{- end }}
{{- if .Values.watchIngressWithoutClass }}
- { name: MOORLINE_WATCH_INGRESS_WITHOUT_CLASS, value: "true" }
{{- end }}
{{- if .Values.watchNamespaces }}
- { name: MOORLINE_WATCH_NAMESPACE, value: {{ include "moorline.namespaces" . | quote }} }
{{- /* IngressClasses belong to no namespace, and may not be read: their name has to do. */}}
- { name: MOORLINE_INGRESS_CLASS_BY_NAME, value: "true" }
{{- end }}
{{- if ne (include "moorline.lease" .) "moorline-ingress-leader" }}
- { name: MOORLINE_ELECTION_ID, value: {{ include "moorline.lease" . | quote }} }
{{- end }}
{{- if ne .Values.sessionKeysSecret "moorline-session-keys" }}
- { name: MOORLINE_SESSION_KEYS_SECRET, value: {{ .Values.sessionKeysSecret | quote }} }
{{- end }}
{{- if .Values.workers }}
- { name: MOORLINE_WORKERS, value: {{ .Values.workers | quote }} }
{{- end }}
{{- $texts := dict
  "MOORLINE_WATCH_NAMESPACE_SELECTOR" .Values.watchNamespaceSelector
  "MOORLINE_TRUSTED_PROXIES" (join "," .Values.trustedProxies)
  "MOORLINE_PROXY_PROTOCOL_FROM" (join "," .Values.proxyProtocolFrom)
  "MOORLINE_DEFAULT_BACKEND_SERVICE" .Values.defaultBackendService
  "MOORLINE_DEFAULT_SSL_CERTIFICATE" .Values.defaultSslCertificate
  "MOORLINE_LEGACY_COOKIES_UNTIL" .Values.legacyCookiesUntil
  "MOORLINE_ACCESS_LOG" .Values.accessLog }}
{{- range $name, $value := $texts }}
{{- with $value }}
- { name: {{ $name }}, value: {{ . | quote }} }
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}
