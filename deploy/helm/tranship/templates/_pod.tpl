{{/*
The parts that every pod has. They are called with a dict: root, component, projections (sources of the Secrets) and
resources.
*/}}

{{- define "tranship.podSpec" -}}
serviceAccountName: {{ include "tranship.name" .root }}-{{ .component }}
automountServiceAccountToken: false
terminationGracePeriodSeconds: {{ .root.Values.terminationGracePeriodSeconds }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001 # lets the init container read the Secrets
  seccompProfile: {type: RuntimeDefault}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.affinity }}
affinity: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "tranship.image" -}}
image: "{{ .root.Values.image.repository }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}"
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/*
A service refuses a key that others than its owner may read, and the kubelet makes files of a Secret readable for the pod's
group. So the keys are copied, into memory, to files of the service's own.
*/}}
{{- define "tranship.initKeys" -}}
- name: keys
  {{- include "tranship.image" . | nindent 2 }}
  command: ["/bin/sh", "-ec", "umask 077; cp -fL /run/secrets/tranship/* /etc/tranship/keys/"]
  resources: {requests: {cpu: 10m, memory: 16Mi}, limits: {memory: 32Mi}}
  volumeMounts:
    - {name: secrets, mountPath: /run/secrets/tranship, readOnly: true}
    - {name: keys, mountPath: /etc/tranship/keys}
{{- end }}

{{- define "tranship.volumes" -}}
- name: secrets
  projected:
    defaultMode: 0400
    sources: {{ .projections | nindent 6 }}
- name: keys
  emptyDir: {medium: Memory, sizeLimit: 1Mi}
- name: tmp
  emptyDir: {sizeLimit: 1Gi}
{{- end }}

{{- define "tranship.probes" -}}
ports:
  - {name: ops, containerPort: 9464}
startupProbe:
  httpGet: {path: /healthz, port: ops}
  periodSeconds: 2
  failureThreshold: 45
livenessProbe:
  httpGet: {path: /healthz, port: ops}
  periodSeconds: 10
readinessProbe:
  httpGet: {path: /readyz, port: ops}
  periodSeconds: 5
{{- end }}
