import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { DEFAULTS } from '../src/config.ts';
import { startSimulatedOllama } from '../src/simulate/ollama.ts';
import { startDaemon } from './_daemon.ts';
import { until } from './_deadline.ts';
import { a, nameServer, srv } from './_dns.ts';
import { ask, chat } from './_simulate-client.ts';

const MAIN = fileURLToPath(new URL('../scripts/kubernetes/main.ts', import.meta.url));
const TSX = createRequire(import.meta.url).resolve('tsx/cli');

/** What is looked at here of the objects of Kubernetes. */
interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string };
}
interface Container {
  readonly name: string;
  readonly image: string;
  readonly args: readonly string[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly livenessProbe: Probe;
  readonly readinessProbe: Probe;
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
}
interface Item {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly spec: {
    readonly clusterIP?: string;
    readonly selector: Readonly<Record<string, string>> & { readonly matchLabels?: object };
    readonly ports: readonly {
      readonly name: string;
      readonly protocol: string;
      readonly port: number;
      readonly targetPort: string;
    }[];
    readonly template: {
      readonly metadata: { readonly labels: object };
      readonly spec: {
        readonly containers: readonly Container[];
        readonly volumes: readonly { readonly name: string }[];
        readonly nodeSelector?: object;
      };
    };
  };
}

function run(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [TSX, MAIN, ...args], { encoding: 'utf8' });
  return { status, stdout, stderr };
}

function rendered(...args: readonly string[]) {
  const { items } = JSON.parse(run('--image', 'r.example/ollana:1', ...args).stdout) as { items: Item[] };
  const find = (kind: string, name: string) =>
    items.find((item) => item.kind === kind && item.metadata.name === name)!;
  const ollanaOf = (item: Item) => item.spec.template.spec.containers.find(({ name }) => name === 'ollana')!;
  const [server, client] = [find('DaemonSet', 'ollana'), find('Deployment', 'ollana-client')];
  return {
    items,
    headless: find('Service', 'ollana'),
    apps: find('Service', 'ollana-client'),
    server,
    client,
    serve: ollanaOf(server),
    use: ollanaOf(client),
  };
}

/** The name that Kubernetes makes for the first port of a service (its "DNS for Services and Pods"). */
function srvNameOf({ metadata, spec }: Item, domain: string): string {
  const [port] = spec.ports;
  return `_${port!.name}._${port!.protocol.toLowerCase()}.${metadata.name}.${metadata.namespace}.svc.${domain}`;
}

const after = (args: readonly string[], flag: string) => args[args.indexOf(flag) + 1];

/** The arguments of a container for a process of this test: its own data directory, loopback, any port. */
function here(args: readonly string[], more: readonly string[] = []): readonly string[] {
  const at = args.indexOf('--data-dir');
  const own = args.filter((arg, i) => i !== at && i !== at + 1 && arg !== '--host' && arg !== '0.0.0.0');
  const named = own.map((arg) => (arg === '$(NODE_NAME)' ? 'node-1' : arg));
  return [...named, '--host', '127.0.0.1', '--port', '0', ...more];
}

describe('what Kubernetes is given', () => {
  it.each([
    [[], 'default', 'cluster.local'],
    [['--namespace', 'ai', '--cluster-domain', 'corp.example'], 'ai', 'corp.example'],
  ] as const)(
    'with %j has clients follow the name that it makes for the headless service',
    (args, namespace, domain) => {
      const { headless, use, items } = rendered(...args);
      expect(headless.spec.clusterIP).toBe('None');
      expect(after(use.args, '--discover')).toBe(`dns:${srvNameOf(headless, domain)}`);
      expect(items.map(({ metadata }) => metadata.namespace)).toEqual(items.map(() => namespace));
    },
  );

  it('selects the pods that it makes, on the port where ollana listens', () => {
    const { headless, apps, server, client } = rendered();
    for (const [service, workload] of [
      [headless, server],
      [apps, client],
    ] as const) {
      const { template, selector } = workload.spec;
      expect(template.metadata.labels).toMatchObject(service.spec.selector);
      expect(template.metadata.labels).toMatchObject(selector.matchLabels!);
      const [port] = service.spec.ports;
      const [ollana] = template.spec.containers.filter(({ name }) => name === 'ollana');
      expect(ollana!.ports).toMatchObject([{ name: port!.targetPort, containerPort: DEFAULTS.port }]);
      for (const { httpGet } of [ollana!.livenessProbe, ollana!.readinessProbe])
        expect(httpGet.port).toBe(port!.targetPort);
      const volumes = new Set(template.spec.volumes.map(({ name }) => name));
      for (const { volumeMounts } of template.spec.containers)
        for (const { name } of volumeMounts) expect(volumes).toContain(name);
    }
  });

  it('is without GPUs where that is wanted', () => {
    const { server } = rendered('--node', '', '--gpu', '');
    expect(server.spec.template.spec.nodeSelector).toBe(undefined);
    expect(JSON.stringify(server)).not.toContain('nvidia');
  });

  it.each([
    [[], '--image'],
    [['--image', 'x', '--namespace', 'Bad Name'], '--namespace'],
    [['--image', 'x', '--replicas', 'many'], '--replicas'],
    [['--image', 'x', '--nothing'], '--nothing'],
  ] as const)('is nothing for %j but what is wrong', (args, text) => {
    const { status, stdout, stderr } = run(...args);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toContain(text);
  });
});

it('daemons take the arguments, answer the probes, and find each other by the records of Kubernetes', async () => {
  const { headless, serve, use } = rendered();
  await using ollama = await startSimulatedOllama({ models: [{ name: 'm' }] });
  await using server = await startDaemon({ args: here(serve.args, ['--ollama', ollama.url]) });
  const get = async (url: string, { httpGet }: Probe) => (await fetch(url + httpGet.path)).status;
  const name = srvNameOf(headless, 'cluster.local');
  const pod = `10-0-0-1.ollana.default.svc.cluster.local`;
  await using dns = await nameServer(({ name: asked, type }) =>
    type === 'SRV' && asked === name
      ? { answers: [srv(name, pod, server.port, 0, 5)], additionals: [a(pod, '127.0.0.1', 5)] }
      : { code: 3 },
  );
  const args = here(use.args).map((arg) => (arg.startsWith('dns:') ? `${arg}@127.0.0.1:${dns.port}` : arg));
  await using client = await startDaemon({ args });

  await until(
    5000,
    'the server to be ready',
    async () => (await get(server.url, serve.readinessProbe)) === 200,
  );
  expect(await get(server.url, serve.livenessProbe)).toBe(200);
  expect(await get(client.url, use.readinessProbe)).toBe(200);
  expect(await get(client.url, use.livenessProbe)).toBe(200);

  // As an app calls it that only knows the service's name.
  const headers = { host: `ollana-client:${DEFAULTS.port}` };
  const full = { host: `ollana-client.default.svc.cluster.local:${DEFAULTS.port}` };
  for (const one of [headers, full]) {
    const answer = await ask(client, '/api/chat', chat('m', 'hi'), { headers: one });
    expect([answer.status, answer.headers['x-ollana-server']]).toEqual([200, 'node-1']);
  }

  // Without its Ollama a pod is not ready, which takes it out of DNS, and lives on.
  await ollama.stop();
  await until(
    5000,
    'the server not to be ready',
    async () => (await get(server.url, serve.readinessProbe)) >= 500,
  );
  expect(await get(server.url, serve.livenessProbe)).toBe(200);
});
