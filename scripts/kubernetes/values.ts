import { parseArgs } from 'node:util';

/** What differs from cluster to cluster. */
export interface Values {
  /** Of ollana; see packaging/Dockerfile. */
  readonly image: string;
  readonly ollamaImage: string;
  readonly namespace: string;
  /** Of the names that the cluster's DNS makes. */
  readonly clusterDomain: string;
  /** Label of the nodes that have a GPU, `KEY=VALUE`; empty: all nodes. */
  readonly node: string;
  /** What a pod asks for to get a GPU; empty: nothing. */
  readonly gpu: string;
  /** Client-mode ollanas behind one service; they know nothing of each other and need not. */
  readonly replicas: number;
}

const OPTIONS = {
  image: { type: 'string' },
  'ollama-image': { type: 'string', default: 'ollama/ollama:latest' },
  namespace: { type: 'string', default: 'default' },
  'cluster-domain': { type: 'string', default: 'cluster.local' },
  node: { type: 'string', default: 'nvidia.com/gpu.present=true' },
  gpu: { type: 'string', default: 'nvidia.com/gpu' },
  replicas: { type: 'string', default: '2' },
} as const;

/** Names that DNS and Kubernetes both take (RFC 1123). */
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** Reads the command line. Throws an Error that names what is wrong and the remedy. */
export function readValues(args: readonly string[]): Values {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  const { image, namespace, node, gpu } = values;
  const replicas = Number(values.replicas);
  const clusterDomain = values['cluster-domain'];
  if (!image) throw new Error('name the image with --image, such as registry.example/ollana:1');
  if (!LABEL.test(namespace)) throw new Error(`--namespace ${namespace}: give a name of a-z, 0-9 and -`);
  if (!clusterDomain.split('.').every((label) => LABEL.test(label)))
    throw new Error(`--cluster-domain ${clusterDomain}: give a domain such as cluster.local`);
  if (node !== '' && !/^[^=\s]+=[^=\s]*$/.test(node))
    throw new Error(`--node ${node}: give a label such as nvidia.com/gpu.present=true`);
  if (!Number.isInteger(replicas) || replicas < 0) throw new Error('--replicas: give a whole number');
  return {
    image,
    ollamaImage: values['ollama-image'],
    namespace,
    clusterDomain,
    node,
    gpu,
    replicas,
  };
}
