import { DEFAULTS } from '../../src/config.ts';
import { HELLO_PATH } from '../../src/fleet/identify.ts';
import type { Values } from './values.ts';

const SERVER = 'ollana';
const CLIENT = 'ollana-client';
/** Of the service port, of which DNS makes `_ollama._tcp`; ollana answers there as an Ollama does. */
const PORT_NAME = 'ollama';
/** ollana finishes requests in flight for up to 30 s. */
const GRACE_S = 35;
/** Nobody in particular: it needs no rights but to write its data. */
const USER = 10_001;

const labelsOf = (name: string) => ({ 'app.kubernetes.io/name': name });
const httpGet = (path: string) => ({ path, port: PORT_NAME });

/**
 * All objects, as one list that `kubectl apply -f -` takes: an Ollama with `ollana serve` before it on every GPU node,
 * a headless service whose DNS records lead to those of them whose Ollama answers, client-mode ollanas that follow
 * these records, and a service for apps. Broadcast and mDNS do not leave a pod, so they are off. Pure.
 */
export function manifest(values: Values): object {
  const { namespace } = values;
  const items = [headlessService(), daemonSet(values), deployment(values), appService()].map((item) => ({
    ...item,
    metadata: { ...item.metadata, namespace },
  }));
  return { apiVersion: 'v1', kind: 'List', items };
}

/** The name under which the cluster's DNS keeps the SRV records of the headless service. Pure. */
function srvName({ namespace, clusterDomain }: Values): string {
  return `_${PORT_NAME}._tcp.${SERVER}.${namespace}.svc.${clusterDomain}`;
}

function headlessService() {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: SERVER, labels: labelsOf(SERVER) },
    spec: {
      // Headless: DNS names every pod, and ollana chooses, who knows more than a balancer.
      clusterIP: 'None',
      selector: labelsOf(SERVER),
      ports: [{ name: PORT_NAME, protocol: 'TCP', port: DEFAULTS.port, targetPort: PORT_NAME }],
    },
  };
}

function daemonSet({ image, ollamaImage, node, gpu }: Values) {
  const [key = '', value = ''] = node.split('=');
  const gpuLimits = gpu === '' ? {} : { resources: { limits: { [gpu]: '1' } } };
  const ollama = {
    name: 'ollama',
    image: ollamaImage,
    // Others reach it through ollana only, which keeps its queue.
    env: [{ name: 'OLLAMA_HOST', value: '127.0.0.1:11434' }],
    ...gpuLimits,
    volumeMounts: [{ name: 'models', mountPath: '/root/.ollama' }],
  };
  const ollana = {
    ...container(image, ['serve', '--name', '$(NODE_NAME)', '--no-udp', '--no-mdns']),
    env: [{ name: 'NODE_NAME', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } }],
    // Answers as long as its Ollama does: DNS leaves a pod out whose Ollama is away.
    readinessProbe: { httpGet: httpGet('/api/version'), periodSeconds: 5, timeoutSeconds: 2 },
  };
  const spec = pod([ollama, ollana]);
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name: SERVER, labels: labelsOf(SERVER) },
    spec: {
      selector: { matchLabels: labelsOf(SERVER) },
      template: {
        metadata: { labels: labelsOf(SERVER) },
        spec: {
          ...spec,
          ...(node !== '' && { nodeSelector: { [key]: value } }),
          ...(gpu !== '' && { tolerations: [{ key: gpu, operator: 'Exists', effect: 'NoSchedule' }] }),
          volumes: [
            ...spec.volumes,
            // Models outlive the pod: they are large, and the node is the one with the GPU.
            { name: 'models', hostPath: { path: '/var/lib/ollama', type: 'DirectoryOrCreate' } },
          ],
        },
      },
    },
  };
}

function deployment(values: Values) {
  const { image, replicas } = values;
  const discover = ['--discover', `dns:${srvName(values)}`, '--no-udp', '--no-mdns', '--no-local-fallback'];
  const ollana = {
    // The name is one by which apps may call it: a Host that names somebody else is refused.
    ...container(image, ['--name', CLIENT, '--host', '0.0.0.0', ...discover]),
    // Ready without any server: requests wait for one.
    readinessProbe: { httpGet: httpGet(HELLO_PATH), periodSeconds: 5, timeoutSeconds: 2 },
  };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: CLIENT, labels: labelsOf(CLIENT) },
    spec: {
      replicas,
      selector: { matchLabels: labelsOf(CLIENT) },
      template: { metadata: { labels: labelsOf(CLIENT) }, spec: pod([ollana]) },
    },
  };
}

function appService() {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: CLIENT, labels: labelsOf(CLIENT) },
    spec: {
      selector: labelsOf(CLIENT),
      ports: [{ name: PORT_NAME, protocol: 'TCP', port: DEFAULTS.port, targetPort: PORT_NAME }],
    },
  };
}

function container(image: string, args: readonly string[]) {
  return {
    name: 'ollana',
    image,
    args: [...args, '--data-dir', '/data'],
    ports: [{ name: PORT_NAME, protocol: 'TCP', containerPort: DEFAULTS.port }],
    livenessProbe: { httpGet: httpGet(HELLO_PATH), periodSeconds: 10, timeoutSeconds: 5 },
    volumeMounts: [{ name: 'data', mountPath: '/data' }],
    securityContext: {
      runAsNonRoot: true,
      runAsUser: USER,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
  };
}

function pod(containers: readonly object[]) {
  return {
    terminationGracePeriodSeconds: GRACE_S,
    automountServiceAccountToken: false,
    // Of the pod's volumes, so that ollana's user may write its own.
    securityContext: { fsGroup: USER },
    containers,
    volumes: [{ name: 'data', emptyDir: {} }],
  };
}
